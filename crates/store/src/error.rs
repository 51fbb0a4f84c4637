//! What can go wrong with a store, by outcome.

use std::fmt;

type Source = Box<dyn std::error::Error + Send + Sync + 'static>;

/// A store did not do what was asked.
#[derive(Debug)]
pub struct StoreError {
    kind: StoreErrorKind,
    source: Source,
}

/// What the failure means to the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// A record was not as expected; nothing was written. Read again and decide anew.
    Conflict,
    /// The database does not answer, or is full. Whether a commit was made is not known: read before acting.
    Unavailable,
    /// The database holds what this version of the program cannot read.
    Corrupt,
    /// The request is over a bound.
    InvalidInput,
}

impl StoreError {
    /// An error of `kind` caused by `source`.
    pub fn new(kind: StoreErrorKind, source: impl Into<Source>) -> Self {
        Self { kind, source: source.into() }
    }

    /// What the failure means.
    pub fn kind(&self) -> StoreErrorKind {
        self.kind
    }

    /// Whether a record was not as expected.
    pub fn is_conflict(&self) -> bool {
        self.kind == StoreErrorKind::Conflict
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = match self.kind {
            StoreErrorKind::Conflict => "a record changed meanwhile",
            StoreErrorKind::Unavailable => "the store does not answer",
            StoreErrorKind::Corrupt => "the store holds what cannot be read",
            StoreErrorKind::InvalidInput => "the store does not take this",
        };
        write!(f, "{outcome}: {}", self.source)
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.source)
    }
}
