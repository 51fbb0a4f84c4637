//! Times as people and JSON read them.

use std::time::SystemTime;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Returns the time as RFC 3339, in whole seconds; an empty text for a time that cannot be written.
pub fn rfc3339(time: SystemTime) -> String {
    let time = OffsetDateTime::from(time);
    time.replace_nanosecond(0).ok().and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_default()
}

/// Returns the time as RFC 3339, exactly; an empty text for a time that cannot be written.
pub fn rfc3339_nanos(time: SystemTime) -> String {
    OffsetDateTime::from(time).format(&Rfc3339).unwrap_or_default()
}
