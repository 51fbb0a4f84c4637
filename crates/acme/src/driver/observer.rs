//! Who hears of each step.

use fleetcert_dns::Sighting;
use fleetcert_dns::challenge::ChallengeRecord;
use fleetcert_names::Identifier;

use crate::{Fault, OrderStatus};

/// Hears of each step of an order when it is done. Closures that take a `&Step` are observers.
///
/// It is called in the middle of the work: it must be quick and must not block.
pub trait Observer: Send + Sync {
    /// `step` was just done.
    fn notify(&self, step: &Step);
}

/// A step that was done.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// The CA has the order.
    Placed {
        /// Its URL.
        url: String,
        /// How it stands; `Ready` when all names were proved before.
        status: OrderStatus,
    },
    /// An order of before is gone on with.
    Resumed {
        /// Its URL.
        url: String,
        /// How it stands.
        status: OrderStatus,
    },
    /// The zone has the challenge records.
    Published {
        /// The records.
        records: Vec<ChallengeRecord>,
    },
    /// Every server shows them.
    Seen {
        /// What the servers said, for each record.
        sightings: Vec<Sighting>,
    },
    /// The CA was asked to validate an identifier.
    Answered {
        /// The identifier.
        identifier: Identifier,
    },
    /// The CA has found every name proved.
    Validated,
    /// The CA has the CSR.
    Finalized,
    /// The chain is here.
    Downloaded {
        /// How many certificates it has.
        certificates: usize,
    },
    /// The chain is for the key and the names, and holds now.
    Checked,
    /// The challenge records are out of the zone.
    Withdrawn {
        /// How many.
        records: usize,
    },
    /// Records are left in the zone; a sweep takes them out later.
    NotWithdrawn {
        /// Why.
        why: String,
    },
    /// The CA did not do what was asked; what that means for the order is decided next.
    Refused {
        /// What it did.
        fault: Fault,
    },
}

/// Nobody listens.
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
