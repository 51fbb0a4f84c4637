//! Refusals of a server.

use fleetcert_dns::BackendErrorKind;
use fleetcert_dns_wire::tsig::ReplyFault;
use hickory_proto::op::ResponseCode;

/// Why an update was not made, or why a reply is not trusted. It is the [`source`](std::error::Error::source) of the
/// backend's error:
///
/// ```
/// use fleetcert_dns::BackendError;
/// use fleetcert_dns_rfc2136::Refusal;
/// use std::error::Error;
///
/// fn has_wrong_key(error: &BackendError) -> bool {
///     let refusal = error.source().and_then(|source| source.downcast_ref());
///     matches!(refusal, Some(Refusal::BadKey | Refusal::BadSig))
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
    /// The clocks differ, and signing by the server's clock did not help.
    #[error("the server's clock is {ahead} seconds ahead of ours (BADTIME)")]
    BadTime {
        /// Seconds by which the server's clock is ahead of ours; negative if it is behind.
        ahead: i64,
    },
    /// The server reports another TSIG error (RFC 8945 section 3).
    #[error("the server reports the TSIG error {0}")]
    OtherTsigError(u16),
    /// The key has no permission, or the server accepts no updates (REFUSED).
    #[error("the server's policy does not allow it (REFUSED)")]
    Refused,
    /// The server does not have the zone, or not as its primary (NOTAUTH).
    #[error("the server is not authoritative for the zone, or not its primary (NOTAUTH)")]
    NotAuth,
    /// A name is outside the zone (NOTZONE).
    #[error("a name is outside the zone (NOTZONE)")]
    NotZone,
    /// The server failed temporarily (SERVFAIL).
    #[error("the server failed temporarily; see its log (SERVFAIL)")]
    ServFail,
    /// A prerequisite does not hold.
    #[error("{}", prerequisite(*.0))]
    Prerequisite(u16),
    /// The server does not implement updates, or cannot parse this one.
    #[error("the server does not understand the update (response code {0})")]
    NotUnderstood(u16),
    /// Any other response code.
    #[error("the server answers with the response code {0}")]
    Other(u16),
    /// The reply reports success, but it is not signed, so anyone may have sent it.
    #[error(
        "the reply is not signed, so it is not believed: look what answers in the server's place, or whether it passes \
         over signatures"
    )]
    Unsigned,
    /// The reply's signature does not verify.
    #[error(
        "the signature of the reply does not verify, so it is not trusted: check what is between us and the server"
    )]
    Forged,
    /// The reply's signature is valid, but from another time.
    #[error(
        "the signature of the reply is from another time, so it is not trusted: it may be a replayed reply"
    )]
    Untimely,
    /// The server answers a query without authority for the zone (no AA).
    #[error("the server answers without authority for the zone")]
    NoAuthority,
    /// The answer over TCP is truncated.
    #[error("the answer over TCP is truncated")]
    Cut,
    /// The reply is malformed.
    #[error("the reply is malformed")]
    Malformed,
}

/// Returns the meaning of the response code by RFC 2136 section 2.2.
fn prerequisite(code: u16) -> &'static str {
    match code {
        3 => "a name that must be in use is not (NXDOMAIN)",
        6 => "a name that must not be in use is (YXDOMAIN)",
        7 => "a record set that must not exist does (YXRRSET)",
        8 => "a record set that must exist does not, or has other values (NXRRSET)",
        _ => "the zone does not satisfy the prerequisites",
    }
}

impl Refusal {
    /// Classifies a response code; `None` for success.
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

    /// Classifies a fault of the reply's signature, apart from `BadTime` and `Unsigned`, which are handled separately.
    pub(crate) fn of_fault(fault: ReplyFault) -> Self {
        match fault {
            ReplyFault::Unsigned => Self::Unsigned,
            ReplyFault::WrongKey | ReplyFault::WrongMac => Self::Forged,
            ReplyFault::Untimely => Self::Untimely,
            ReplyFault::BadKey => Self::BadKey,
            ReplyFault::BadSig => Self::BadSig,
            ReplyFault::OtherError(code) => Self::OtherTsigError(code),
            // An unknown fault counts as no reply.
            _ => Self::Malformed,
        }
    }

    /// Returns what the refusal means to the caller.
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
