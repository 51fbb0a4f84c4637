//! The `Retry-After` header.

use std::time::{Duration, SystemTime};

/// Parses the value of a `Retry-After` header (RFC 9110 section 10.2.3): the wait from `now`, at most `max`.
///
/// The value is a number of seconds or a date. A date in the past gives zero. Returns `None` for any other text.
///
/// ```
/// use fleetcert_ambient::retry_after;
/// use std::time::{Duration, SystemTime};
///
/// let (now, day) = (SystemTime::UNIX_EPOCH, Duration::from_secs(86_400));
/// assert_eq!(retry_after("120", now, day), Some(Duration::from_secs(120)));
/// let date = "Thu, 01 Jan 1970 00:01:00 GMT";
/// assert_eq!(retry_after(date, now, day), Some(Duration::from_secs(60)));
/// assert_eq!(retry_after("9999999", now, day), Some(day));
/// assert_eq!(retry_after("soon", now, day), None);
/// ```
pub fn retry_after(value: &str, now: SystemTime, max: Duration) -> Option<Duration> {
    let value = value.trim();
    let wait = if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // A number too large for a u64 is still a number.
        value.parse().map_or(max, Duration::from_secs)
    } else {
        httpdate::parse_http_date(value.get(..MAX_DATE).unwrap_or(value))
            .ok()?
            .duration_since(now)
            .unwrap_or_default()
    };
    Some(wait.min(max))
}

/// Maximum octets of a date that is parsed. The longest form is shorter.
const MAX_DATE: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MAX: Duration = Duration::from_secs(30 * 86_400);

    fn wait(value: &str) -> Option<Duration> {
        // Sun, 06 Nov 1994 08:49:37 GMT
        retry_after(value, SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777), MAX)
    }

    #[test]
    fn seconds_and_all_three_date_forms_are_parsed() {
        let seconds = |s| Some(Duration::from_secs(s));
        assert_eq!(wait("0"), seconds(0));
        assert_eq!(wait(" 120 "), seconds(120));
        assert_eq!(wait("Sun, 06 Nov 1994 08:50:37 GMT"), seconds(60));
        assert_eq!(wait("Sunday, 06-Nov-94 08:49:47 GMT"), seconds(10));
        assert_eq!(wait("Sun Nov  6 08:49:38 1994"), seconds(1));
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:00 GMT"), seconds(0), "a date that has passed");
        assert_eq!(wait("99999999999999999999999"), Some(MAX));
        assert_eq!(wait("Fri, 31 Dec 9999 23:59:59 GMT"), Some(MAX));
    }

    #[test]
    fn other_values_give_none() {
        for value in ["", "soon", "-1", "+5", "1.5", "12 s", "0x10", "١٢"] {
            assert_eq!(wait(value), None, "{value:?}");
        }
    }

    proptest! {
        #[test]
        fn no_value_panics_or_exceeds_the_maximum(value: String) {
            prop_assert!(wait(&value).is_none_or(|wait| wait <= MAX));
        }
    }
}
