//! Errors of the engine, by outcome.

use std::borrow::Cow;
use std::fmt;
use std::time::{Duration, SystemTime};

use fleetcert_store::StoreError;

use crate::EnrolmentRefusal;

type Source = Box<dyn std::error::Error + Send + Sync + 'static>;

/// A failure of the engine.
#[derive(Debug)]
pub struct EngineError {
    kind: EngineErrorKind,
    code: Option<Cow<'static, str>>,
    retry_after: Option<Duration>,
    source: Source,
}

/// The meaning of a failure for the caller. All but `Unavailable` and `Corrupt` can be shown to the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EngineErrorKind {
    /// The request does not come from a known device. The answer does not say whether the device or the signature is
    /// unknown.
    Unauthenticated,
    /// The device is known and may not do this.
    Denied,
    /// The device may not join; [`EngineError::code`] says why.
    EnrolmentRefused,
    /// The key belongs to a device already.
    KeyInUse,
    /// The requested label was given out before.
    LabelTaken,
    /// The requested label is not allowed.
    LabelNotAllowed,
    /// An address may not be published.
    AddressNotAllowed,
    /// The certificate request was refused; [`EngineError::code`] names the rule.
    CsrRefused,
    /// There is no such device.
    NotFound,
    /// Too many requests of this kind; [`EngineError::retry_after`] says how long to wait.
    RateLimited,
    /// The store does not answer. Whether the call had an effect is unknown.
    Unavailable,
    /// The store holds a record that this version cannot decode.
    Corrupt,
}

impl EngineError {
    /// Makes an error of `kind` caused by `source`, for an [`Enroller`](crate::Enroller).
    pub fn new(kind: EngineErrorKind, source: impl Into<Source>) -> Self {
        Self { kind, code: None, retry_after: None, source: source.into() }
    }

    /// The refusal of a certificate request by the rule `code`.
    pub(crate) fn refused(code: &'static str, source: impl Into<Source>) -> Self {
        Self { code: Some(code.into()), ..Self::new(EngineErrorKind::CsrRefused, source) }
    }

    pub(crate) fn enrolment_refused(refusal: EnrolmentRefusal) -> Self {
        Self { code: Some(refusal.code.clone()), ..Self::new(EngineErrorKind::EnrolmentRefused, refusal) }
    }

    pub(crate) fn limited(now: SystemTime, until: SystemTime, what: &'static str) -> Self {
        let wait = until.duration_since(now).unwrap_or_default();
        Self { retry_after: Some(wait), ..Self::new(EngineErrorKind::RateLimited, what) }
    }

    /// Returns the meaning of the failure.
    pub fn kind(&self) -> EngineErrorKind {
        self.kind
    }

    /// Returns the code of a refused certificate request, such as `name_not_granted`, or of a refused enrolment, such
    /// as `token_used`. Codes do not change between versions.
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// Returns the wait after which the same call may succeed; `None` if it never will.
    pub fn retry_after(&self) -> Option<Duration> {
        match self.kind {
            EngineErrorKind::Unavailable => Some(self.retry_after.unwrap_or(Duration::from_secs(5))),
            EngineErrorKind::RateLimited => self.retry_after,
            _ => None,
        }
    }
}

impl From<StoreError> for EngineError {
    fn from(error: StoreError) -> Self {
        use fleetcert_store::StoreErrorKind;
        let kind = match error.kind() {
            StoreErrorKind::Corrupt => EngineErrorKind::Corrupt,
            _ => EngineErrorKind::Unavailable,
        };
        Self::new(kind, error)
    }
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = match self.kind {
            EngineErrorKind::Unauthenticated => "the request does not come from a known device",
            EngineErrorKind::Denied => "the device may not do this",
            EngineErrorKind::EnrolmentRefused => "the device may not join",
            EngineErrorKind::KeyInUse => "the key belongs to a device already",
            EngineErrorKind::LabelTaken => "the label was given out before",
            EngineErrorKind::LabelNotAllowed => "the label is not allowed",
            EngineErrorKind::AddressNotAllowed => "the address may not be published",
            EngineErrorKind::CsrRefused => "the certificate request was refused",
            EngineErrorKind::NotFound => "there is no such device",
            EngineErrorKind::RateLimited => "too many requests of this kind",
            EngineErrorKind::Unavailable => "the control server is temporarily unavailable",
            EngineErrorKind::Corrupt => "the control server's store is damaged",
        };
        write!(f, "{outcome}: {}", self.source)
    }
}

impl std::error::Error for EngineError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.source)
    }
}
