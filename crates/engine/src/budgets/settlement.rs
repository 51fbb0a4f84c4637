//! What an entry of an order's journal means for what the order holds.

use fleetcert_acme::order::{End, Failure, FailureKind, State};
use fleetcert_acme::{AcmeErrorKind, Fault};
use fleetcert_schedule::budget::Outcome;

use super::Holding;

/// What happens to what an order holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Settlement {
    /// The CA accepted the order: what that costs is spent, the rest stays held.
    Ordered,
    /// Nothing was spent for sure.
    Release,
    /// newOrder was sent, or may have been, and its order is not to be had: what it costs to place one counts as
    /// spent, the rest is free again.
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
    let failed = if may_have_failed { holding.names().to_vec() } else { Vec::new() };
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
