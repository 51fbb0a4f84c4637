//! A time in eight bytes.

use std::time::{Duration, SystemTime};

/// A time as nanoseconds from the Unix epoch, cheap to store, compare and add to.
///
/// Times before 1677 or after 2262 are clamped. Convert a [`SystemTime`] once if you ask many buckets at one time; every
/// function takes a [`SystemTime`] as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(i64);

impl From<SystemTime> for Moment {
    #[inline]
    fn from(time: SystemTime) -> Self {
        Self::of(time)
    }
}

impl Moment {
    /// A time that never comes.
    pub(crate) const FAR_FUTURE: Self = Self(i64::MAX);

    /// Returns the nanoseconds from the Unix epoch.
    #[inline]
    pub(crate) const fn unix_nanos(self) -> i64 {
        self.0
    }

    /// Returns the moment of a time.
    #[inline]
    pub fn of(time: SystemTime) -> Self {
        Self(match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => nanos(after).unwrap_or(i64::MAX),
            Err(before) => nanos(before.duration()).map_or(i64::MIN, |nanos| -nanos),
        })
    }

    /// Returns the moment of a time, or [`FAR_FUTURE`](Self::FAR_FUTURE) for `None`.
    pub(crate) fn or_far_future(time: Option<SystemTime>) -> Self {
        time.map_or(Self::FAR_FUTURE, Self::of)
    }

    /// Returns the time; `None` for [`FAR_FUTURE`](Self::FAR_FUTURE).
    pub(crate) fn time(self) -> Option<SystemTime> {
        let distance = Duration::from_nanos(self.0.unsigned_abs());
        match self {
            Self::FAR_FUTURE => None,
            Self(0..) => SystemTime::UNIX_EPOCH.checked_add(distance),
            Self(_) => SystemTime::UNIX_EPOCH.checked_sub(distance),
        }
    }

    /// Returns the time; the last possible one for [`FAR_FUTURE`](Self::FAR_FUTURE).
    pub(crate) fn time_or_last(self) -> SystemTime {
        let last = Self(i64::MAX - 1);
        self.min(last).time().unwrap_or(SystemTime::UNIX_EPOCH)
    }

    pub(crate) fn after(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(wait.as_nanos()).unwrap_or(i64::MAX)))
    }
}

/// Returns the nanoseconds, computed in 64 bits; `None` if they do not fit.
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
    fn time_survives_the_conversion() {
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
    fn time_out_of_range_is_clamped() {
        let far = SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 40);
        assert_eq!(Moment::of(far), Moment::FAR_FUTURE);
        assert_eq!(Moment::FAR_FUTURE.time(), None);
        let long_ago = SystemTime::UNIX_EPOCH - Duration::from_secs(1 << 40);
        assert!(Moment::of(long_ago) < Moment::of(SystemTime::UNIX_EPOCH));
        assert_eq!(Moment::of(far).after(Duration::MAX), Moment::FAR_FUTURE);
    }

    proptest! {
        #[test]
        fn conversion_in_64_bits_equals_that_in_128(
            seconds in prop_oneof![any::<u64>(), 9_223_372_030u64..9_223_372_040], below in 0u32..1_000_000_000,
        ) {
            let duration = Duration::new(seconds, below);
            prop_assert_eq!(nanos(duration), i64::try_from(duration.as_nanos()).ok());
        }
    }
}
