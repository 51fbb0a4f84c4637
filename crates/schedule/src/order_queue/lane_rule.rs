//! The lane rule: which lane an order waits in.

use std::time::{Duration, SystemTime};

use crate::queue::Lane;
use crate::window_without_ari;

/// Number of failures in a row from which an order waits in [`Lane::Failing`].
const FAILING_AFTER: u32 = 3;

/// The certificate that an order replaces, as far as its lane depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Predecessor {
    /// Start of its validity.
    pub not_before: SystemTime,
    /// End of its validity.
    pub not_after: SystemTime,
    /// Planned moment of its renewal, if one was planned.
    pub renew_at: Option<SystemTime>,
    /// End of the renewal window that the CA named (RFC 9773), if it named one.
    pub window_end: Option<SystemTime>,
}

impl Predecessor {
    /// Returns the moment from which the renewal is urgent: half of the time between the planned renewal and the end of
    /// validity has passed.
    pub fn expiring_from(&self) -> SystemTime {
        let renew_at = self.renew_at.unwrap_or(self.not_before).min(self.not_after);
        let left: Duration = self.not_after.duration_since(renew_at).unwrap_or_default();
        self.not_after.checked_sub(left / 2).unwrap_or(self.not_after)
    }

    /// Returns whether the CA has revoked the certificate or is about to: it named a renewal window that ended before the
    /// ordinary renewal time, and that window is over.
    pub(crate) fn is_revoked(&self, now: SystemTime) -> bool {
        let ordinary = window_without_ari(self.not_before, self.not_after);
        self.window_end.is_some_and(|end| end <= now && ordinary.is_some_and(|window| end < window.start()))
    }
}

/// Returns the lane of an order that failed `failures` times in a row and replaces `predecessor`.
///
/// ```
/// use fleetcert_schedule::order_queue::{Lane, lane_of};
/// use std::time::SystemTime;
///
/// let now = SystemTime::UNIX_EPOCH;
/// assert_eq!(lane_of(0, None, now), Lane::New);
/// assert_eq!(lane_of(3, None, now), Lane::Failing);
/// ```
pub fn lane_of(failures: u32, predecessor: Option<&Predecessor>, now: SystemTime) -> Lane {
    match predecessor {
        _ if failures >= FAILING_AFTER => Lane::Failing,
        None => Lane::New,
        Some(predecessor) if predecessor.expiring_from() <= now => Lane::Expiring,
        Some(predecessor) if predecessor.is_revoked(now) => Lane::Revoked,
        Some(_) => Lane::Routine,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn at(day: u32) -> SystemTime {
        SystemTime::UNIX_EPOCH + DAY * (20_000 + day)
    }

    /// A certificate of 90 days whose renewal is planned on day 60.
    fn predecessor(window_end: u32) -> Predecessor {
        Predecessor {
            not_before: at(0),
            not_after: at(90),
            renew_at: Some(at(60)),
            window_end: Some(at(window_end)),
        }
    }

    #[test]
    fn lane_follows_failures_validity_and_revocation() {
        for (failures, window_end, day, lane) in [
            (0, None, 60, Lane::New),
            (2, None, 60, Lane::New),
            (3, None, 60, Lane::Failing),
            (0, Some(61), 60, Lane::Routine),
            // A device that slept through its window is not revoked.
            (0, Some(61), 74, Lane::Routine),
            (0, Some(61), 75, Lane::Expiring),
            (0, Some(61), 91, Lane::Expiring),
            (0, Some(10), 11, Lane::Revoked),
            (0, Some(10), 9, Lane::Routine),
            (0, Some(10), 80, Lane::Expiring),
            // An order that keeps failing is in the failing lane, however urgent it is.
            (3, Some(10), 80, Lane::Failing),
        ] {
            let predecessor = window_end.map(predecessor);
            assert_eq!(
                lane_of(failures, predecessor.as_ref(), at(day)),
                lane,
                "{predecessor:?} on day {day}"
            );
        }
    }
}
