//! The arithmetic of one limit and its bucket.

use std::fmt;
use std::time::Duration;

use crate::Moment;

/// A rate limit: `burst` at once, then `count` in each `period`.
///
/// It is a token bucket, not a sliding window. As in Let's Encrypt's server, one token is refilled in each
/// [`emission_interval`](Self::emission_interval): the period divided by the count, in whole nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Limit {
    burst: u32,
    count: u32,
    period: Duration,
    emission: i64,
    offset: i64,
}

impl Limit {
    /// Returns the limit of `burst` at once and `count` in each `period`.
    ///
    /// # Errors
    /// [`LimitError`] if one of the three is zero, if the period has fewer nanoseconds than the count, or if an empty
    /// bucket would need more than 292 years to refill.
    pub const fn new(burst: u32, count: u32, period: Duration) -> Result<Self, LimitError> {
        let refused = LimitError { burst, count, period };
        if burst == 0 || count == 0 || period.as_nanos() > i64::MAX as u128 {
            return Err(refused);
        }
        let emission = period.as_nanos() as i64 / count as i64;
        if emission == 0 {
            return Err(refused);
        }
        match emission.checked_mul(burst as i64) {
            Some(offset) => Ok(Self { burst, count, period, emission, offset }),
            None => Err(refused),
        }
    }

    /// Returns the number of tokens in a full bucket.
    pub const fn burst(&self) -> u32 {
        self.burst
    }

    /// Returns the number of tokens that are refilled in one period.
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// Returns the time in which `count` tokens are refilled.
    pub const fn period(&self) -> Duration {
        self.period
    }

    /// Returns the time in which one token is refilled.
    pub const fn emission_interval(&self) -> Duration {
        Duration::from_nanos(self.emission.unsigned_abs())
    }

    /// Returns the time in which an empty bucket refills.
    pub(crate) const fn burst_offset(&self) -> Duration {
        Duration::from_nanos(self.offset.unsigned_abs())
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at once, then {} in {:?}", self.burst, self.count, self.period)
    }
}

impl fmt::Debug for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Limit({self})")
    }
}

/// The error for numbers that are not a [`Limit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitError {
    burst: u32,
    count: u32,
    period: Duration,
}

impl fmt::Display for LimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { burst, count, period } = self;
        write!(f, "invalid limit: {burst} at once and {count} in {period:?}")
    }
}

impl std::error::Error for LimitError {}

/// The state of a bucket as one timestamp: the time at which it will be full again.
///
/// This is the generic cell rate algorithm, and the timestamp is its theoretical arrival time (TAT), in nanoseconds from
/// the Unix epoch. The bucket is full if the timestamp has passed.
///
/// ```
/// use fleetcert_schedule::budget::{Bucket, Limit};
/// use std::time::{Duration, SystemTime};
///
/// let limit = Limit::new(2, 1, Duration::from_secs(60))?;
/// let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
/// let first = Bucket::FULL.spend(&limit, now, 1);
/// let second = first.bucket.spend(&limit, now, 1);
/// let third = second.bucket.spend(&limit, now, 1);
/// assert!(first.allowed && second.allowed && !third.allowed);
/// assert_eq!(third.retry_in(), Some(Duration::from_secs(60)));
/// # Ok::<(), fleetcert_schedule::budget::LimitError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bucket(i64);

/// The decision of a bucket. Its details are computed on demand, because most callers need only `allowed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "tokens are spent only if the new state is kept"]
pub struct Decision {
    /// Whether the tokens were available.
    pub allowed: bool,
    /// Bucket after the decision; unchanged if the tokens were not available.
    pub bucket: Bucket,
    /// Remaining tokens in nanoseconds of refill; negative if the limit was lowered or the clock set back.
    left: i128,
    /// Nanoseconds until the same cost is available.
    wait: Option<i128>,
    emission: i64,
    burst: u32,
}

impl Decision {
    /// Returns the number of remaining tokens.
    #[inline]
    pub fn remaining(&self) -> u32 {
        // At most the time of the burst, which fits.
        let left = i64::try_from(self.left.max(0)).unwrap_or(i64::MAX);
        u32::try_from(left / self.emission).unwrap_or(u32::MAX).min(self.burst)
    }

    /// Returns the time until the same cost is available again; `None` if it never is, because it is above the burst or
    /// after the end of time (the year 2262).
    #[inline]
    pub fn retry_in(&self) -> Option<Duration> {
        self.wait.map(duration)
    }
}

impl Bucket {
    /// A full bucket.
    pub const FULL: Self = Self(i64::MIN);

    /// Returns the bucket that is full at `nanos` nanoseconds from the Unix epoch, as a store keeps it.
    pub const fn full_at_unix_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Returns the time at which the bucket is full, in nanoseconds from the Unix epoch, as a store keeps it.
    pub const fn unix_nanos(self) -> i64 {
        self.0
    }

    /// Returns whether the bucket is full at `now`.
    #[inline]
    pub fn is_full(self, now: impl Into<Moment>) -> bool {
        self.0 <= now.into().unix_nanos()
    }

    /// Takes `cost` tokens, if they are available. A cost of zero takes nothing.
    #[inline]
    pub fn spend(self, limit: &Limit, now: impl Into<Moment>, cost: u32) -> Decision {
        let at = i128::from(now.into().unix_nanos());
        let base = at.max(i128::from(self.0));
        let increment = i128::from(limit.emission) * i128::from(cost);
        let offset = i128::from(limit.offset);
        let full_at = base + increment;
        let spare = at + offset - full_at;
        let fits = i64::try_from(full_at);
        let (emission, burst) = (limit.emission, limit.burst);
        match fits {
            Ok(full_at_nanos) if spare >= 0 => Decision {
                allowed: true,
                bucket: Self(full_at_nanos),
                left: spare,
                wait: Some(increment - spare),
                emission,
                burst,
            },
            _ => Decision {
                allowed: false,
                bucket: self,
                left: at + offset - base,
                wait: (cost <= burst && fits.is_ok()).then_some(-spare),
                emission,
                burst,
            },
        }
    }

    /// Returns the bucket after `cost` tokens were taken, if they are available: [`spend`](Self::spend) without details, in
    /// 64 bits.
    #[inline]
    pub fn try_spend(self, limit: &Limit, now: impl Into<Moment>, cost: u32) -> Option<Self> {
        let at = now.into().unix_nanos();
        let full_at = at.max(self.0).checked_add(limit.emission.checked_mul(i64::from(cost))?)?;
        (full_at <= at.saturating_add(limit.offset)).then_some(Self(full_at))
    }

    /// Returns the bucket after `cost` tokens were certainly spent, even if fewer seem to be available.
    pub(crate) fn spend_anyway(self, limit: &Limit, now: impl Into<Moment>, cost: u32) -> Self {
        Self(i64::try_from(self.after(limit, now, cost)).unwrap_or(i64::MAX))
    }

    /// Returns the bucket after `cost` tokens were spent if they were available: at most empty.
    ///
    /// A CA that spends without a check does not change a bucket with too few tokens. The mirror does not know which
    /// happened, and assumes the worse.
    pub(crate) fn spend_to_empty(self, limit: &Limit, now: impl Into<Moment>, cost: u32) -> Self {
        let now = now.into();
        let empty = i128::from(now.unix_nanos()) + i128::from(limit.offset);
        let after = self.after(limit, now, cost).min(empty);
        Self(i64::try_from(after).unwrap_or(i64::MAX).max(self.0))
    }

    fn after(self, limit: &Limit, now: impl Into<Moment>, cost: u32) -> i128 {
        i128::from(now.into().unix_nanos().max(self.0)) + i128::from(limit.emission) * i128::from(cost)
    }

    /// Returns the bucket of which the CA said at `now` that one token is available after `wait`; never fuller than
    /// before. No wait is longer than the refill of the bucket, so `wait` is capped there.
    pub(crate) fn denied_for(self, limit: &Limit, now: impl Into<Moment>, wait: Duration) -> Self {
        let wait = wait.min(limit.burst_offset()).as_nanos() as i128;
        let full_at = i128::from(now.into().unix_nanos()) + wait + i128::from(limit.offset - limit.emission);
        Self(i64::try_from(full_at).unwrap_or(i64::MAX).max(self.0))
    }

    /// Returns the time until the `n`-th further token is available, if each is taken as soon as it is there. At most
    /// until the year 2262.
    pub(super) fn wait_for(self, limit: &Limit, now: impl Into<Moment>, n: u64) -> Duration {
        let at = now.into().unix_nanos();
        let full_at = i128::from(at.max(self.0)) + i128::from(limit.emission) * i128::from(n);
        let had_at = (full_at - i128::from(limit.offset)).min(i128::from(i64::MAX));
        duration(had_at - i128::from(at))
    }

    /// Returns the bucket, at most empty: after a wrong clock or a slower limit it would stay closed for longer than a
    /// refill takes.
    pub(crate) fn at_most_empty(self, limit: &Limit, now: impl Into<Moment>) -> Self {
        Self(self.0.min(now.into().unix_nanos().saturating_add(limit.offset)))
    }

    /// Returns the time until the bucket is full.
    pub(super) fn full_in(self, now: impl Into<Moment>) -> Duration {
        duration(i128::from(self.0) - i128::from(now.into().unix_nanos()))
    }

    /// Returns the bucket of a limit without known numbers: full after `wait`, at most a week.
    pub(super) fn closed_for(self, now: impl Into<Moment>, wait: Duration) -> Self {
        let wait = wait.min(WEEK).as_nanos() as i128;
        let full_at = i128::from(now.into().unix_nanos()) + wait;
        Self(i64::try_from(full_at).unwrap_or(i64::MAX).max(self.0))
    }
}

const WEEK: Duration = Duration::from_secs(7 * 86_400);

#[inline]
fn duration(nanos: i128) -> Duration {
    Duration::from_nanos(u64::try_from(nanos.max(0)).unwrap_or(u64::MAX))
}
