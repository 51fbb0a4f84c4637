//! Closed, open, and half open.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, SystemTime};

use super::rule::{BreakerRule, Failure};

/// Stops new work when it fails for reasons that are not one name's own.
///
/// Each name has one voice: its last result. So one device that fails a thousand times is one failure, and neither
/// opens the breaker nor drowns out the others. It keeps the voices of 64 names.
///
/// It closes by a probe: one piece of work is let through, and its result decides. Take for it a name that has
/// succeeded before, since one that always fails would keep it open.
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
    voices: VecDeque<Voice>,
    unreachable: u32,
    state: State,
    /// Probes that failed since it was closed.
    failed_probes: u32,
}

#[derive(Clone, Copy, Debug)]
struct Voice {
    name: u64,
    at: SystemTime,
    failed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed,
    Open { until: SystemTime },
    HalfOpen { until: SystemTime },
}

/// Whether something new may be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a decision that is not looked at stops nothing"]
pub enum Admission {
    /// Yes.
    Go,
    /// One, to see whether it works again; tell [`Breaker::probe_started`], and how it ended.
    Probe,
    /// No.
    Stop {
        /// When to ask again.
        until: SystemTime,
    },
}

impl Admission {
    /// Both together, as of a CA and a zone: what stops longest, else a probe, else go. Decide on both first, and tell
    /// each that said so of the probe.
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
    /// A closed breaker.
    pub fn new(rule: BreakerRule) -> Self {
        let names = rule.names.clamp(1, BreakerRule::MOST_NAMES);
        let rule = BreakerRule { names, ..rule };
        Self { rule, voices: VecDeque::new(), unreachable: 0, state: State::Closed, failed_probes: 0 }
    }

    /// Whether something new may be started. It changes nothing, and so may be asked as often as one likes.
    pub fn decide(&self, now: SystemTime) -> Admission {
        let (until, longest) = match self.state {
            State::Closed => return Admission::Go,
            State::Open { until } => (until, LONGEST_BUSY.max(self.rule.longest_wait)),
            State::HalfOpen { until } => (until, self.rule.probe_within),
        };
        let wait = until.duration_since(now).unwrap_or_default();
        // A longer wait than was ever set: the clock was set back.
        if wait.is_zero() || wait > longest { Admission::Probe } else { Admission::Stop { until } }
    }

    /// Work of this name came to a good end.
    ///
    /// While it is not closed this says nothing: the work may have been done before the trouble began. Only a probe
    /// closes it.
    pub fn success(&mut self, name: &str, now: SystemTime) {
        if self.state == State::Closed {
            self.unreachable = 0;
            self.hear(name, now, false);
        }
    }

    /// Work of this name failed. While it is not closed only [`Failure::Busy`] counts, which may keep it open longer.
    pub fn failure(&mut self, failure: Failure, name: &str, now: SystemTime) {
        match (failure, self.state) {
            (Failure::Busy(retry_after), _) => self.busy(retry_after, now),
            (_, State::Open { .. } | State::HalfOpen { .. }) => {}
            (Failure::Unreachable, State::Closed) => {
                self.unreachable = self.unreachable.saturating_add(1);
                if self.unreachable >= self.rule.unreachable {
                    self.open(now);
                }
            }
            (Failure::Failed, State::Closed) => {
                self.hear(name, now, true);
                let failed = self.voices.iter().filter(|voice| voice.failed).count();
                if failed >= self.rule.names && failed * 2 >= self.voices.len() {
                    self.open(now);
                }
            }
        }
    }

    /// A probe was started. Until its result is told, or its time is over, nothing else is.
    pub fn probe_started(&mut self, now: SystemTime) {
        if self.state != State::Closed {
            self.state = State::HalfOpen { until: later(now, self.rule.probe_within) };
        }
    }

    /// The probe came to a good end; or it failed for a reason that is its name's own, which shows as well that the
    /// rest works. Also what an operator says who has mended it.
    pub fn probe_succeeded(&mut self) {
        *self = Self::new(self.rule);
    }

    /// The probe failed. It is open for twice as long as before.
    pub fn probe_failed(&mut self, failure: Failure, now: SystemTime) {
        if self.state == State::Closed {
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
        self.state = State::Open { until: later(now, wait) };
        self.voices.clear();
        self.unreachable = 0;
    }

    /// Opens it for as long as the server says, up to a day, and not for less than it would be anyway.
    fn busy(&mut self, retry_after: Option<Duration>, now: SystemTime) {
        let wait =
            retry_after.unwrap_or_default().clamp(self.rule.first_wait.min(LONGEST_BUSY), LONGEST_BUSY);
        let until = later(now, wait);
        let before = match self.state {
            State::Open { until } => until,
            State::Closed | State::HalfOpen { .. } => now,
        };
        self.state = State::Open { until: until.max(before) };
    }

    fn hear(&mut self, name: &str, now: SystemTime, failed: bool) {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        let name = hasher.finish();
        let window = self.rule.window;
        // What lies ahead was heard before the clock was set back.
        let recent = |at: SystemTime| now.duration_since(at).is_ok_and(|age| age <= window);
        self.voices.retain(|voice| voice.name != name && recent(voice.at));
        if self.voices.len() >= VOICES {
            self.voices.pop_front();
        }
        self.voices.push_back(Voice { name, at: now, failed });
    }
}

/// Twice the most names, so that those that must fail can be half of all.
const VOICES: usize = 2 * BreakerRule::MOST_NAMES;
const LONGEST_BUSY: Duration = Duration::from_secs(86_400);

fn later(now: SystemTime, wait: Duration) -> SystemTime {
    now.checked_add(wait).unwrap_or(now)
}
