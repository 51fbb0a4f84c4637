//! Events of an order, and the actions that answer them.

use std::time::{Duration, SystemTime};

use fleetcert_dns::challenge::ChallengeRecord;

use super::Failure;
use crate::{Fault, Problem, Reading};

/// An event in the life of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The work begins, or begins again after a crash or a pause.
    Started,
    /// The CA accepted the order.
    Placed {
        /// URL of the order.
        url: String,
        /// First reading of the order.
        reading: Reading,
    },
    /// The order was read.
    Read(Reading),
    /// The CA answered the reading of the order with a problem document: it does not have the order.
    OrderGone,
    /// The challenges were read, and none of them has failed.
    Challenges {
        /// Challenge record of each identifier that is not validated yet.
        records: Vec<ChallengeRecord>,
    },
    /// The CA says that a challenge, or its authorization, has failed.
    ChallengeFailed {
        /// Reason that the CA gave.
        problem: Option<Problem>,
    },
    /// The zone has the records.
    Published,
    /// Every server shows the records.
    Seen,
    /// All challenges are answered.
    Answered {
        /// Whether the CA's replies say that all of them are valid.
        valid: bool,
    },
    /// The CA accepted the CSR.
    Finalized(Reading),
    /// The CA refused the CSR with a problem document, and the order, read after that, is still ready.
    CsrRefused(Fault),
    /// The chain was downloaded.
    Downloaded {
        /// Chain in PEM, leaf first.
        chain: String,
    },
    /// The chain is the one that was ordered.
    Checked,
    /// The chain is not the one that was ordered.
    WrongCertificate {
        /// The difference.
        why: String,
        /// Beginning of its validity, if the only difference is that this lies ahead of our clock.
        valid_from: Option<SystemTime>,
    },
    /// The records are out of the zone.
    Withdrawn,
    /// Records are left in the zone; a sweep withdraws them later.
    NotWithdrawn {
        /// Records that are left.
        left: Vec<ChallengeRecord>,
    },
    /// The CA did not carry out the last action.
    Fault(Fault),
    /// The zone did not carry out the last action.
    ZoneFault(ZoneFault),
    /// The time limit of this drive does not allow the next wait.
    OutOfTime {
        /// Wait that the CA asked for.
        retry_after: Option<Duration>,
        /// Fault that made it wait, if one did.
        fault: Option<Fault>,
    },
}

impl Event {
    /// Returns the fault of the CA that the event reports.
    pub(crate) fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Fault(fault) | Self::CsrRefused(fault) | Self::OutOfTime { fault: Some(fault), .. } => {
                Some(fault)
            }
            _ => None,
        }
    }
}

/// A failure of the zone as a plain value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneFault {
    /// Description.
    pub why: String,
    /// Wait until the same call may succeed, as
    /// [`BackendError::retry_after`](fleetcert_dns::BackendError::retry_after) gives it.
    pub retry_after: Option<Duration>,
}

/// The next action. Its inputs are in the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send newOrder. Ends in `Placed` or `Fault`.
    PlaceOrder,
    /// Wait, then read the order at its URL. Ends in `Read`, `OrderGone`, `ChallengeFailed`, `Fault` or `OutOfTime`.
    ReadOrder(Pause),
    /// Read the challenges. Ends in `Challenges`, `ChallengeFailed` or `Fault`.
    ReadChallenges,
    /// Publish the state's records in the zone. Ends in `Published` or `ZoneFault`.
    Publish,
    /// Wait until every server shows them. Ends in `Seen` or `ZoneFault`.
    AwaitVisible,
    /// Answer the challenge of each identifier that is not validated. Ends in `Answered`, `ChallengeFailed` or `Fault`.
    Answer,
    /// Send the CSR. Ends in `Finalized`, `CsrRefused`, `Read`, `OrderGone` or `Fault`.
    Finalize,
    /// Download the chain. Ends in `Downloaded` or `Fault`.
    Download,
    /// Compare the chain with the order. Ends in `Checked` or `WrongCertificate`.
    Check,
    /// Withdraw the state's records from the zone. Ends in `Withdrawn` or `NotWithdrawn`.
    Withdraw,
    /// Leave the order as it is, and begin again later.
    Suspend(Failure),
    /// Nothing: the state is terminal.
    Stop,
}

/// Wait before a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// No wait.
    None,
    /// The wait that the CA asked for, or else the poll interval of the driver: short at first, then longer.
    Poll(Option<Duration>),
}
