//! The expected completion time of queued work.

use std::time::{Duration, SystemTime};

/// Returns when a piece of work with `ahead` others before it is done, if `in_flight` are in flight at a time and each
/// takes `each`.
///
/// It is an estimate for users and for devices that poll.
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
    now.checked_add(wait.min(MAX_WAIT)).unwrap_or(now)
}

const MAX_WAIT: Duration = Duration::from_secs(365 * 86_400);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extreme_queue_does_not_overflow() {
        let now = SystemTime::UNIX_EPOCH;
        assert_eq!(expected_completion(now, usize::MAX, 0, Duration::MAX), now + MAX_WAIT);
    }
}
