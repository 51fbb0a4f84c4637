//! Errors of messages.

use std::fmt;

type Source = Box<dyn std::error::Error + Send + Sync + 'static>;

/// A message was refused, or could not be made.
#[derive(Debug)]
pub struct ProtocolError {
    kind: ProtocolErrorKind,
    source: Source,
}

/// The kind of a [`ProtocolError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProtocolErrorKind {
    /// It does not have the form that the protocol requires.
    Malformed,
    /// It exceeds a bound.
    TooLarge,
    /// Its algorithm, its kind of key or its type is not supported.
    Unsupported,
    /// Its signature does not verify with this key, or it was signed for another URL.
    Unauthenticated,
    /// It holds a private key. Nothing else was checked.
    PrivateKeySent,
    /// It could not be signed.
    Signing,
}

impl ProtocolError {
    pub(crate) fn new(kind: ProtocolErrorKind, source: impl Into<Source>) -> Self {
        Self { kind, source: source.into() }
    }

    pub(crate) fn malformed(source: impl Into<Source>) -> Self {
        Self::new(ProtocolErrorKind::Malformed, source)
    }

    /// Returns the kind.
    pub fn kind(&self) -> ProtocolErrorKind {
        self.kind
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            ProtocolErrorKind::Malformed => "the message is malformed",
            ProtocolErrorKind::TooLarge => "the message is too large",
            ProtocolErrorKind::Unsupported => "the message's algorithm, key or type is not supported",
            ProtocolErrorKind::Unauthenticated => "the message is not authentic",
            ProtocolErrorKind::PrivateKeySent => "the message holds a private key",
            ProtocolErrorKind::Signing => "the message could not be signed",
        };
        write!(f, "{what}: {}", self.source)
    }
}

impl std::error::Error for ProtocolError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.source)
    }
}
