//! The limit of certificates of one name.

use std::time::{Duration, SystemTime};

/// The number of certificates that one exact set of names may get in a period, and their minimum distance.
///
/// Let's Encrypt issues five in seven days for one set, over all accounts, and grants no override: a device that loses
/// its state repeatedly would lock itself out. So fewer are used, and the rest is left to the operator.
///
/// The CA has a token bucket: five at once, and one is refilled in 33.6 hours. This is a sliding window, which is
/// stricter. Four in *any* seven days take at most four tokens from a bucket that refills in 5.6 days, so the bucket
/// always has one and the CA never refuses. A bucket of four with the CA's refill would also leave one, but it would
/// allow eight certificates in one week.
///
/// ```
/// use fleetcert_schedule::quota::NameLimit;
/// use std::time::{Duration, SystemTime};
///
/// let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
/// let day = Duration::from_secs(86_400);
/// let limit = NameLimit::default();
/// assert_eq!(limit.limited_until([now - 6 * day, now - 3 * day], now), None);
/// // One a day.
/// assert_eq!(limit.limited_until([now - day / 4], now), Some(now + 3 * day / 4));
/// // Four in seven days.
/// let four = [6, 4, 3, 2].map(|days| now - days * day);
/// assert_eq!(limit.limited_until(four, now), Some(now + day));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameLimit {
    most: usize,
    period: Duration,
    apart: Duration,
}

impl Default for NameLimit {
    /// One a day, and four in seven days: one less than Let's Encrypt issues.
    fn default() -> Self {
        Self::new(4, Duration::from_secs(7 * 86_400), Duration::from_secs(86_400))
    }
}

impl NameLimit {
    /// Returns the limit of `most` in any `period`, at most a century, and one in any `apart`; zero certificates count as
    /// one.
    pub const fn new(most: usize, period: Duration, apart: Duration) -> Self {
        let period = if period.as_secs() < CENTURY.as_secs() { period } else { CENTURY };
        let apart = if apart.as_nanos() < period.as_nanos() { apart } else { period };
        Self { most: if most == 0 { 1 } else { most }, period, apart }
    }

    /// Returns when the next certificate may be ordered for a name whose certificates were issued at these times, in any
    /// order; `None` for now. An order in flight counts as issued.
    ///
    /// A time after `now` comes from a clock that was set back. It counts if it is less than a period ahead, so a wrong
    /// clock locks a name out for two periods at most.
    pub fn limited_until(
        &self,
        issued: impl IntoIterator<Item = SystemTime>,
        now: SystemTime,
    ) -> Option<SystemTime> {
        let horizon = now.checked_add(self.period)?;
        let mut recent: Vec<_> = issued
            .into_iter()
            .filter(|at| *at < horizon)
            .filter(|at| at.checked_add(self.period).is_some_and(|over| over > now))
            .collect();
        recent.sort_unstable();
        let newest = recent.last()?.checked_add(self.apart);
        // The oldest of the certificates that fill the limit stops counting after its period.
        let oldest =
            recent.len().checked_sub(self.most).and_then(|i| recent.get(i)?.checked_add(self.period));
        newest.max(oldest).filter(|until| *until > now)
    }
}

const CENTURY: Duration = Duration::from_secs(100 * 365 * 86_400);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::{Bucket, Limit};
    use proptest::prelude::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const WEEK: Duration = Duration::from_secs(7 * 86_400);

    fn at(hours: u32) -> SystemTime {
        SystemTime::UNIX_EPOCH + HOUR * 400_000 + HOUR * hours
    }

    #[test]
    fn limit_frees_one_certificate_at_a_time() {
        let limit = NameLimit::new(2, HOUR * 5, Duration::ZERO);
        let until = |hours: &[u32]| limit.limited_until(hours.iter().map(|hour| at(*hour)), at(10));
        assert_eq!(until(&[]), None);
        assert_eq!(until(&[1, 2, 9]), None, "those of long ago do not count");
        assert_eq!(until(&[9, 8]), Some(at(13)), "in any order");
        assert_eq!(until(&[7, 8, 9]), Some(at(13)));
        assert_eq!(until(&[5, 10]), None, "a period is over when it is over");
    }

    #[test]
    fn clock_set_back_locks_no_name_out_for_long() {
        let limit = NameLimit::default();
        let soon = [at(1); 4];
        assert_eq!(limit.limited_until(soon, at(0)), Some(at(1) + WEEK));
        assert_eq!(limit.limited_until([at(24 * 365); 4], at(0)), None);
    }

    #[test]
    fn extreme_numbers_are_accepted() {
        let limit = NameLimit::new(0, Duration::MAX, Duration::MAX);
        assert_eq!(limit.most, 1);
        assert!(limit.limited_until([at(0)], at(1)).is_some());
        assert_eq!(NameLimit::new(usize::MAX, HOUR, Duration::ZERO).limited_until([at(0)], at(0)), None);
    }

    proptest! {
        /// The CA's bucket has one left after each certificate, however eager the device and however long an order
        /// takes between our note and the CA's.
        #[test]
        fn ca_never_refuses_within_the_limit(
            pauses in prop::collection::vec((0u64..400_000, 0u64..86_400), 1..200),
            apart in prop_oneof![Just(Duration::ZERO), Just(HOUR * 24)],
        ) {
            let limit = NameLimit::new(4, WEEK, apart);
            let at_ca = Limit::new(5, 5, WEEK).unwrap();
            let (mut now, mut bucket) = (at(0), Bucket::FULL);
            let (mut noted, mut issued) = (Vec::<SystemTime>::new(), Vec::new());
            for (pause, delay) in pauses {
                now += Duration::from_secs(pause);
                if limit.limited_until(noted.iter().rev().take(limit.most).copied(), now).is_some() {
                    continue;
                }
                noted.push(now);
                issued.push(now + Duration::from_secs(delay));
            }
            issued.sort();
            for time in issued {
                let decision = bucket.spend(&at_ca, time, 1);
                prop_assert!(decision.allowed && decision.remaining() >= 1, "{:?}", decision);
                bucket = decision.bucket;
            }
            for (i, first) in noted.iter().enumerate() {
                prop_assert!(noted[i..].iter().filter(|time| **time < *first + WEEK).count() <= 4);
            }
        }

        #[test]
        fn limited_until_is_exact(hours in prop::collection::vec(0u32..400, 0..10), now in 0u32..400) {
            let limit = NameLimit::new(3, HOUR * 100, HOUR * 10);
            let issued = || hours.iter().map(|hour| at(*hour)).filter(|time| *time <= at(now));
            if let Some(until) = limit.limited_until(issued(), at(now)) {
                prop_assert!(until > at(now) && until <= at(now) + HOUR * 100);
                prop_assert_eq!(limit.limited_until(issued(), until), None);
                prop_assert!(limit.limited_until(issued(), until - Duration::from_nanos(1)).is_some());
            }
        }
    }
}
