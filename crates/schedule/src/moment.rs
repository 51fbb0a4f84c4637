//! A time in eight bytes.

use std::time::{Duration, SystemTime};

/// A time as nanoseconds from the Unix epoch: what a store keeps, and what costs nothing to compare and to add to.
///
/// Times before 1677 or after 2262 count as the nearest that can be told. Whoever asks many buckets at one time turns it
/// into a moment once; a [`SystemTime`] is taken everywhere too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(i64);

impl From<SystemTime> for Moment {
    #[inline]
    fn from(time: SystemTime) -> Self {
        Self::of(time)
    }
}

impl Moment {
    /// Later than any time that comes.
    pub(crate) const NEVER: Self = Self(i64::MAX);

    /// The nanoseconds from the Unix epoch.
    #[inline]
    pub(crate) const fn unix_nanos(self) -> i64 {
        self.0
    }

    /// The moment of a time.
    #[inline]
    pub fn of(time: SystemTime) -> Self {
        Self(match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => nanos(after).unwrap_or(i64::MAX),
            Err(before) => nanos(before.duration()).map_or(i64::MIN, |nanos| -nanos),
        })
    }

    /// No time is one that never comes.
    pub(crate) fn or_never(time: Option<SystemTime>) -> Self {
        time.map_or(Self::NEVER, Self::of)
    }

    /// The time; none for one that never comes.
    pub(crate) fn time(self) -> Option<SystemTime> {
        let distance = Duration::from_nanos(self.0.unsigned_abs());
        match self {
            Self::NEVER => None,
            Self(0..) => SystemTime::UNIX_EPOCH.checked_add(distance),
            Self(_) => SystemTime::UNIX_EPOCH.checked_sub(distance),
        }
    }

    /// The time; for one that never comes the last that can be told.
    pub(crate) fn time_or_last(self) -> SystemTime {
        let last = Self(i64::MAX - 1);
        self.min(last).time().unwrap_or(SystemTime::UNIX_EPOCH)
    }

    pub(crate) fn after(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(wait.as_nanos()).unwrap_or(i64::MAX)))
    }
}

/// In 64 bits all the way, where they are enough.
#[inline]
fn nanos(duration: Duration) -> Option<i64> {
    let whole = i64::try_from(duration.as_secs()).ok()?.checked_mul(1_000_000_000)?;
    whole.checked_add(duration.subsec_nanos().into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_time_comes_back_as_it_was() {
        let times = [
            SystemTime::UNIX_EPOCH,
            SystemTime::UNIX_EPOCH + Duration::from_nanos(1_700_000_000_123_456_789),
            SystemTime::UNIX_EPOCH - Duration::from_nanos(5),
        ];
        for time in times {
            assert_eq!(Moment::of(time).time(), Some(time));
        }
    }

    #[test]
    fn what_cannot_be_told_is_the_nearest() {
        let far = SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 40);
        assert_eq!(Moment::of(far), Moment::NEVER);
        assert_eq!(Moment::NEVER.time(), None);
        let long_ago = SystemTime::UNIX_EPOCH - Duration::from_secs(1 << 40);
        assert!(Moment::of(long_ago) < Moment::of(SystemTime::UNIX_EPOCH));
        assert_eq!(Moment::of(far).after(Duration::MAX), Moment::NEVER);
    }

    proptest! {
        #[test]
        fn the_short_way_counts_as_the_long_one(
            seconds in prop_oneof![any::<u64>(), 9_223_372_030u64..9_223_372_040], below in 0u32..1_000_000_000,
        ) {
            let duration = Duration::new(seconds, below);
            prop_assert_eq!(nanos(duration), i64::try_from(duration.as_nanos()).ok());
        }
    }
}
