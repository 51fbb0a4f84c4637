//! The `Retry-After` header.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, header};

/// Maximum wait that is accepted from a server.
const MAX_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// Returns the wait of a `Retry-After` header in either of its forms, seconds or a date, and at most [`MAX_WAIT`]; `None`
/// if there is none or it is malformed.
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    fleetcert_ambient::retry_after(value, now, MAX_WAIT)
}
