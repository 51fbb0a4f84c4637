//! Errors of stores.

use std::fmt;

type Source = Box<dyn std::error::Error + Send + Sync + 'static>;

/// The error of a store.
#[derive(Debug)]
pub struct StoreError {
    kind: StoreErrorKind,
    source: Source,
}

/// What a store error means to the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// A record did not match the expectation; nothing was written. Read again and decide again.
    Conflict,
    /// The database does not answer, or is full. It is unknown whether a commit took effect: read before acting.
    Unavailable,
    /// The database holds data that this version of the program cannot read.
    Corrupt,
    /// The request exceeds a limit.
    InvalidInput,
}

impl StoreError {
    /// Returns an error of `kind` caused by `source`.
    pub fn new(kind: StoreErrorKind, source: impl Into<Source>) -> Self {
        Self { kind, source: source.into() }
    }

    /// Returns what the error means.
    pub fn kind(&self) -> StoreErrorKind {
        self.kind
    }

    /// Returns whether a record did not match the expectation.
    pub fn is_conflict(&self) -> bool {
        self.kind == StoreErrorKind::Conflict
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = match self.kind {
            StoreErrorKind::Conflict => "a record was changed by another writer",
            StoreErrorKind::Unavailable => "the store does not answer",
            StoreErrorKind::Corrupt => "the store holds data that this program cannot read",
            StoreErrorKind::InvalidInput => "the store rejected the request",
        };
        write!(f, "{outcome}: {}", self.source)
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.source)
    }
}
