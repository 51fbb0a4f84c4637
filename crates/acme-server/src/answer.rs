//! Parts of answers: header values and times.

use std::time::{Duration, SystemTime};

use http::HeaderValue;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Returns the value of a `Link` header (RFC 8288).
pub(crate) fn link(url: &str, relation: &str) -> HeaderValue {
    text(&format!("<{url}>;rel=\"{relation}\""))
}

/// Returns a header value; empty if the base URL has characters that no header can carry.
pub(crate) fn text(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}

/// Returns the value of a `Retry-After` header: whole seconds, rounded up.
pub(crate) fn seconds(wait: Duration) -> HeaderValue {
    let up = u64::from(wait.subsec_nanos() > 0);
    HeaderValue::from(wait.as_secs().saturating_add(up))
}

/// Returns a time in whole seconds, as RFC 8555 requires.
pub(crate) fn rfc3339(time: SystemTime) -> String {
    let time = OffsetDateTime::from(time);
    time.replace_nanosecond(0).unwrap_or(time).format(&Rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_rounded_up() {
        assert_eq!(seconds(Duration::from_millis(1)), "1");
        assert_eq!(seconds(Duration::from_secs(2)), "2");
        assert_eq!(seconds(Duration::MAX), u64::MAX.to_string());
    }
}
