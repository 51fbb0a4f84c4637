//! Observers of an order's steps.

use fleetcert_dns::Sighting;
use fleetcert_dns::challenge::ChallengeRecord;
use fleetcert_names::Identifier;

use crate::{Fault, OrderStatus};

/// Receives each step of an order when it is done. Closures that take a `&Step` are observers.
///
/// The driver calls it between two steps: it must return quickly and must not block.
pub trait Observer: Send + Sync {
    /// Receives a step that was just done.
    fn notify(&self, step: &Step);
}

/// A step that was done.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// The CA accepted the order.
    Placed {
        /// URL of the order.
        url: String,
        /// Status; `Ready` when all identifiers were validated before.
        status: OrderStatus,
    },
    /// An earlier order goes on.
    Resumed {
        /// URL of the order.
        url: String,
        /// Status.
        status: OrderStatus,
    },
    /// The zone has the challenge records.
    Published {
        /// Records that were published.
        records: Vec<ChallengeRecord>,
    },
    /// Every server shows them.
    Seen {
        /// Answers of the servers, for each record.
        sightings: Vec<Sighting>,
    },
    /// The CA was asked to validate an identifier.
    Answered {
        /// Identifier to validate.
        identifier: Identifier,
    },
    /// The CA has validated every identifier.
    Validated,
    /// The CA has the CSR.
    Finalized,
    /// The chain was downloaded.
    Downloaded {
        /// Number of its certificates.
        certificates: usize,
    },
    /// The chain is for the key and the identifiers, and valid now.
    Checked,
    /// The challenge records are out of the zone.
    Withdrawn {
        /// Number of records.
        records: usize,
    },
    /// Records are left in the zone; a sweep withdraws them later.
    NotWithdrawn {
        /// Reason.
        why: String,
    },
    /// The CA did not carry out a request. The next step depends on the fault.
    Refused {
        /// The fault.
        fault: Fault,
    },
}

/// An observer that ignores every step.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoObserver;

impl Observer for NoObserver {
    fn notify(&self, _: &Step) {}
}

impl<F: Fn(&Step) + Send + Sync> Observer for F {
    fn notify(&self, step: &Step) {
        self(step);
    }
}

// The trait must stay usable as `dyn`.
const _: Option<&dyn Observer> = None;
