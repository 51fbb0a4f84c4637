//! The arithmetic: one limit, one timestamp.

use std::fmt;
use std::time::Duration;

use crate::Moment;

/// A rate limit: `burst` at once, then `count` in each `period`.
///
/// It is a token bucket, not a sliding window. As Let's Encrypt's server does it, one token comes back in each
/// [`emission_interval`](Self::emission_interval), which is the period divided by the count in whole
/// nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Limit {
    burst: u32,
    count: u32,
    period: Duration,
    emission: i64,
    offset: i64,
}

impl Limit {
    /// The limit of `burst` at once and `count` in each `period`.
    ///
    /// # Errors
    /// A [`LimitError`] when one of the three is zero, when the period has fewer nanoseconds than the count, or
    /// when an empty bucket would need more than 292 years to be full.
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

    /// How many can be had at once from a full bucket.
    pub const fn burst(&self) -> u32 {
        self.burst
    }

    /// How many come back in one period.
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// The time in which `count` tokens come back.
    pub const fn period(&self) -> Duration {
        self.period
    }

    /// The time in which one token comes back.
    pub const fn emission_interval(&self) -> Duration {
        Duration::from_nanos(self.emission.unsigned_abs())
    }

    /// The time in which an empty bucket becomes full.
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

/// Why three numbers are no [`Limit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitError {
    burst: u32,
    count: u32,
    period: Duration,
}

impl fmt::Display for LimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { burst, count, period } = self;
        write!(f, "no limit can be made of {burst} at once and {count} in {period:?}")
    }
}

impl std::error::Error for LimitError {}

/// How full a bucket is, as one timestamp: the time at which it will be full again.
///
/// This is the generic cell rate algorithm, and the timestamp is its theoretical arrival time (TAT). It counts
/// nanoseconds from the Unix epoch. A full bucket is any timestamp that has passed.
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

/// What a bucket answers. What is asked of it is computed then, because most ask only whether it is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a bucket is spent only when the new state is kept"]
pub struct Decision {
    /// Whether the cost was to be had.
    pub allowed: bool,
    /// The bucket afterwards; unchanged in what it allows when the answer is no.
    pub bucket: Bucket,
    /// What is left, in nanoseconds of refill; below zero when the limit was lowered, or the clock set back.
    left: i128,
    /// The nanoseconds until the same cost is to be had.
    wait: Option<i128>,
    /// The nanoseconds until it is full.
    until_full: i128,
    emission: i64,
    burst: u32,
}

impl Decision {
    /// How many tokens are left.
    #[inline]
    pub fn remaining(&self) -> u32 {
        // It is at most the burst's time, which fits.
        let left = i64::try_from(self.left.max(0)).unwrap_or(i64::MAX);
        u32::try_from(left / self.emission).unwrap_or(u32::MAX).min(self.burst)
    }

    /// How long until the same cost is to be had (again); `None` when it never is, because it is above the burst
    /// or because time ends (in the year 2262) before it is.
    #[inline]
    pub fn retry_in(&self) -> Option<Duration> {
        self.wait.map(duration)
    }

    /// How long until the bucket is full, if nothing more is spent.
    #[inline]
    pub fn reset_in(&self) -> Duration {
        duration(self.until_full)
    }
}

impl Bucket {
    /// A bucket of which nothing was ever spent.
    pub const FULL: Self = Self(i64::MIN);

    /// The bucket that is full at `nanos` nanoseconds from the Unix epoch: what a store kept of it.
    pub const fn full_at_unix_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// The time at which it is full, in nanoseconds from the Unix epoch: what a store keeps of it.
    pub const fn unix_nanos(self) -> i64 {
        self.0
    }

    /// Whether it is full at `now`.
    #[inline]
    pub fn is_full(self, now: impl Into<Moment>) -> bool {
        self.0 <= now.into().unix_nanos()
    }

    /// Takes `cost` tokens, if they are there. A cost of zero asks and takes nothing.
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
                until_full: full_at - at,
                emission,
                burst,
            },
            _ => Decision {
                allowed: false,
                bucket: self,
                left: at + offset - base,
                wait: (cost <= burst && fits.is_ok()).then_some(-spare),
                until_full: base - at,
                emission,
                burst,
            },
        }
    }

    /// The bucket after `cost` tokens were taken, if they are there: [`spend`](Self::spend) for those who want to know
    /// nothing else, in 64 bits.
    #[inline]
    pub fn try_spend(self, limit: &Limit, now: impl Into<Moment>, cost: u32) -> Option<Self> {
        let at = now.into().unix_nanos();
        let full_at = at.max(self.0).checked_add(limit.emission.checked_mul(i64::from(cost))?)?;
        (full_at <= at.saturating_add(limit.offset)).then_some(Self(full_at))
    }

    /// Gives `cost` tokens back, up to a full bucket.
    ///
    /// Only for a cost that was just spent: tokens that have come back since by themselves would come back twice.
    #[cfg(test)]
    pub(crate) fn refund(self, limit: &Limit, now: impl Into<Moment>, cost: u32) -> Decision {
        let at = i128::from(now.into().unix_nanos());
        let before = i128::from(self.0);
        let offset = i128::from(limit.offset);
        let after = (before - i128::from(limit.emission) * i128::from(cost)).max(at).min(before);
        let full_at = after.max(at);
        Decision {
            allowed: after != before,
            // Between two numbers that fit.
            bucket: Self(i64::try_from(after).unwrap_or(self.0)),
            left: at + offset - full_at,
            wait: Some(0),
            until_full: full_at - at,
            emission: limit.emission,
            burst: limit.burst,
        }
    }

    /// The bucket after `cost` was spent for sure, whatever this clock says of how much was there.
    pub(crate) fn spend_anyway(self, limit: &Limit, now: impl Into<Moment>, cost: u32) -> Self {
        Self(i64::try_from(self.after(limit, now, cost)).unwrap_or(i64::MAX))
    }

    /// The bucket after `cost` was spent or, when there was too little, was not: at most empty.
    ///
    /// A CA that spends without a check leaves a bucket as it is when it holds too little. A mirror does not know
    /// which of the two it did, and takes the worse.
    pub(crate) fn spend_to_empty(self, limit: &Limit, now: impl Into<Moment>, cost: u32) -> Self {
        let now = now.into();
        let empty = i128::from(now.unix_nanos()) + i128::from(limit.offset);
        let after = self.after(limit, now, cost).min(empty);
        Self(i64::try_from(after).unwrap_or(i64::MAX).max(self.0))
    }

    fn after(self, limit: &Limit, now: impl Into<Moment>, cost: u32) -> i128 {
        i128::from(now.into().unix_nanos().max(self.0)) + i128::from(limit.emission) * i128::from(cost)
    }

    /// The bucket of which the owner said at `now` that one token is to be had after `wait` and not before; never
    /// fuller than it was. No bucket makes one wait longer than it needs to fill, so `wait` counts up to there.
    pub(crate) fn denied_for(self, limit: &Limit, now: impl Into<Moment>, wait: Duration) -> Self {
        let wait = wait.min(limit.burst_offset()).as_nanos() as i128;
        let full_at = i128::from(now.into().unix_nanos()) + wait + i128::from(limit.offset - limit.emission);
        Self(i64::try_from(full_at).unwrap_or(i64::MAX).max(self.0))
    }

    /// How long until the `n`-th further token is to be had, if each is taken as soon as it is there. At most until
    /// the year 2262.
    pub(super) fn wait_for(self, limit: &Limit, now: impl Into<Moment>, n: u64) -> Duration {
        let at = now.into().unix_nanos();
        let full_at = i128::from(at.max(self.0)) + i128::from(limit.emission) * i128::from(n);
        let had_at = (full_at - i128::from(limit.offset)).min(i128::from(i64::MAX));
        duration(had_at - i128::from(at))
    }

    /// The bucket that is not more than empty: one that was filled by a clock that went wrong, or by a slower limit,
    /// would stay closed for longer than any refill takes.
    pub(crate) fn at_most_empty(self, limit: &Limit, now: impl Into<Moment>) -> Self {
        Self(self.0.min(now.into().unix_nanos().saturating_add(limit.offset)))
    }

    /// How long until it is full.
    pub(super) fn full_in(self, now: impl Into<Moment>) -> Duration {
        duration(i128::from(self.0) - i128::from(now.into().unix_nanos()))
    }

    /// The bucket of a limit without known numbers: full after `wait`, which counts up to a week.
    pub(super) fn closed_for(self, now: impl Into<Moment>, wait: Duration) -> Self {
        let wait = wait.min(A_WEEK).as_nanos() as i128;
        let full_at = i128::from(now.into().unix_nanos()) + wait;
        Self(i64::try_from(full_at).unwrap_or(i64::MAX).max(self.0))
    }
}

const A_WEEK: Duration = Duration::from_secs(7 * 86_400);

#[inline]
fn duration(nanos: i128) -> Duration {
    Duration::from_nanos(u64::try_from(nanos.max(0)).unwrap_or(u64::MAX))
}
