//! What can go wrong with a backend, by outcome.

use std::fmt;
use std::time::Duration;

use fleetcert_names::DomainName;

type Source = Box<dyn std::error::Error + Send + Sync + 'static>;

/// A backend, or a look at a server, did not do what was asked.
///
/// The [`kind`](Self::kind) says what a caller can do about it; the source says what happened.
#[derive(Debug)]
pub struct BackendError {
    kind: BackendErrorKind,
    operation: Operation,
    zone: DomainName,
    server: Option<String>,
    retry_after: Option<Duration>,
    source: Source,
}

/// What the failure means to the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BackendErrorKind {
    /// The server does not believe who we are: unknown key, wrong secret or token, clocks apart.
    Unauthenticated,
    /// The server knows us and does not allow it.
    Refused,
    /// The name is outside the zone, or the server does not have the zone.
    NotInZone,
    /// Somebody else changed what the change was based on.
    Conflict,
    /// Too many requests or records; [`BackendError::retry_after`] may say until when.
    Quota,
    /// No answer, or one that says that the server cannot now. Whether the change was made is not known.
    Unavailable,
    /// The request can never succeed as it is.
    InvalidInput,
}

/// What was being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Changing a zone.
    Apply,
    /// Reading a record set.
    Read,
    /// Looking whether a value is visible.
    Look,
}

impl BackendError {
    /// An error of `kind` while doing `operation` to `zone`, caused by `source`.
    pub fn new(
        kind: BackendErrorKind,
        operation: Operation,
        zone: &DomainName,
        source: impl Into<Source>,
    ) -> Self {
        Self { kind, operation, zone: zone.clone(), server: None, retry_after: None, source: source.into() }
    }

    /// The same error, with the server that it came from.
    pub fn at_server(mut self, server: impl fmt::Display) -> Self {
        self.server = Some(server.to_string());
        self
    }

    /// The same error, with the time after which the server wants to be asked again.
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// What the failure means.
    pub fn kind(&self) -> BackendErrorKind {
        self.kind
    }

    /// What was being done.
    pub fn operation(&self) -> Operation {
        self.operation
    }

    /// The zone that it was done to.
    pub fn zone(&self) -> &DomainName {
        &self.zone
    }

    /// The server that answered, or did not.
    pub fn server(&self) -> Option<&str> {
        self.server.as_deref()
    }

    /// When the same call may succeed: `None` for never as it is, else the time to wait, which is zero when
    /// nothing speaks against trying at once.
    pub fn retry_after(&self) -> Option<Duration> {
        match self.kind {
            BackendErrorKind::Quota | BackendErrorKind::Unavailable | BackendErrorKind::Conflict => {
                Some(self.retry_after.unwrap_or_default())
            }
            _ => None,
        }
    }
}

impl fmt::Display for BackendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operation = match self.operation {
            Operation::Apply => "changing",
            Operation::Read => "reading",
            Operation::Look => "looking into",
        };
        write!(f, "{operation} the zone {}", self.zone)?;
        if let Some(server) = &self.server {
            write!(f, " at {server}")?;
        }
        let outcome = match self.kind {
            BackendErrorKind::Unauthenticated => "the server does not accept our key",
            BackendErrorKind::Refused => "the server does not allow it",
            BackendErrorKind::NotInZone => "the name or zone is not the server's",
            BackendErrorKind::Conflict => "somebody else changed it meanwhile",
            BackendErrorKind::Quota => "too many requests or records",
            BackendErrorKind::Unavailable => "the server does not answer as it should",
            BackendErrorKind::InvalidInput => "the request cannot succeed as it is",
        };
        write!(f, ": {outcome}: {}", self.source)
    }
}

impl std::error::Error for BackendError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.source)
    }
}
