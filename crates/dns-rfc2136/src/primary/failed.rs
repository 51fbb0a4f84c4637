//! Why one try at one server failed.

use std::time::SystemTime;

use fleetcert_dns::{BackendError, BackendErrorKind, Operation};
use fleetcert_dns_wire::{ExchangeError, ExchangeErrorKind};
use fleetcert_names::DomainName;

use crate::Refusal;
use crate::course::Prospect;

/// Why one try failed.
#[derive(Debug)]
pub(crate) enum Failed {
    /// There is no reply.
    NoReply(ExchangeError),
    /// The reply says no, or is not believed.
    Refused(Refusal),
    /// The server finds that our clock is apart from its own.
    BadTime {
        /// Its time.
        server_time: SystemTime,
    },
    /// So many updates wait for the server that ours had no turn in time.
    NoTurn,
    /// There is no room for the signature.
    TooLong,
}

impl Failed {
    /// What it says about trying again.
    pub(crate) fn prospect(&self) -> Prospect {
        match self {
            Self::NoReply(error) => Prospect::of_exchange(error.kind()),
            Self::Refused(refusal) => Prospect::of_refusal(*refusal),
            Self::BadTime { .. } | Self::TooLong => Prospect::None,
            Self::NoTurn => Prospect::Later,
        }
    }

    /// Whether it may come of sending more than the server bears.
    pub(super) fn is_too_much(&self) -> bool {
        match self {
            Self::NoReply(error) => error.kind() == ExchangeErrorKind::TimedOut,
            Self::Refused(refusal) => *refusal == Refusal::ServFail,
            _ => false,
        }
    }

    /// Whether the server has said something. A connection that is lost says nothing about what the server bears.
    pub(super) fn is_reply(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::BadTime { .. })
    }

    pub(crate) fn is_out_of_time(&self) -> bool {
        match self {
            Self::NoReply(error) => error.kind() == ExchangeErrorKind::TimedOut,
            Self::NoTurn => true,
            _ => false,
        }
    }

    /// Whether the server may have made the update all the same.
    pub(crate) fn may_have_been_made(&self) -> bool {
        match self {
            Self::NoReply(error) => matches!(
                error.kind(),
                ExchangeErrorKind::TimedOut
                    | ExchangeErrorKind::BrokenOff
                    | ExchangeErrorKind::ForeignReply
                    | ExchangeErrorKind::ForeignSource
            ),
            Self::Refused(
                Refusal::Unsigned
                | Refusal::Forged
                | Refusal::Untimely
                | Refusal::Malformed
                | Refusal::Other(_),
            ) => true,
            Self::Refused(_) | Self::BadTime { .. } | Self::NoTurn | Self::TooLong => false,
        }
    }

    pub(crate) fn into_error(self, operation: Operation, zone: &DomainName) -> BackendError {
        match self {
            Self::NoReply(error) => {
                let kind = match error.kind() {
                    ExchangeErrorKind::InvalidInput => BackendErrorKind::InvalidInput,
                    _ => BackendErrorKind::Unavailable,
                };
                BackendError::new(kind, operation, zone, error)
            }
            Self::Refused(refusal) => {
                let error = BackendError::new(refusal.kind(), operation, zone, refusal);
                match refusal {
                    Refusal::BadTime { ahead } => error.with_clock_skew(ahead),
                    _ => error,
                }
            }
            Self::BadTime { .. } => {
                BackendError::new(BackendErrorKind::Unauthenticated, operation, zone, "the clocks are apart")
            }
            Self::NoTurn => {
                let why = "so many messages wait for the server that this one had no turn in time";
                BackendError::new(BackendErrorKind::Unavailable, operation, zone, why)
            }
            Self::TooLong => {
                let why = "the update has no room for its signature";
                BackendError::new(BackendErrorKind::InvalidInput, operation, zone, why)
            }
        }
    }
}

impl From<ExchangeError> for Failed {
    fn from(error: ExchangeError) -> Self {
        Self::NoReply(error)
    }
}

impl From<Refusal> for Failed {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}
