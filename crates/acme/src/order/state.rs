//! The states of an order.

use std::time::SystemTime;

use fleetcert_dns::challenge::ChallengeRecord;
use serde::{Deserialize, Serialize};

use super::Failure;
use crate::NewOrder;

/// State of an order: one variant for each entry of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "camelCase")]
pub enum OrderState {
    /// No order exists: nothing was sent to the CA, or the CA refused it.
    Wanted {
        /// Order to place.
        order: NewOrder,
    },
    /// newOrder is sent, or was; its answer may be lost.
    Ordering {
        /// Order that is placed.
        order: NewOrder,
    },
    /// The CA has the order.
    Ordered(Placed),
    /// The records may be in the zone.
    Publishing {
        /// The order.
        #[serde(flatten)]
        placed: Placed,
        /// Whether the challenges were answered before, so that the records only have to stay in the zone.
        answered: bool,
    },
    /// Every server shows the records; the challenges may have been answered.
    Visible(Placed),
    /// The challenges are answered, or needed no answer; the CA validates.
    Answered(Placed),
    /// Every identifier is validated; the CSR may have been sent.
    Finalizing(Placed),
    /// The CA has the CSR; the certificate is being issued, or ready.
    Finalized(Placed),
    /// The chain was downloaded.
    Downloaded {
        /// The order.
        #[serde(flatten)]
        placed: Placed,
        /// Chain in PEM, leaf first; not checked yet.
        chain: String,
    },
    /// The outcome is known; the records are being withdrawn.
    Withdrawing {
        /// The order.
        #[serde(flatten)]
        placed: Placed,
        /// Outcome.
        end: End,
    },
    /// The certificate was issued, and it is the one that was ordered.
    Done {
        /// The order.
        #[serde(flatten)]
        placed: Placed,
        /// Chain in PEM, leaf first, checked.
        chain: String,
    },
    /// No certificate will come of this order.
    Failed {
        /// Order that failed.
        order: NewOrder,
        /// URL of the order, if it was placed.
        url: Option<String>,
        /// Records that could not be withdrawn.
        records: Vec<ChallengeRecord>,
        /// Reason.
        failure: Failure,
    },
}

/// An order that the CA has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placed {
    /// Order as it was placed. Without `replaces` when the CA refused that: by its limits it is an ordinary order then.
    pub order: NewOrder,
    /// URL of the order.
    pub url: String,
    /// Time at which the URL became known.
    pub placed_at: SystemTime,
    /// Challenge records that may be in the zone for it.
    pub records: Vec<ChallengeRecord>,
}

/// Outcome of an order, or a pause, once its records are withdrawn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "end", rename_all = "camelCase")]
pub enum End {
    /// A certificate.
    Issued {
        /// Chain in PEM, checked.
        chain: String,
    },
    /// No certificate.
    Failed {
        /// Reason.
        failure: Failure,
    },
    /// No certificate yet: the order goes on later.
    Suspended {
        /// Reason.
        failure: Failure,
    },
}

impl OrderState {
    /// Returns the challenge records that may be in the zone. A journal that keeps them by their expiry can withdraw
    /// those of an order that is never resumed.
    pub fn records(&self) -> &[ChallengeRecord] {
        match self {
            Self::Failed { records, .. } => records,
            _ => self.placed().map_or(&[], |placed| &placed.records),
        }
    }

    /// Returns the order.
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

    /// Returns the order's URL, once the CA has it.
    pub fn url(&self) -> Option<&str> {
        match self {
            Self::Failed { url, .. } => url.as_deref(),
            _ => self.placed().map(|placed| placed.url.as_str()),
        }
    }

    /// Returns whether the state is `Done` or `Failed`, which no event changes.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Done { .. } | Self::Failed { .. })
    }

    /// Returns the order if it stands between newOrder and the download.
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
