//! What happens to an order, and what is to be done about it.

use std::time::Duration;

use fleetcert_dns::challenge::ChallengeRecord;

use super::Failure;
use crate::{Fault, Problem, Reading};

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The work begins, or begins again after a crash or a pause.
    Started,
    /// The CA has the order.
    Placed {
        /// Its URL.
        url: String,
        /// What the CA says about it.
        reading: Reading,
    },
    /// The order was read.
    Read(Reading),
    /// The challenges were read, and every name can be proved.
    Challenges {
        /// A record for each name that is not proved yet.
        records: Vec<ChallengeRecord>,
    },
    /// The challenges were read, and a name of the order cannot be proved any more.
    ChallengeDead {
        /// What the CA said.
        problem: Option<Problem>,
    },
    /// The zone has the records.
    Published,
    /// Every server shows the records.
    Seen,
    /// All challenges are answered.
    Answered,
    /// The CA has taken the CSR.
    Finalized(Reading),
    /// The chain is here.
    Downloaded {
        /// In PEM, leaf first.
        chain: String,
    },
    /// The chain is the one that was ordered.
    Checked,
    /// The chain is not the one that was ordered.
    WrongCertificate {
        /// The difference.
        why: String,
    },
    /// The records are out of the zone.
    Withdrawn,
    /// Records are left in the zone; a sweep takes them out later.
    NotWithdrawn {
        /// Which.
        left: Vec<ChallengeRecord>,
    },
    /// The CA did not do what the last action asked.
    Fault(Fault),
    /// The zone did not do what the last action asked.
    ZoneFault(ZoneFault),
    /// The shell has no time left to wait as long as it would have to.
    OutOfTime {
        /// How long the CA asked to wait, if it did.
        retry_after: Option<Duration>,
        /// The fault that made it wait, if one did.
        fault: Option<Fault>,
    },
}

impl Event {
    /// Returns the fault of the CA that the event reports.
    pub(crate) fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Fault(fault) | Self::OutOfTime { fault: Some(fault), .. } => Some(fault),
            _ => None,
        }
    }
}

/// A failure of the zone as a plain value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneFault {
    /// What happened.
    pub why: String,
    /// When it may go better: as [`BackendError::retry_after`](fleetcert_dns::BackendError::retry_after).
    pub retry_after: Option<Duration>,
}

/// What to do next. What it needs to know stands in the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send newOrder. Ends in `Placed` or `Fault`.
    PlaceOrder,
    /// Wait, then read the order at its URL. Ends in `Read`, `Fault` or `OutOfTime`.
    ReadOrder(Pause),
    /// Read the challenges. Ends in `Challenges`, `ChallengeDead` or `Fault`.
    ReadChallenges,
    /// Put the state's records into the zone. Ends in `Published` or `ZoneFault`.
    Publish,
    /// Wait until every server shows them. Ends in `Seen` or `ZoneFault`.
    AwaitVisible,
    /// Answer the challenge of each name that is not proved. Ends in `Answered` or `Fault`.
    Answer,
    /// Send the CSR. Ends in `Finalized` or `Fault`.
    Finalize,
    /// Download the chain. Ends in `Downloaded`, `WrongCertificate` or `Fault`.
    Download,
    /// Compare the chain with what was ordered. Ends in `Checked` or `WrongCertificate`.
    Check,
    /// Take the state's records out of the zone. Ends in `Withdrawn` or `NotWithdrawn`.
    Withdraw,
    /// Leave it where it stands, and begin again later.
    Suspend(Failure),
    /// It is over.
    Stop,
}

/// How long to wait before a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// Not at all.
    None,
    /// As long as the CA asks, or else as the shell thinks fit: shortly at first, then longer.
    Poll(Option<Duration>),
}
