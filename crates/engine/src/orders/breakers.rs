//! Circuit breakers: they stop new orders while the CA or the zone does not work.

use parking_lot::Mutex;
use std::fmt;
use std::time::SystemTime;

use fleetcert_acme::order::FailureKind;
use fleetcert_acme::{AcmeErrorKind, Fault};
use fleetcert_names::DomainName;
use fleetcert_schedule::breaker::{Admission, Breaker, BreakerRule, Failure};

use crate::context::ServiceContext;
use crate::{Dependency, Event};

/// The breakers of a process. Each node observes the CA and the zone by itself.
#[derive(Debug)]
pub(crate) struct Breakers {
    context: ServiceContext,
    state: Mutex<BreakerPair>,
}

/// What an outcome was observed on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Subject<'a> {
    /// A change of the zone that belongs to no order.
    Zone(&'a DomainName),
    /// The order of this name.
    Name(&'a str),
}

impl Subject<'_> {
    fn as_str(&self) -> &str {
        match self {
            Self::Zone(zone) => zone.as_str(),
            Self::Name(name) => name,
        }
    }
}

#[derive(Debug)]
struct BreakerPair {
    ca: Watched,
    zone: Watched,
}

#[derive(Debug)]
struct Watched {
    breaker: Breaker,
    /// Order that probes it, and the breaker as it was before.
    probe: Option<(String, Breaker)>,
}

/// What an attempt showed about the CA and about the zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    ca: Observation,
    zone: Observation,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Observation {
    Worked,
    Failed(Failure),
    /// It answered, with a refusal that is about the name alone.
    Answered,
    Nothing,
}

impl Verdict {
    /// Nothing was observed of either.
    pub(super) const NOTHING: Self = Self { ca: Observation::Nothing, zone: Observation::Nothing };
    pub(super) const ISSUED: Self = Self { ca: Observation::Worked, zone: Observation::Worked };

    /// A change of the zone was made.
    pub(crate) const ZONE_WORKED: Self = Self { ca: Observation::Nothing, zone: Observation::Worked };
    /// No server of the zone answered.
    pub(crate) const ZONE_UNREACHABLE: Self =
        Self { ca: Observation::Nothing, zone: Observation::Failed(Failure::Unreachable) };

    /// Returns what the failure of an order shows; `fault` is the last fault of the CA.
    pub(super) fn of(kind: FailureKind, fault: Option<&Fault>) -> Self {
        let ca = |ca| Self { ca, zone: Observation::Nothing };
        match kind {
            FailureKind::Ca(AcmeErrorKind::Unreachable) => ca(Observation::Failed(Failure::Unreachable)),
            FailureKind::Ca(AcmeErrorKind::Unavailable) => {
                let busy = fault.filter(|fault| fault.status == Some(503));
                let busy = busy.map(|fault| Failure::Busy(fault.retry_after));
                ca(Observation::Failed(busy.unwrap_or(Failure::Failed)))
            }
            // Our own pacer held it back: no request was sent.
            FailureKind::Ca(AcmeErrorKind::RateLimited) if fault.is_some_and(|it| it.status.is_none()) => {
                Self::NOTHING
            }
            // No order of the account can succeed: the first one opens the breaker, as a busy server does.
            FailureKind::Ca(AcmeErrorKind::Account) => ca(Observation::Failed(Failure::Busy(None))),
            FailureKind::Slow => ca(Observation::Failed(Failure::Failed)),
            FailureKind::Zone => {
                Self { ca: Observation::Answered, zone: Observation::Failed(Failure::Failed) }
            }
            // The CA does not see what we published.
            FailureKind::Invalid => {
                Self { ca: Observation::Answered, zone: Observation::Failed(Failure::Failed) }
            }
            _ => ca(Observation::Answered),
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

    fn ended(&mut self, name: &str, observed: Observation, now: SystemTime) {
        match self.probe.take_if(|(probe, _)| probe == name) {
            None => match observed {
                Observation::Worked => self.breaker.success(name, now),
                Observation::Failed(failure) => self.breaker.failure(failure, name, now),
                Observation::Answered | Observation::Nothing => {}
            },
            Some((_, before)) => match observed {
                Observation::Worked | Observation::Answered => self.breaker.probe_succeeded(),
                Observation::Failed(failure) => self.breaker.probe_failed(failure, now),
                // No request was sent: the next order is the probe.
                Observation::Nothing => self.breaker = before,
            },
        }
    }
}

impl Breakers {
    pub(crate) fn new(context: ServiceContext, rule: BreakerRule) -> Self {
        let state = Mutex::new(BreakerPair { ca: Watched::new(rule), zone: Watched::new(rule) });
        Self { context, state }
    }

    /// Returns whether a new order may start.
    pub(super) fn decide(&self, now: SystemTime) -> Admission {
        let pair = self.state.lock();
        pair.ca.breaker.decide(now).and(pair.zone.breaker.decide(now))
    }

    /// Returns whether the CA must be left alone now.
    pub(crate) fn is_ca_stopped(&self, now: SystemTime) -> bool {
        matches!(self.state.lock().ca.breaker.decide(now), Admission::Stop { .. })
    }

    /// Takes note of a new order that starts.
    pub(super) fn started(&self, name: &str, now: SystemTime) {
        let mut pair = self.state.lock();
        pair.ca.started(name, now);
        pair.zone.started(name, now);
    }

    /// Records the outcome of an attempt or of a change of the zone, and notifies of a breaker that opens or closes.
    pub(crate) fn record_outcome(&self, subject: Subject<'_>, verdict: &Verdict) {
        let now = self.context.now();
        let changes = self.state.lock().record(subject.as_str(), verdict, now);
        for (of, before, after) in changes {
            match (before, after) {
                (Admission::Go, Admission::Stop { until }) => {
                    self.context.notify(&Event::BreakerOpened { of, until });
                }
                (Admission::Stop { .. } | Admission::Probe, Admission::Go) => {
                    self.context.notify(&Event::BreakerClosed { of });
                }
                _ => {}
            }
        }
    }
}

impl BreakerPair {
    /// Returns what each breaker decided before and decides now.
    fn record(
        &mut self,
        subject: &str,
        verdict: &Verdict,
        now: SystemTime,
    ) -> [(Dependency, Admission, Admission); 2] {
        let pair =
            [(Dependency::Ca, &mut self.ca, verdict.ca), (Dependency::Zone, &mut self.zone, verdict.zone)];
        pair.map(|(of, watched, observed)| {
            let before = watched.breaker.decide(now);
            watched.ended(subject, observed, now);
            (of, before, watched.breaker.decide(now))
        })
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
    fn each_failure_counts_against_the_ca_or_the_zone() {
        use AcmeErrorKind::{RateLimited, Refused, Unavailable, Unreachable};
        let busy = fault(503, Some(MINUTE));
        let broken = fault(500, None);
        let kept_back = Fault { kind: RateLimited, status: None, ..fault(0, Some(MINUTE)) };
        let failed = Observation::Failed(Failure::Failed);
        for (kind, fault, ca, zone) in [
            (
                FailureKind::Ca(Unreachable),
                None,
                Observation::Failed(Failure::Unreachable),
                Observation::Nothing,
            ),
            (FailureKind::Ca(Unavailable), Some(&broken), failed, Observation::Nothing),
            (
                FailureKind::Ca(Unavailable),
                Some(&busy),
                Observation::Failed(Failure::Busy(Some(MINUTE))),
                Observation::Nothing,
            ),
            (
                FailureKind::Ca(AcmeErrorKind::Account),
                None,
                Observation::Failed(Failure::Busy(None)),
                Observation::Nothing,
            ),
            // The name's own.
            (FailureKind::Ca(Refused), None, Observation::Answered, Observation::Nothing),
            (FailureKind::Ca(RateLimited), None, Observation::Answered, Observation::Nothing),
            (
                FailureKind::Ca(RateLimited),
                Some(&fault(429, None)),
                Observation::Answered,
                Observation::Nothing,
            ),
            (FailureKind::Ca(RateLimited), Some(&kept_back), Observation::Nothing, Observation::Nothing),
            (FailureKind::Slow, None, failed, Observation::Nothing),
            (FailureKind::Zone, None, Observation::Answered, failed),
            (FailureKind::Invalid, None, Observation::Answered, failed),
        ] {
            assert_eq!(Verdict::of(kind, fault), Verdict { ca, zone }, "{kind:?}");
        }
    }

    #[test]
    fn probe_without_observation_leaves_the_breaker_as_it_was() {
        let mut watched = Watched::new(BreakerRule::default());
        watched.ended("a", Observation::Failed(Failure::Busy(None)), now());
        assert_eq!(watched.breaker.decide(now()), Admission::Stop { until: now() + MINUTE });
        let later = now() + MINUTE;
        for _ in 0..3 {
            watched.started("b", later);
            assert!(matches!(watched.breaker.decide(later), Admission::Stop { .. }), "one at a time");
            // The outcome of another order does not decide.
            watched.ended("c", Observation::Worked, later);
            assert!(matches!(watched.breaker.decide(later), Admission::Stop { .. }));
            // It was held back by a limit, and the next one tries at once.
            watched.ended("b", Observation::Nothing, later);
            assert_eq!(watched.breaker.decide(later), Admission::Probe);
        }
        watched.started("b", later);
        watched.ended("b", Observation::Failed(Failure::Unreachable), later);
        assert_eq!(watched.breaker.decide(later), Admission::Stop { until: later + MINUTE * 2 });
        watched.started("d", later + MINUTE * 2);
        watched.ended("d", Observation::Answered, later + MINUTE * 2);
        assert_eq!(watched.breaker.decide(later + MINUTE * 2), Admission::Go);
    }

    #[test]
    fn breaker_opens_when_several_names_fail_and_not_for_one() {
        let mut zone = Watched::new(BreakerRule::default());
        for name in ["a"; 100] {
            zone.ended(name, Observation::Failed(Failure::Failed), now());
        }
        assert_eq!(zone.breaker.decide(now()), Admission::Go);
        for name in ["b", "c", "d", "e"] {
            zone.ended(name, Observation::Failed(Failure::Failed), now());
        }
        assert_eq!(zone.breaker.decide(now()), Admission::Stop { until: now() + MINUTE });
    }
}
