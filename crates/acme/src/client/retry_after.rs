//! The header that says when to come back.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::RETRY_AFTER;

/// No CA means longer than this, and a machine that waits longer has forgotten why.
const LONGEST: Duration = Duration::from_secs(30 * 86_400);

/// `Retry-After` (RFC 9110 section 10.2.3) as a time to wait from `now`: seconds or an HTTP date. A date that has
/// passed is no wait; a value that is neither is no value.
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than a u64 has room for are still a number, and a long time.
        text.parse().map_or(LONGEST, Duration::from_secs)
    } else {
        httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default()
    };
    Some(wait.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn wait(text: &str) -> Option<Duration> {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777); // Sun, 06 Nov 1994 08:49:37 GMT
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_str(text).unwrap());
        retry_after(&headers, now)
    }

    #[test]
    fn seconds_and_all_three_forms_of_date() {
        let seconds = |s| Some(Duration::from_secs(s));
        assert_eq!(wait("0"), seconds(0));
        assert_eq!(wait(" 120 "), seconds(120));
        assert_eq!(wait("Sun, 06 Nov 1994 08:50:37 GMT"), seconds(60));
        assert_eq!(wait("Sunday, 06-Nov-94 08:49:47 GMT"), seconds(10));
        assert_eq!(wait("Sun Nov  6 08:49:38 1994"), seconds(1));
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:00 GMT"), seconds(0), "a date that has passed");
        assert_eq!(wait("99999999999999999999999"), Some(LONGEST));
        assert_eq!(wait("Fri, 31 Dec 9999 23:59:59 GMT"), Some(LONGEST));
    }

    #[test]
    fn what_is_no_value() {
        for text in ["", "soon", "-1", "+5", "1.5", "12 s", "0x10"] {
            assert_eq!(wait(text), None, "{text:?}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), SystemTime::UNIX_EPOCH), None);
    }

    proptest! {
        #[test]
        fn nothing_panics_and_nothing_is_longer(text in "[ -~]{0,40}") {
            prop_assert!(wait(&text).is_none_or(|wait| wait <= LONGEST));
        }
    }
}
