//! Where an order stands.

use std::time::SystemTime;

use fleetcert_dns::challenge::ChallengeRecord;
use serde::{Deserialize, Serialize};

use super::Failure;
use crate::NewOrder;

/// Where an order stands: one variant for each line of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "camelCase")]
pub enum State {
    /// Nothing was asked of the CA; if it was before, it refused, and there is no order.
    Wanted {
        /// What is wanted.
        order: NewOrder,
    },
    /// newOrder is sent, or was, and its answer may be lost.
    Ordering {
        /// What is ordered.
        order: NewOrder,
    },
    /// The CA has an order.
    Ordered(Placed),
    /// The records may be in the zone.
    Publishing {
        /// The order.
        #[serde(flatten)]
        placed: Placed,
        /// Whether the challenges were answered before, so that they need only be kept in the zone.
        answered: bool,
    },
    /// Every server shows the records; the challenges may have been answered.
    Visible(Placed),
    /// The challenges are answered, or needed no answer; the CA looks.
    Answered(Placed),
    /// Every name is proved; the CSR may have been sent.
    Finalizing(Placed),
    /// The CA has the CSR; the certificate is made, or ready.
    Finalized(Placed),
    /// The chain is here.
    Downloaded {
        /// The order.
        #[serde(flatten)]
        placed: Placed,
        /// The chain in PEM, leaf first; not checked yet.
        chain: String,
    },
    /// It is known how this ends; the records are being taken out of the zone.
    Withdrawing {
        /// The order.
        #[serde(flatten)]
        placed: Placed,
        /// How it ends.
        end: End,
    },
    /// The certificate is here, and it is the right one.
    Done {
        /// The order.
        #[serde(flatten)]
        placed: Placed,
        /// The chain in PEM, leaf first, checked.
        chain: String,
    },
    /// There will be no certificate from this order.
    Failed {
        /// What was ordered.
        order: NewOrder,
        /// The order's URL, if there was one.
        url: Option<String>,
        /// Records that could not be withdrawn.
        records: Vec<ChallengeRecord>,
        /// Why.
        failure: Failure,
    },
}

/// An order that the CA has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placed {
    /// What was ordered. Without `replaces` when the CA refused it: then the order is an ordinary one to its limits.
    pub order: NewOrder,
    /// The order's URL.
    pub url: String,
    /// When its URL became known.
    pub placed_at: SystemTime,
    /// The challenge records that may be in the zone for it.
    pub records: Vec<ChallengeRecord>,
}

/// How an order ends, or pauses, once its records are withdrawn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "end", rename_all = "camelCase")]
pub enum End {
    /// With a certificate.
    Issued {
        /// The chain in PEM, checked.
        chain: String,
    },
    /// Without.
    Failed {
        /// Why.
        failure: Failure,
    },
    /// Not yet: it goes on later where the CA says it stands.
    Suspended {
        /// Why not now.
        failure: Failure,
    },
}

impl State {
    /// The challenge records that may be in the zone. A journal that keeps them by their expiry can sweep up after
    /// an order that nobody takes up again.
    pub fn records(&self) -> &[ChallengeRecord] {
        match self {
            Self::Failed { records, .. } => records,
            _ => self.placed().map_or(&[], |placed| &placed.records),
        }
    }

    /// What is ordered.
    pub fn order(&self) -> &NewOrder {
        match self {
            Self::Wanted { order } | Self::Ordering { order } | Self::Failed { order, .. } => order,
            Self::Ordered(placed)
            | Self::Publishing { placed, .. }
            | Self::Visible(placed)
            | Self::Answered(placed)
            | Self::Finalizing(placed)
            | Self::Finalized(placed)
            | Self::Downloaded { placed, .. }
            | Self::Withdrawing { placed, .. }
            | Self::Done { placed, .. } => &placed.order,
        }
    }

    /// The order's URL, once the CA has it.
    pub fn url(&self) -> Option<&str> {
        match self {
            Self::Failed { url, .. } => url.as_deref(),
            _ => self.placed().map(|placed| placed.url.as_str()),
        }
    }

    /// Whether it is over: `Done` or `Failed`. No event changes it any more.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Done { .. } | Self::Failed { .. })
    }

    /// The order between newOrder and the download: what can still go wrong at the CA.
    pub(super) fn under_way(&self) -> Option<&Placed> {
        match self {
            Self::Downloaded { .. } | Self::Withdrawing { .. } | Self::Done { .. } => None,
            _ => self.placed(),
        }
    }

    fn placed(&self) -> Option<&Placed> {
        match self {
            Self::Wanted { .. } | Self::Ordering { .. } | Self::Failed { .. } => None,
            Self::Ordered(placed)
            | Self::Publishing { placed, .. }
            | Self::Visible(placed)
            | Self::Answered(placed)
            | Self::Finalizing(placed)
            | Self::Finalized(placed)
            | Self::Downloaded { placed, .. }
            | Self::Withdrawing { placed, .. }
            | Self::Done { placed, .. } => Some(placed),
        }
    }
}
