//! What can be wrong with a signed message or a key.

use std::fmt;

type Source = Box<dyn std::error::Error + Send + Sync + 'static>;

/// A message or a key was refused, or could not be made.
#[derive(Debug)]
pub struct JoseError {
    kind: JoseErrorKind,
    source: Source,
}

/// What the refusal means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum JoseErrorKind {
    /// It is over a bound.
    TooLarge,
    /// It is not what it should be: JSON, base64url, a member missing, doubled or unknown.
    Malformed,
    /// The algorithm or the kind of key is not spoken here, or the two do not belong together.
    Unsupported,
    /// It shows a private or symmetric key, which nobody but its owner may ever see. The key is spoilt.
    PrivateKey,
    /// The signature is not of this key over these octets.
    BadSignature,
    /// The key cannot be made, read or used: too weak, on no curve, another than the header shows.
    BadKey,
}

impl JoseError {
    pub(crate) fn new(kind: JoseErrorKind, source: impl Into<Source>) -> Self {
        Self { kind, source: source.into() }
    }

    pub(crate) fn malformed(source: impl Into<Source>) -> Self {
        Self::new(JoseErrorKind::Malformed, source)
    }

    /// What the refusal means.
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
            JoseErrorKind::PrivateKey => "a private key was shown",
            JoseErrorKind::BadSignature => "the signature is not good",
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
