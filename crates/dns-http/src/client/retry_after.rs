//! The wait that a server asks for.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, header};

/// Longest wait that is believed.
const MAX_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// Reads the `Retry-After` header.
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    fleetcert_ambient::retry_after(value, now, MAX_WAIT)
}
