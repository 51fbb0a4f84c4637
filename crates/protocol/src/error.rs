//! What can be wrong with a message.

use std::fmt;

type Source = Box<dyn std::error::Error + Send + Sync + 'static>;

/// A message was refused, or could not be made.
#[derive(Debug)]
pub struct ProtocolError {
    kind: ProtocolErrorKind,
    source: Source,
}

/// What the refusal means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProtocolErrorKind {
    /// It is not what it should be.
    Malformed,
    /// It is over a bound.
    TooLarge,
    /// Its algorithm or kind of key is not spoken here.
    Unsupported,
    /// Its signature is not of this key, or it was meant for another URL.
    Unauthenticated,
    /// It holds a private key. Nothing was looked at any further.
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

    /// What the refusal means.
    pub fn kind(&self) -> ProtocolErrorKind {
        self.kind
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            ProtocolErrorKind::Malformed => "the message is malformed",
            ProtocolErrorKind::TooLarge => "the message is too large",
            ProtocolErrorKind::Unsupported => "the message's algorithm or key is not supported",
            ProtocolErrorKind::Unauthenticated => "the message is not the sender's",
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
