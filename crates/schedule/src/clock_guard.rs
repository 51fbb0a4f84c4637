//! A guard against wrong clocks.
//!
//! Renewal times are on the wall clock. If it jumps a year ahead, all certificates are due at once; if it jumps back, none
//! is. So after a jump no new order starts until the clock is confirmed, and the number of starts in an hour is limited
//! by a clock that cannot be set.

use std::time::{Duration, SystemTime};

use crate::budget::{Bucket, Limit};

/// The settings of a [`ClockGuard`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockRule {
    /// Maximum difference of the clock from the expected time that is not a jump.
    pub tolerance: Duration,
    /// Time for which a clock must run evenly after a jump before it is trusted.
    pub agreement: Duration,
    /// Limit of new orders, on the time since the program started. A restart grants a burst again, so the burst should be
    /// small compared with the count.
    pub starts: Limit,
}

impl ClockRule {
    /// Returns the rule with ten minutes of tolerance and ten of agreement.
    pub const fn new(starts: Limit) -> Self {
        let ten_minutes = Duration::from_secs(600);
        Self { tolerance: ten_minutes, agreement: ten_minutes, starts }
    }
}

/// Compares the wall clock with a clock that cannot be set.
///
/// Give it the wall clock and the time since the program started (a monotonic clock) about every minute. It decides
/// whether a new order may start. Orders in flight continue in any case.
///
/// A machine that slept looks like one whose clock jumped, because some monotonic clocks do not count the sleep.
///
/// ```
/// use fleetcert_schedule::budget::Limit;
/// use fleetcert_schedule::clock_guard::{ClockGuard, ClockRule, Doubt, Start};
/// use std::time::{Duration, SystemTime};
///
/// let minute = Duration::from_secs(60);
/// let year = Duration::from_secs(365 * 86_400);
/// let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
/// let mut guard = ClockGuard::new(ClockRule::new(Limit::new(60, 3600, 60 * minute)?), now, Duration::ZERO, None);
/// guard.observe(now + minute, minute);
/// assert_eq!(guard.decide(minute), Start::Go);
///
/// guard.observe(now + year, 2 * minute);
/// let doubt = Start::Unsure { doubt: Doubt::Jumped, believed_at: Some(12 * minute) };
/// assert_eq!(guard.decide(2 * minute), doubt);
/// guard.observe(now + year + 10 * minute, 12 * minute);
/// assert_eq!(guard.decide(12 * minute), Start::Go);
/// # Ok::<(), fleetcert_schedule::budget::LimitError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ClockGuard {
    rule: ClockRule,
    /// The wall clock and the time since the start at the last jump, or at the start.
    anchor: (SystemTime, Duration),
    doubt: Option<(Doubt, Duration)>,
    starts: Bucket,
}

/// The reason why the clock is not trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Doubt {
    /// The clock differs from the time since the start, or is behind a time stored before the start.
    Jumped,
}

/// Whether a new order may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a decision that is ignored stops nothing"]
pub enum Start {
    /// A new order may start. Call [`ClockGuard::started`].
    Go,
    /// No order may start: the clock may be wrong. Notify an operator.
    Unsure {
        /// Reason.
        doubt: Doubt,
        /// Time since the start at which the clock is trusted if it runs evenly; `None` beyond the range of a
        /// [`Duration`].
        believed_at: Option<Duration>,
    },
    /// No order may start yet: the limit of starts is reached.
    Pace {
        /// Time since the start at which the next order may start.
        at: Duration,
    },
}

impl ClockGuard {
    /// Returns a guard at this time of the wall clock and since the start. `last_known` is the latest time in the store: a
    /// clock that is behind it is not trusted.
    pub fn new(
        rule: ClockRule,
        wall: SystemTime,
        since_start: Duration,
        last_known: Option<SystemTime>,
    ) -> Self {
        let behind = last_known.and_then(|known| known.duration_since(wall).ok()).unwrap_or_default();
        let doubt = (behind > rule.tolerance).then_some((Doubt::Jumped, since_start));
        let anchor = (wall, since_start);
        Self { rule, anchor, doubt, starts: Bucket::FULL }
    }

    /// Observes both clocks.
    pub fn observe(&mut self, wall: SystemTime, since_start: Duration) {
        let (before, then) = self.anchor;
        let passed = since_start.saturating_sub(then);
        let jumped = match before.checked_add(passed) {
            Some(expected) => Offset::between(wall, expected).exceeds(self.rule.tolerance),
            None => true,
        };
        if jumped {
            self.anchor = (wall, since_start);
            self.doubt = Some((Doubt::Jumped, since_start));
        } else if let Some((Doubt::Jumped, since)) = self.doubt
            && since_start.saturating_sub(since) >= self.rule.agreement
        {
            self.doubt = None;
        }
    }

    /// Returns whether a new order may start.
    pub fn decide(&self, since_start: Duration) -> Start {
        if let Some((doubt, since)) = self.doubt {
            return Start::Unsure { doubt, believed_at: since.checked_add(self.rule.agreement) };
        }
        let decision = self.starts.spend(&self.rule.starts, steady(since_start), 1);
        match decision.retry_in() {
            _ if decision.allowed => Start::Go,
            wait => Start::Pace { at: since_start.saturating_add(wait.unwrap_or(Duration::MAX)) },
        }
    }

    /// Counts a start, also one without a decision.
    pub fn started(&mut self, since_start: Duration) {
        self.starts = self.starts.spend_to_empty(&self.rule.starts, steady(since_start), 1);
    }
}

/// Returns the time since the start as a `SystemTime`, for a bucket.
fn steady(since_start: Duration) -> SystemTime {
    SystemTime::UNIX_EPOCH.checked_add(since_start).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// The difference of two clocks, up to 292 years.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Offset(i64);

impl Offset {
    fn between(one: SystemTime, other: SystemTime) -> Self {
        let nanos = |away: Duration| i64::try_from(away.as_nanos()).unwrap_or(i64::MAX);
        Self(match one.duration_since(other) {
            Ok(ahead) => nanos(ahead),
            Err(behind) => -nanos(behind.duration()),
        })
    }

    fn exceeds(self, tolerance: Duration) -> bool {
        u128::from(self.0.unsigned_abs()) > tolerance.as_nanos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const DAY: Duration = Duration::from_secs(86_400);

    fn start() -> SystemTime {
        SystemTime::UNIX_EPOCH + DAY * 20_000
    }

    fn rule() -> ClockRule {
        ClockRule::new(Limit::new(10, 600, MINUTE * 60).unwrap())
    }

    fn guard() -> ClockGuard {
        ClockGuard::new(rule(), start(), Duration::ZERO, None)
    }

    fn jumped_at(since: Duration) -> Start {
        Start::Unsure { doubt: Doubt::Jumped, believed_at: Some(since + MINUTE * 10) }
    }

    #[test]
    fn jump_in_either_direction_stops_starts() {
        for wall in
            [start() + MINUTE * 60, start() + DAY * 365, start() - MINUTE * 60, SystemTime::UNIX_EPOCH]
        {
            let mut guard = guard();
            guard.observe(wall, MINUTE);
            assert_eq!(guard.decide(MINUTE), jumped_at(MINUTE));
            guard.observe(wall + MINUTE * 9, MINUTE * 10);
            assert_eq!(guard.decide(MINUTE * 10), jumped_at(MINUTE));
            // And back: another jump.
            guard.observe(start() + MINUTE * 11, MINUTE * 11);
            assert_eq!(guard.decide(MINUTE * 11), jumped_at(MINUTE * 11));
            guard.observe(start() + MINUTE * 21, MINUTE * 21);
            assert_eq!(guard.decide(MINUTE * 21), Start::Go);
        }
    }

    #[test]
    fn difference_within_the_tolerance_is_no_jump() {
        let mut guard = guard();
        guard.observe(start() + MINUTE * 11, MINUTE);
        assert_eq!(guard.decide(MINUTE), Start::Go);
        // Many small steps are one great one.
        guard.observe(start() + MINUTE * 11 + Duration::from_secs(1), MINUTE);
        assert_eq!(guard.decide(MINUTE), jumped_at(MINUTE));
    }

    #[test]
    fn clock_behind_a_stored_time_is_not_trusted() {
        let new = |known| ClockGuard::new(rule(), start(), MINUTE, Some(known)).decide(MINUTE);
        assert_eq!(new(start() + MINUTE * 10), Start::Go);
        assert_eq!(new(start() + MINUTE * 11), jumped_at(MINUTE));
        assert_eq!(new(start() - DAY), Start::Go, "the program did not run for a day");
    }

    #[test]
    fn starts_are_paced_by_the_limit() {
        let mut guard = guard();
        for _ in 0..10 {
            assert_eq!(guard.decide(MINUTE), Start::Go);
            guard.started(MINUTE);
        }
        let next = MINUTE + Duration::from_secs(6);
        assert_eq!(guard.decide(MINUTE), Start::Pace { at: next });
        assert_eq!(guard.decide(next), Start::Go);
    }

    #[test]
    fn extreme_times_do_not_overflow() {
        let end = SystemTime::UNIX_EPOCH + Duration::from_secs(i64::MAX as u64);
        let mut guard = ClockGuard::new(rule(), end, Duration::ZERO, Some(SystemTime::UNIX_EPOCH));
        guard.observe(end, Duration::MAX);
        guard.started(Duration::MAX);
        let unsure = Start::Unsure { doubt: Doubt::Jumped, believed_at: None };
        assert_eq!(guard.decide(Duration::MAX), unsure);
    }

    proptest! {
        #[test]
        fn starts_in_a_minute_never_exceed_the_limit(steps in prop::collection::vec((0u64..4, any::<u32>(), 0u8..20), 100..600)) {
            let rule = ClockRule { agreement: Duration::from_secs(5), ..rule() };
            let mut guard = ClockGuard::new(rule, start(), Duration::ZERO, None);
            let (mut since, mut started) = (Duration::ZERO, Vec::new());
            // The wall clock when the program started, as it is after each jump.
            let mut base = start();
            for (pause, clock, what) in steps {
                since += Duration::from_secs(pause);
                match what {
                    0 => {
                        base = SystemTime::UNIX_EPOCH + Duration::from_secs(clock.into());
                        guard.observe(base + since, since);
                    }
                    1..6 => guard.observe(base + since, since),
                    _ => {}
                }
                if guard.decide(since) == Start::Go {
                    guard.started(since);
                    started.push(since);
                }
                if let Start::Pace { at } = guard.decide(since) {
                    prop_assert_eq!(guard.decide(at), Start::Go);
                }
            }
            for (i, first) in started.iter().enumerate() {
                let in_a_minute = started[i..].iter().filter(|at| **at < *first + MINUTE).count();
                prop_assert!(in_a_minute <= 20, "{}", in_a_minute);
            }
        }

        /// Two clocks that go alike are never doubted.
        #[test]
        fn even_clock_is_trusted(pauses in prop::collection::vec(0u64..1_000_000, 1..100)) {
            let mut guard = guard();
            let mut since = Duration::ZERO;
            for pause in pauses {
                since += Duration::from_secs(pause);
                let wall = start() + since;
                guard.observe(wall, since);
                prop_assert_eq!(guard.decide(since), Start::Go);
            }
        }
    }
}
