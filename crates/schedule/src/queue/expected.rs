//! How long a queue takes.

use std::time::{Duration, SystemTime};

/// When a piece of work with `ahead` others before it is done, if `in_flight` are worked on at a time and each
/// takes `each`.
///
/// An estimate for people and for devices that ask when to come back, not a promise.
///
/// ```
/// use fleetcert_schedule::expected_completion;
/// use std::time::{Duration, SystemTime};
///
/// let now = SystemTime::UNIX_EPOCH;
/// let each = Duration::from_secs(10);
/// assert_eq!(expected_completion(now, 0, 4, each), now + each);
/// assert_eq!(expected_completion(now, 4, 4, each), now + 2 * each);
/// ```
pub fn expected_completion(now: SystemTime, ahead: usize, in_flight: usize, each: Duration) -> SystemTime {
    let rounds = (ahead / in_flight.max(1)).saturating_add(1);
    let wait = each.saturating_mul(u32::try_from(rounds).unwrap_or(u32::MAX));
    now.checked_add(wait.min(A_YEAR)).unwrap_or(now)
}

const A_YEAR: Duration = Duration::from_secs(365 * 86_400);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_queue_overflows() {
        let now = SystemTime::UNIX_EPOCH;
        assert_eq!(expected_completion(now, usize::MAX, 0, Duration::MAX), now + A_YEAR);
    }
}
