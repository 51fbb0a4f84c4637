//! The breaker: closed, open or half open.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, SystemTime};

use super::rule::{BreakerRule, Failure};

/// Stops new work when it fails for reasons that are not specific to one name.
///
/// Only the last result of each name counts, so a device that fails a thousand times is one failure. It does not open the
/// breaker and does not hide the other names. The breaker keeps the results of 64 names.
///
/// A probe closes the breaker: one piece of work is admitted, and its result decides. Choose a name that has succeeded
/// before, because one that always fails keeps the breaker open.
///
/// ```
/// use fleetcert_schedule::breaker::{Admission, Breaker, BreakerRule, Failure};
/// use std::time::{Duration, SystemTime};
///
/// let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
/// let minute = Duration::from_secs(60);
/// let mut ca = Breaker::new(BreakerRule::default());
/// for _ in 0..1000 {
///     ca.failure(Failure::Failed, "hostile.fleet.example.com", now);
/// }
/// assert_eq!(ca.decide(now), Admission::Go);
/// for name in ["d1", "d2", "d3", "d4"] {
///     ca.failure(Failure::Failed, name, now);
/// }
/// assert_eq!(ca.decide(now), Admission::Stop { until: now + minute });
///
/// assert_eq!(ca.decide(now + minute), Admission::Probe);
/// ca.probe_started(now + minute);
/// // One at a time.
/// assert!(matches!(ca.decide(now + minute), Admission::Stop { .. }));
/// ca.probe_succeeded();
/// assert_eq!(ca.decide(now + minute), Admission::Go);
/// ```
#[derive(Clone, Debug)]
pub struct Breaker {
    rule: BreakerRule,
    results: VecDeque<NameResult>,
    unreachable: u32,
    state: BreakerState,
    /// Number of failed probes since the breaker was closed.
    failed_probes: u32,
}

#[derive(Clone, Copy, Debug)]
struct NameResult {
    name: u64,
    at: SystemTime,
    failed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BreakerState {
    Closed,
    Open { until: SystemTime },
    HalfOpen { until: SystemTime },
}

/// Whether something new may be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a decision that is ignored stops nothing"]
pub enum Admission {
    /// New work may start.
    Go,
    /// One piece of work may start as a probe. Call [`Breaker::probe_started`], and then report its result.
    Probe,
    /// No new work may start.
    Stop {
        /// Time at which to ask again.
        until: SystemTime,
    },
}

impl Admission {
    /// Combines two decisions, such as those for a CA and a zone: the longer stop, else a probe, else go. Report a probe
    /// to each breaker that asked for one.
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Stop { until: mine }, Self::Stop { until: its }) => Self::Stop { until: mine.max(its) },
            (stop @ Self::Stop { .. }, _) | (_, stop @ Self::Stop { .. }) => stop,
            (Self::Probe, _) | (_, Self::Probe) => Self::Probe,
            (Self::Go, Self::Go) => Self::Go,
        }
    }
}

impl Breaker {
    /// Returns a closed breaker.
    pub fn new(rule: BreakerRule) -> Self {
        let names = rule.names.clamp(1, BreakerRule::MAX_NAMES);
        let rule = BreakerRule { names, ..rule };
        Self { rule, results: VecDeque::new(), unreachable: 0, state: BreakerState::Closed, failed_probes: 0 }
    }

    /// Returns whether new work may start. It changes nothing.
    pub fn decide(&self, now: SystemTime) -> Admission {
        let (until, longest) = match self.state {
            BreakerState::Closed => return Admission::Go,
            BreakerState::Open { until } => (until, MAX_BUSY.max(self.rule.longest_wait)),
            BreakerState::HalfOpen { until } => (until, self.rule.probe_within),
        };
        let wait = until.duration_since(now).unwrap_or_default();
        // A longer wait than any that is set means that the clock was set back.
        if wait.is_zero() || wait > longest { Admission::Probe } else { Admission::Stop { until } }
    }

    /// Records that work of this name succeeded.
    ///
    /// Ignored while the breaker is not closed, because the work may have been done before the outage. Only a probe
    /// closes the breaker.
    pub fn success(&mut self, name: &str, now: SystemTime) {
        if self.state == BreakerState::Closed {
            self.unreachable = 0;
            self.record_result(name, now, false);
        }
    }

    /// Records that work of this name failed. While the breaker is not closed, only [`Failure::Busy`] counts, which may
    /// extend the time.
    pub fn failure(&mut self, failure: Failure, name: &str, now: SystemTime) {
        match (failure, self.state) {
            (Failure::Busy(retry_after), _) => self.busy(retry_after, now),
            (_, BreakerState::Open { .. } | BreakerState::HalfOpen { .. }) => {}
            (Failure::Unreachable, BreakerState::Closed) => {
                self.unreachable = self.unreachable.saturating_add(1);
                if self.unreachable >= self.rule.unreachable {
                    self.open(now);
                }
            }
            (Failure::Failed, BreakerState::Closed) => {
                self.record_result(name, now, true);
                let failed = self.results.iter().filter(|result| result.failed).count();
                if failed >= self.rule.names && failed * 2 >= self.results.len() {
                    self.open(now);
                }
            }
        }
    }

    /// Records that a probe started. No other work starts until its result is reported or its time ends.
    pub fn probe_started(&mut self, now: SystemTime) {
        if self.state != BreakerState::Closed {
            self.state = BreakerState::HalfOpen { until: later(now, self.rule.probe_within) };
        }
    }

    /// Closes the breaker: the probe succeeded, or failed for a reason specific to its name, or an operator has fixed
    /// the cause.
    pub fn probe_succeeded(&mut self) {
        *self = Self::new(self.rule);
    }

    /// Records that the probe failed. The breaker stays open for twice as long as before.
    pub fn probe_failed(&mut self, failure: Failure, now: SystemTime) {
        if self.state == BreakerState::Closed {
            return;
        }
        self.failed_probes = self.failed_probes.saturating_add(1);
        self.open(now);
        if let Failure::Busy(retry_after) = failure {
            self.busy(retry_after, now);
        }
    }

    fn open(&mut self, now: SystemTime) {
        let doubled = 1u32.checked_shl(self.failed_probes).unwrap_or(u32::MAX);
        let wait = self.rule.first_wait.saturating_mul(doubled).min(self.rule.longest_wait);
        self.state = BreakerState::Open { until: later(now, wait) };
        self.results.clear();
        self.unreachable = 0;
    }

    /// Opens the breaker for the time that the server asks for, at most a day and at least its own time.
    fn busy(&mut self, retry_after: Option<Duration>, now: SystemTime) {
        let wait = retry_after.unwrap_or_default().clamp(self.rule.first_wait.min(MAX_BUSY), MAX_BUSY);
        let until = later(now, wait);
        let before = match self.state {
            BreakerState::Open { until } => until,
            BreakerState::Closed | BreakerState::HalfOpen { .. } => now,
        };
        self.state = BreakerState::Open { until: until.max(before) };
    }

    fn record_result(&mut self, name: &str, now: SystemTime, failed: bool) {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        let name = hasher.finish();
        let window = self.rule.window;
        // A result in the future was recorded before the clock was set back.
        let recent = |at: SystemTime| now.duration_since(at).is_ok_and(|age| age <= window);
        self.results.retain(|result| result.name != name && recent(result.at));
        if self.results.len() >= MAX_RESULTS {
            self.results.pop_front();
        }
        self.results.push_back(NameResult { name, at: now, failed });
    }
}

/// Maximum results: twice the names, so that the names that must fail can be half of all.
const MAX_RESULTS: usize = 2 * BreakerRule::MAX_NAMES;
const MAX_BUSY: Duration = Duration::from_secs(86_400);

fn later(now: SystemTime, wait: Duration) -> SystemTime {
    now.checked_add(wait).unwrap_or(now)
}
