//! What an entry of an order's journal means for what the order holds.

use fleetcert_acme::order::{End, Failure, FailureKind, OrderState as State};
use fleetcert_acme::{AcmeErrorKind, Fault};
use fleetcert_schedule::budget::Outcome;

use super::Holding;

/// What happens to what an order holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Settlement {
    /// The CA accepted the order: what that costs is spent, the rest stays held.
    Ordered,
    /// Nothing was spent.
    Release,
    /// newOrder was sent, or may have been, and its order is not available: the cost of placing one counts as spent,
    /// the rest is released.
    Lost,
    /// It has come to its end.
    End(Outcome),
}

/// What the next entry of the journal does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Nothing.
    Keep,
    /// It settles what is held.
    Settle(Settlement),
    /// A newOrder is about to be sent: what it costs must be held first.
    Reserve {
        /// What becomes of what is held for the one before.
        before: Option<Settlement>,
    },
}

/// What it means that the journal goes from `before` to `after`; `fault` is what the CA refused last.
pub(crate) fn decide(
    before: &State,
    after: &State,
    holding: Option<&Holding>,
    fault: Option<&Fault>,
) -> Decision {
    let Some(holding) = holding else {
        return match after {
            State::Ordering { .. } => Decision::Reserve { before: None },
            _ => Decision::Keep,
        };
    };
    match (before, after) {
        // The same again without what the CA refused. Where it failed instead, it may have taken the first.
        (State::Ordering { .. }, State::Ordering { .. }) => {
            let refused = fault.is_some_and(|fault| !may_be_done(fault));
            Decision::Reserve { before: Some(if refused { Settlement::Release } else { Settlement::Lost }) }
        }
        (_, State::Ordering { .. }) => Decision::Reserve { before: Some(Settlement::Lost) },
        (_, State::Wanted { .. } | State::Failed { url: None, .. }) => Decision::Settle(Settlement::Release),
        (_, State::Done { .. } | State::Withdrawing { end: End::Issued { .. }, .. }) => {
            Decision::Settle(Settlement::End(Outcome::Done))
        }
        (_, State::Failed { failure, .. } | State::Withdrawing { end: End::Failed { failure }, .. }) => {
            Decision::Settle(Settlement::End(failed(before, holding, failure)))
        }
        (State::Ordering { .. }, _) => Decision::Settle(Settlement::Ordered),
        _ => Decision::Keep,
    }
}

/// What becomes of what is held when the order pauses where it stands.
pub(crate) fn on_pause(state: &State) -> Option<Settlement> {
    // Sent again, it costs again; an order that the CA has goes on.
    matches!(state, State::Ordering { .. }).then_some(Settlement::Lost)
}

/// What becomes of it when the order is set aside for as long as somebody pleases.
pub(crate) fn on_setting_aside(state: &State, holding: &Holding) -> Settlement {
    match state {
        State::Ordering { .. } => Settlement::Lost,
        State::Finalizing(_) | State::Finalized(_) => Settlement::End(Outcome::Unknown),
        State::Downloaded { .. } | State::Done { .. } => Settlement::End(Outcome::Done),
        _ => Settlement::End(not_issued(holding, false)),
    }
}

impl Holding {
    /// The same after an entry that may have changed what is known of the validations.
    pub(crate) fn noting(mut self, before: &State, after: &State) -> Self {
        match (before, after) {
            (_, State::Visible(_)) => self.answered = true,
            (
                State::Answered(placed) | State::Publishing { placed, answered: true },
                State::Finalizing(_) | State::Finalized(_),
            ) if !placed.records.is_empty() => self.validated = true,
            _ => {}
        }
        self
    }
}

fn failed(before: &State, holding: &Holding, failure: &Failure) -> Outcome {
    match failure.kind {
        // There is one, only not the right one.
        FailureKind::WrongCertificate => Outcome::Done,
        FailureKind::Invalid => not_issued(holding, !has_csr(before)),
        FailureKind::Ca(AcmeErrorKind::Refused) => not_issued(holding, false),
        _ if has_csr(before) => Outcome::Unknown,
        _ => not_issued(holding, false),
    }
}

/// No certificate came of it; `by_validation` says that it was because a validation failed.
fn not_issued(holding: &Holding, by_validation: bool) -> Outcome {
    let may_have_failed = by_validation || (holding.answered && !holding.validated);
    let failed = if may_have_failed { holding.names().bases().cloned().collect() } else { Vec::new() };
    Outcome::NotIssued { failed }
}

/// Whether the CA may have the CSR, and so may issue.
fn has_csr(state: &State) -> bool {
    matches!(state, State::Finalizing(_) | State::Finalized(_) | State::Downloaded { .. })
}

/// Whether the CA may have done what it answered with a fault.
fn may_be_done(fault: &Fault) -> bool {
    use AcmeErrorKind::{Protocol, Unavailable, Unreachable};
    matches!(fault.kind, Unreachable | Unavailable | Protocol)
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleetcert_acme::order::{Placed, Retry};
    use fleetcert_acme::{NewOrder, Problem, ProblemKind};
    use fleetcert_names::HostName;
    use fleetcert_schedule::budget::{Limits, OrderKind};
    use std::time::SystemTime;

    fn name() -> HostName {
        "x.fleet.test".parse().unwrap()
    }

    fn order() -> NewOrder {
        NewOrder::new(name().into())
    }

    fn placed() -> Placed {
        let placed_at = SystemTime::UNIX_EPOCH;
        Placed { order: order(), url: "https://ca.test/1".to_owned(), placed_at, records: Vec::new() }
    }

    fn holding() -> Holding {
        Holding::to_order(&Limits::unknown(), OrderKind::New, "https://ca.test/acct/1", &name().into())
    }

    fn failure(kind: FailureKind) -> Failure {
        let (message, at) = (String::new(), SystemTime::UNIX_EPOCH);
        Failure { kind, retry: Retry::Backoff, problem: None, message, at, chain: None }
    }

    fn ended(kind: FailureKind) -> State {
        let (url, failure) = (Some(String::new()), failure(kind));
        State::Failed { order: order(), url, records: Vec::new(), failure }
    }

    fn fault(kind: AcmeErrorKind) -> Fault {
        let problem = Problem {
            kind: ProblemKind::Malformed,
            detail: String::new(),
            identifier: None,
            subproblems: Vec::new(),
        };
        Fault { status: Some(400), problem: Some(problem), ..Fault::new(kind, "") }
    }

    fn settled(before: &State, after: &State) -> Option<Settlement> {
        match decide(before, after, Some(&holding()), None) {
            Decision::Settle(settlement) => Some(settlement),
            Decision::Keep => None,
            Decision::Reserve { .. } => panic!("nothing is sent"),
        }
    }

    const WANTED: fn() -> State = || State::Wanted { order: order() };
    const ORDERING: fn() -> State = || State::Ordering { order: order() };

    #[test]
    fn new_order_is_not_sent_without_a_holding() {
        assert_eq!(decide(&WANTED(), &ORDERING(), None, None), Decision::Reserve { before: None });
        // Without `replaces` it is another order. What the CA did not refuse but failed at, it may have done.
        for (kind, before) in [
            (AcmeErrorKind::Refused, Settlement::Release),
            (AcmeErrorKind::NotFound, Settlement::Release),
            (AcmeErrorKind::Unavailable, Settlement::Lost),
        ] {
            let decision = decide(&ORDERING(), &ORDERING(), Some(&holding()), Some(&fault(kind)));
            assert_eq!(decision, Decision::Reserve { before: Some(before) }, "{kind:?}");
        }
        let unknown = decide(&ORDERING(), &ORDERING(), Some(&holding()), None);
        assert_eq!(unknown, Decision::Reserve { before: Some(Settlement::Lost) });
    }

    #[test]
    fn order_is_settled_once_at_each_end_as_the_ca_counts() {
        let not_issued =
            |failed: &[HostName]| Settlement::End(Outcome::NotIssued { failed: failed.to_vec() });
        let done = Settlement::End(Outcome::Done);
        let unknown = Settlement::End(Outcome::Unknown);
        let refused = State::Failed {
            order: order(),
            url: None,
            records: Vec::new(),
            failure: failure(FailureKind::Slow),
        };
        let withdrawing = |end| State::Withdrawing { placed: placed(), end };
        let suspended = withdrawing(End::Suspended { failure: failure(FailureKind::Zone) });
        let issued = withdrawing(End::Issued { chain: String::new() });
        let finalizing = State::Finalizing(placed());
        let finalized = State::Finalized(placed());
        let ordered = State::Ordered(placed());
        let answered = State::Answered(placed());
        for (before, after, settlement) in [
            (ORDERING(), ordered.clone(), Some(Settlement::Ordered)),
            (ORDERING(), finalizing.clone(), Some(Settlement::Ordered)),
            (ORDERING(), WANTED(), Some(Settlement::Release)),
            (ORDERING(), refused, Some(Settlement::Release)),
            (ordered.clone(), answered.clone(), None),
            (finalizing.clone(), finalized.clone(), None),
            (answered.clone(), suspended, None),
            (State::Downloaded { placed: placed(), chain: String::new() }, issued, Some(done.clone())),
            (finalized.clone(), ended(FailureKind::WrongCertificate), Some(done)),
            (answered.clone(), ended(FailureKind::Invalid), Some(not_issued(&[name()]))),
            // With the CSR at the CA it was not a validation that failed.
            (finalized.clone(), ended(FailureKind::Invalid), Some(not_issued(&[]))),
            (ordered, ended(FailureKind::Zone), Some(not_issued(&[]))),
            (finalizing.clone(), ended(FailureKind::Ca(AcmeErrorKind::Refused)), Some(not_issued(&[]))),
            (finalizing.clone(), ended(FailureKind::Ca(AcmeErrorKind::Protocol)), Some(unknown.clone())),
            (finalizing, ended(FailureKind::OrderGone), Some(unknown.clone())),
            (finalized, ended(FailureKind::Slow), Some(unknown)),
        ] {
            assert_eq!(settled(&before, &after), settlement, "{before:?} {after:?}");
            // What holds nothing any more is settled.
            assert_eq!(decide(&before, &after, None, None), Decision::Keep);
        }
    }

    #[test]
    fn validation_that_may_have_failed_counts() {
        let answered = holding()
            .noting(&State::Publishing { placed: placed(), answered: false }, &State::Visible(placed()));
        let end = |holding: &Holding| {
            decide(&State::Answered(placed()), &ended(FailureKind::Slow), Some(holding), None)
        };
        let counts = |failed: &[HostName]| {
            Decision::Settle(Settlement::End(Outcome::NotIssued { failed: failed.to_vec() }))
        };
        assert_eq!(end(&holding()), counts(&[]));
        assert_eq!(end(&answered), counts(&[name()]));
        let record = fleetcert_dns::challenge::ChallengeRecord {
            zone: "fleet.test".parse().unwrap(),
            name: name().challenge_name(),
            value: "v".parse().unwrap(),
            owner: "o".parse().unwrap(),
            expires: SystemTime::UNIX_EPOCH,
        };
        let looked_at = State::Answered(Placed { records: vec![record], ..placed() });
        let validated = answered.clone().noting(&looked_at, &State::Finalizing(placed()));
        assert!(validated.validated && !answered.validated);
        assert_eq!(end(&validated), counts(&[]));
        // No authorization was read again, so nothing is known of failures.
        assert!(!answered.noting(&State::Answered(placed()), &State::Finalizing(placed())).validated);
    }

    #[test]
    fn waiting_order_holds_only_what_it_still_needs() {
        assert_eq!(on_pause(&ORDERING()), Some(Settlement::Lost));
        assert_eq!(on_pause(&State::Ordered(placed())), None, "the CA has it");
        let aside = |state: &State| on_setting_aside(state, &holding());
        assert_eq!(aside(&ORDERING()), Settlement::Lost);
        assert_eq!(aside(&State::Ordered(placed())), Settlement::End(Outcome::NotIssued { failed: vec![] }));
        assert_eq!(aside(&State::Finalizing(placed())), Settlement::End(Outcome::Unknown));
    }
}
