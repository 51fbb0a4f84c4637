//! Errors of signed messages and keys.

use std::fmt;

type Source = Box<dyn std::error::Error + Send + Sync + 'static>;

/// The error for a message or a key that was rejected, or that could not be made.
#[derive(Debug)]
pub struct JoseError {
    kind: JoseErrorKind,
    source: Source,
}

/// Why a message or a key was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum JoseErrorKind {
    /// It exceeds a size limit.
    TooLarge,
    /// It is not valid: broken JSON or base64url, or a member is missing, repeated or not allowed.
    Malformed,
    /// The algorithm or the kind of key is not supported, or the two do not fit together.
    Unsupported,
    /// It contains a private or symmetric key. Treat that key as compromised.
    PrivateKey,
    /// The signature does not verify with this key.
    BadSignature,
    /// The key cannot be generated, parsed or used: too weak, not on its curve, or not the key in the header.
    BadKey,
}

impl JoseError {
    pub(crate) fn new(kind: JoseErrorKind, source: impl Into<Source>) -> Self {
        Self { kind, source: source.into() }
    }

    pub(crate) fn malformed(source: impl Into<Source>) -> Self {
        Self::new(JoseErrorKind::Malformed, source)
    }

    /// Returns why it was rejected.
    pub fn kind(&self) -> JoseErrorKind {
        self.kind
    }
}

impl fmt::Display for JoseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            JoseErrorKind::TooLarge => "the signed message is too large",
            JoseErrorKind::Malformed => "the signed message is malformed",
            JoseErrorKind::Unsupported => "the algorithm or key is not supported",
            JoseErrorKind::PrivateKey => "the message contains a private key",
            JoseErrorKind::BadSignature => "the signature does not verify",
            JoseErrorKind::BadKey => "the key cannot be used",
        };
        write!(f, "{what}: {}", self.source)
    }
}

impl std::error::Error for JoseError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.source)
    }
}
