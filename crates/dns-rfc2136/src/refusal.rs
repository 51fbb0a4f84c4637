//! What a server says against an update.

use fleetcert_dns::BackendErrorKind;
use fleetcert_dns_wire::tsig::ReplyFault;
use hickory_proto::op::ResponseCode;

/// Why an update was not made, or why a reply is not believed. It is the
/// [`source`](std::error::Error::source) of the backend's error:
///
/// ```
/// use fleetcert_dns::BackendError;
/// use fleetcert_dns_rfc2136::Refusal;
/// use std::error::Error;
///
/// fn is_typing_error_in_the_key(error: &BackendError) -> bool {
///     matches!(error.source().and_then(|source| source.downcast_ref()), Some(Refusal::BadKey | Refusal::BadSig))
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The server has no key of this name and algorithm.
    #[error("the server does not know the key's name, or has it for another algorithm (BADKEY)")]
    BadKey,
    /// The server has another secret for the key.
    #[error("the server has another secret for the key (BADSIG)")]
    BadSig,
    /// The clocks are apart, and signing by the server's clock did not help.
    #[error("the server's clock is {ahead} seconds ahead of ours (BADTIME)")]
    BadTime {
        /// The seconds by which the server's clock is ahead of ours; negative when it is behind.
        ahead: i64,
    },
    /// The server reports another TSIG error (RFC 8945 section 3).
    #[error("the server reports the TSIG error {0}")]
    OtherTsigError(u16),
    /// Our key may not do this, or the server takes no updates (REFUSED).
    #[error("the server's policy does not allow it (REFUSED)")]
    Refused,
    /// The server does not have the zone, or not as its primary (NOTAUTH).
    #[error("the server is not authoritative for the zone, or not its primary (NOTAUTH)")]
    NotAuth,
    /// A name is outside the zone (NOTZONE).
    #[error("a name is outside the zone (NOTZONE)")]
    NotZone,
    /// The server cannot now (SERVFAIL).
    #[error("the server cannot do it now, and its log says why (SERVFAIL)")]
    ServFail,
    /// Something is there, or not there, against what the update wants.
    #[error("the zone is not as the update expects it (response code {0})")]
    Prerequisite(u16),
    /// The server does not understand updates, or this one.
    #[error("the server does not understand the update (response code {0})")]
    NotUnderstood(u16),
    /// Any other response code.
    #[error("the server answers with the response code {0}")]
    Other(u16),
    /// The reply says that all is well, but it is not signed, so anybody may have sent it.
    #[error(
        "the reply is not signed, so it is not believed: look what answers in the server's place, or whether it passes \
         over signatures"
    )]
    Unsigned,
    /// The reply's signature does not fit.
    #[error(
        "the signature of the reply does not fit, so it is not believed: look what is between us and the server"
    )]
    Forged,
    /// The reply's signature is good, and from another time.
    #[error(
        "the signature of the reply is from another time, so it is not believed: it may be an old reply sent again"
    )]
    Untimely,
    /// The server answers a query, but not as one that has the zone (no AA).
    #[error("the server answers without authority for the zone")]
    NoAuthority,
    /// The answer over TCP is cut.
    #[error("the answer over TCP is cut")]
    Cut,
    /// The reply is no well-formed message.
    #[error("the reply is not well-formed")]
    Malformed,
}

impl Refusal {
    /// What the response code says; `None` for success.
    pub(crate) fn of_code(code: ResponseCode) -> Option<Self> {
        match code {
            ResponseCode::NoError => None,
            ResponseCode::Refused => Some(Self::Refused),
            ResponseCode::NotAuth => Some(Self::NotAuth),
            ResponseCode::NotZone => Some(Self::NotZone),
            ResponseCode::ServFail => Some(Self::ServFail),
            ResponseCode::YXDomain
            | ResponseCode::YXRRSet
            | ResponseCode::NXDomain
            | ResponseCode::NXRRSet => Some(Self::Prerequisite(code.into())),
            ResponseCode::FormErr | ResponseCode::NotImp => Some(Self::NotUnderstood(code.into())),
            other => Some(Self::Other(other.into())),
        }
    }

    /// What is wrong with the reply's signature, apart from `BadTime` and `Unsigned`, for which there is more to
    /// do.
    pub(crate) fn of_fault(fault: ReplyFault) -> Self {
        match fault {
            ReplyFault::Unsigned => Self::Unsigned,
            ReplyFault::WrongKey | ReplyFault::WrongMac => Self::Forged,
            ReplyFault::Untimely => Self::Untimely,
            ReplyFault::BadKey => Self::BadKey,
            ReplyFault::BadSig => Self::BadSig,
            ReplyFault::OtherError(code) => Self::OtherTsigError(code),
            // What is not known here counts as no reply at all.
            _ => Self::Malformed,
        }
    }

    /// What it means to the caller.
    pub fn kind(self) -> BackendErrorKind {
        match self {
            Self::BadKey | Self::BadSig | Self::BadTime { .. } | Self::OtherTsigError(_) | Self::Untimely => {
                BackendErrorKind::Unauthenticated
            }
            Self::Refused => BackendErrorKind::Refused,
            Self::NotAuth | Self::NotZone | Self::NoAuthority => BackendErrorKind::NotInZone,
            Self::Prerequisite(_) => BackendErrorKind::Conflict,
            Self::NotUnderstood(_) => BackendErrorKind::InvalidInput,
            Self::ServFail | Self::Other(_) | Self::Unsigned | Self::Forged | Self::Cut | Self::Malformed => {
                BackendErrorKind::Unavailable
            }
        }
    }
}
