//! What stops new orders when the CA, or the zone, does not work.

use parking_lot::Mutex;
use std::fmt;
use std::time::SystemTime;

use fleetcert_acme::order::FailureKind;
use fleetcert_acme::{AcmeErrorKind, Fault};
use fleetcert_schedule::breaker::{Admission, Breaker, BreakerRule, Failure};

use crate::{Dependency, Engine, Event};

/// The breakers of a process: each node finds out by itself.
#[derive(Debug)]
pub(crate) struct Breakers(Mutex<Both>);

#[derive(Debug)]
struct Both {
    ca: Watched,
    zone: Watched,
}

#[derive(Debug)]
struct Watched {
    breaker: Breaker,
    /// The order that tries it, and the breaker as it was before.
    probe: Option<(String, Breaker)>,
}

/// How an order ended, as far as the CA and the zone are concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    ca: Heard,
    zone: Heard,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    Worked,
    Failed(Failure),
    /// It was asked and refused for a reason of the name's own.
    Answered,
    Nothing,
}

impl Verdict {
    /// Nothing was heard of either.
    pub(super) const NOTHING: Self = Self { ca: Heard::Nothing, zone: Heard::Nothing };
    pub(super) const ISSUED: Self = Self { ca: Heard::Worked, zone: Heard::Worked };

    /// A change of the zone was made.
    pub(crate) const ZONE_WORKED: Self = Self { ca: Heard::Nothing, zone: Heard::Worked };
    /// Nobody answered who serves the zone.
    pub(crate) const ZONE_AWAY: Self = Self { ca: Heard::Nothing, zone: Heard::Failed(Failure::Unreachable) };

    /// Of an order that failed; `fault` is the last that the CA said no to.
    pub(super) fn of(kind: FailureKind, fault: Option<&Fault>) -> Self {
        let ca = |ca| Self { ca, zone: Heard::Nothing };
        match kind {
            FailureKind::Ca(AcmeErrorKind::Unreachable) => ca(Heard::Failed(Failure::Unreachable)),
            FailureKind::Ca(AcmeErrorKind::Unavailable) => {
                let busy = fault.filter(|fault| fault.status == Some(503));
                let busy = busy.map(|fault| Failure::Busy(fault.retry_after));
                ca(Heard::Failed(busy.unwrap_or(Failure::Failed)))
            }
            // Our own pacer kept it back: nobody was asked.
            FailureKind::Ca(AcmeErrorKind::RateLimited) if fault.is_some_and(|it| it.status.is_none()) => {
                Self::NOTHING
            }
            FailureKind::Slow => ca(Heard::Failed(Failure::Failed)),
            FailureKind::Zone => Self { ca: Heard::Answered, zone: Heard::Failed(Failure::Failed) },
            // The CA does not see what we published.
            FailureKind::Invalid => Self { ca: Heard::Answered, zone: Heard::Failed(Failure::Failed) },
            _ => ca(Heard::Answered),
        }
    }
}

impl Watched {
    fn new(rule: BreakerRule) -> Self {
        Self { breaker: Breaker::new(rule), probe: None }
    }

    fn started(&mut self, name: &str, now: SystemTime) {
        if self.breaker.decide(now) == Admission::Probe {
            self.probe = Some((name.to_owned(), self.breaker.clone()));
            self.breaker.probe_started(now);
        }
    }

    fn ended(&mut self, name: &str, heard: Heard, now: SystemTime) {
        match self.probe.take_if(|(probe, _)| probe == name) {
            None => match heard {
                Heard::Worked => self.breaker.success(name, now),
                Heard::Failed(failure) => self.breaker.failure(failure, name, now),
                Heard::Answered | Heard::Nothing => {}
            },
            Some((_, before)) => match heard {
                Heard::Worked | Heard::Answered => self.breaker.probe_succeeded(),
                Heard::Failed(failure) => self.breaker.probe_failed(failure, now),
                // Nobody asked: the next one is the probe.
                Heard::Nothing => self.breaker = before,
            },
        }
    }
}

impl Breakers {
    pub(crate) fn new(rule: BreakerRule) -> Self {
        Self(Mutex::new(Both { ca: Watched::new(rule), zone: Watched::new(rule) }))
    }

    fn with<R>(&self, f: impl FnOnce(&mut Both) -> R) -> R {
        f(&mut self.0.lock())
    }

    /// Whether a new order may start.
    pub(super) fn decide(&self, now: SystemTime) -> Admission {
        self.with(|both| both.ca.breaker.decide(now).and(both.zone.breaker.decide(now)))
    }

    /// A new order starts.
    pub(super) fn started(&self, name: &str, now: SystemTime) {
        self.with(|both| {
            both.ca.started(name, now);
            both.zone.started(name, now);
        });
    }
}

impl Engine {
    /// An order has ended, or pauses, or the zone was changed for addresses; tells what that changes.
    pub(crate) fn heard(&self, name: &str, verdict: &Verdict) {
        let now = self.now();
        let changes = self.breakers().with(|both| {
            [(Dependency::Ca, &mut both.ca, verdict.ca), (Dependency::Zone, &mut both.zone, verdict.zone)]
                .map(|(of, watched, heard)| {
                    let before = watched.breaker.decide(now);
                    watched.ended(name, heard, now);
                    (of, before, watched.breaker.decide(now))
                })
        });
        for (of, before, after) in changes {
            match (before, after) {
                (Admission::Go, Admission::Stop { until }) => {
                    self.notify(&Event::BreakerOpened { of, until });
                }
                (Admission::Stop { .. } | Admission::Probe, Admission::Go) => {
                    self.notify(&Event::BreakerClosed { of });
                }
                _ => {}
            }
        }
    }
}

impl fmt::Display for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ca => "CA",
            Self::Zone => "zone",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const MINUTE: Duration = Duration::from_secs(60);

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + MINUTE * 30_000_000
    }

    fn fault(status: u16, retry_after: Option<Duration>) -> Fault {
        Fault { status: Some(status), retry_after, ..Fault::new(AcmeErrorKind::Unavailable, "") }
    }

    #[test]
    fn what_an_end_says_of_the_ca_and_of_the_zone() {
        use AcmeErrorKind::{RateLimited, Refused, Unavailable, Unreachable};
        let busy = fault(503, Some(MINUTE));
        let broken = fault(500, None);
        let kept_back = Fault { kind: RateLimited, status: None, ..fault(0, Some(MINUTE)) };
        let failed = Heard::Failed(Failure::Failed);
        for (kind, fault, ca, zone) in [
            (FailureKind::Ca(Unreachable), None, Heard::Failed(Failure::Unreachable), Heard::Nothing),
            (FailureKind::Ca(Unavailable), Some(&broken), failed, Heard::Nothing),
            (
                FailureKind::Ca(Unavailable),
                Some(&busy),
                Heard::Failed(Failure::Busy(Some(MINUTE))),
                Heard::Nothing,
            ),
            // The name's own.
            (FailureKind::Ca(Refused), None, Heard::Answered, Heard::Nothing),
            (FailureKind::Ca(RateLimited), None, Heard::Answered, Heard::Nothing),
            (FailureKind::Ca(RateLimited), Some(&fault(429, None)), Heard::Answered, Heard::Nothing),
            (FailureKind::Ca(RateLimited), Some(&kept_back), Heard::Nothing, Heard::Nothing),
            (FailureKind::Slow, None, failed, Heard::Nothing),
            (FailureKind::Zone, None, Heard::Answered, failed),
            (FailureKind::Invalid, None, Heard::Answered, failed),
        ] {
            assert_eq!(Verdict::of(kind, fault), Verdict { ca, zone }, "{kind:?}");
        }
    }

    #[test]
    fn a_probe_of_which_nothing_is_heard_counts_for_nothing() {
        let mut watched = Watched::new(BreakerRule::default());
        watched.ended("a", Heard::Failed(Failure::Busy(None)), now());
        assert_eq!(watched.breaker.decide(now()), Admission::Stop { until: now() + MINUTE });
        let later = now() + MINUTE;
        for _ in 0..3 {
            watched.started("b", later);
            assert!(matches!(watched.breaker.decide(later), Admission::Stop { .. }), "one at a time");
            // Somebody else's end does not decide.
            watched.ended("c", Heard::Worked, later);
            assert!(matches!(watched.breaker.decide(later), Admission::Stop { .. }));
            // It was held back by a limit, and the next one tries at once.
            watched.ended("b", Heard::Nothing, later);
            assert_eq!(watched.breaker.decide(later), Admission::Probe);
        }
        watched.started("b", later);
        watched.ended("b", Heard::Failed(Failure::Unreachable), later);
        assert_eq!(watched.breaker.decide(later), Admission::Stop { until: later + MINUTE * 2 });
        watched.started("d", later + MINUTE * 2);
        watched.ended("d", Heard::Answered, later + MINUTE * 2);
        assert_eq!(watched.breaker.decide(later + MINUTE * 2), Admission::Go);
    }

    #[test]
    fn one_name_that_fails_stops_nobody() {
        let breakers = Breakers::new(BreakerRule::default());
        for name in ["a"; 100] {
            breakers.with(|both| both.zone.ended(name, Heard::Failed(Failure::Failed), now()));
        }
        assert_eq!(breakers.decide(now()), Admission::Go);
        for name in ["b", "c", "d", "e"] {
            breakers.with(|both| both.zone.ended(name, Heard::Failed(Failure::Failed), now()));
        }
        assert_eq!(breakers.decide(now()), Admission::Stop { until: now() + MINUTE });
    }
}
