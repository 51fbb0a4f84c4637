//! Failures of one attempt at one server.

use std::time::SystemTime;

use fleetcert_dns::{BackendError, BackendErrorKind, Operation};
use fleetcert_dns_wire::{ExchangeError, ExchangeErrorKind};
use fleetcert_names::DomainName;

use crate::Refusal;
use crate::course::Prospect;

/// The failure of one attempt.
#[derive(Debug)]
pub(crate) enum Failed {
    /// There is no reply.
    NoReply(ExchangeError),
    /// The reply is a refusal, or is not trusted.
    Refused(Refusal),
    /// The server reports that our clock differs from its own.
    BadTime {
        /// Server's time.
        server_time: SystemTime,
    },
    /// No slot became free in time, because too many updates wait for the server.
    NoSlot,
    /// There is no space for the signature.
    TooLong,
}

impl Failed {
    /// Returns the consequence for retries.
    pub(crate) fn prospect(&self) -> Prospect {
        match self {
            Self::NoReply(error) => Prospect::of_exchange(error.kind()),
            Self::Refused(refusal) => Prospect::of_refusal(*refusal),
            Self::BadTime { .. } | Self::TooLong => Prospect::None,
            Self::NoSlot => Prospect::Later,
        }
    }

    /// Returns whether too many updates in flight may be the cause.
    pub(super) fn may_be_overload(&self) -> bool {
        match self {
            Self::NoReply(error) => error.kind() == ExchangeErrorKind::TimedOut,
            Self::Refused(refusal) => *refusal == Refusal::ServFail,
            _ => false,
        }
    }

    /// Returns whether the server has answered. A lost connection says nothing about its capacity.
    pub(super) fn is_reply(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::BadTime { .. })
    }

    pub(crate) fn is_out_of_time(&self) -> bool {
        match self {
            Self::NoReply(error) => error.kind() == ExchangeErrorKind::TimedOut,
            Self::NoSlot => true,
            _ => false,
        }
    }

    /// Returns whether the server may have made the update.
    pub(crate) fn may_have_taken_effect(&self) -> bool {
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
            Self::Refused(_) | Self::BadTime { .. } | Self::NoSlot | Self::TooLong => false,
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
                BackendError::new(BackendErrorKind::Unauthenticated, operation, zone, "the clocks differ")
            }
            Self::NoSlot => {
                let why = "timed out waiting for a slot: too many messages are in flight at the server";
                BackendError::new(BackendErrorKind::Unavailable, operation, zone, why)
            }
            Self::TooLong => {
                let why = "the update has no space for its signature";
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
