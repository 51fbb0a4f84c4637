//! Tokens held for an order in flight, and the outcome of the order.

use fleetcert_names::HostName;

use super::charge::{Charge, Charges, Spent};
use super::key::BucketKey;

/// Tokens that are held until [`Budgets::commit`] or [`Budgets::release`].
///
/// If you keep [rows](super::Row) in a store, write the charges into the order's journal in the same transaction, and
/// resume the reservation from there after a crash. A lost reservation holds its tokens for ever.
///
/// [`Budgets::commit`]: super::Budgets::commit
/// [`Budgets::release`]: super::Budgets::release
#[derive(Debug, PartialEq, Eq)]
#[must_use = "its tokens are held until it is committed or released"]
pub struct Reservation {
    charges: Charges,
    ordered: bool,
}

impl Reservation {
    pub(super) fn new(charges: Charges) -> Self {
        Self { charges, ordered: false }
    }

    /// Resumes a reservation that was made before a crash, and whose tokens are held in the restored rows. `ordered` says
    /// whether [`Budgets::ordered`](super::Budgets::ordered) was called.
    pub fn resume(charges: Charges, ordered: bool) -> Self {
        Self { charges, ordered }
    }

    pub(super) fn held(&self) -> impl Iterator<Item = &Charge> {
        self.charges.iter().filter(|charge| !(self.ordered && charge.spent == Spent::AtRequest))
    }

    /// Returns the charges that the CA takes when it accepts the request, once.
    pub(super) fn take_ordered(&mut self) -> impl Iterator<Item = &Charge> {
        let first = !std::mem::replace(&mut self.ordered, true);
        self.charges.iter().filter(move |charge| first && charge.spent == Spent::AtRequest)
    }
}

/// The end of an order or a registration.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The CA accepted and fulfilled the request.
    Done,
    /// The CA accepted the order, and certainly did not and will not issue.
    NotIssued {
        /// Names of which a validation failed, or may have.
        failed: Vec<HostName>,
    },
    /// Unknown. All tokens count as spent now. It is the outcome of an order on which the CA no longer acts, because it
    /// has expired or was never finalized.
    Unknown,
}

impl Outcome {
    pub(super) fn spent(&self, charge: &Charge) -> bool {
        match (self, charge.spent) {
            (Self::Unknown, _) | (_, Spent::AtRequest) => true,
            (Self::Done, spent) => spent == Spent::AtIssuance,
            (Self::NotIssued { .. }, Spent::AtIssuance) => false,
            (Self::NotIssued { failed }, Spent::AtFailedValidation) => match &charge.key {
                BucketKey::FailedAuthorizationsPerDomainPerAccount(_, name)
                | BucketKey::FailedAuthorizationsForPausingPerDomainPerAccount(_, name) => {
                    failed.contains(name)
                }
                _ => true,
            },
        }
    }
}
