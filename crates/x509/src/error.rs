//! Why a key or a chain could not be read or made.

use std::error::Error;

/// A key, a chain or an identifier that could not be read or made.
///
/// A refused CSR is a [`CsrRefusal`](crate::CsrRefusal), and a chain that is well-formed but not the expected
/// one is a [`ChainFault`](crate::ChainFault). The same call with the same input fails again, except for
/// [`X509ErrorKind::Signing`]. No secret is in it.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct X509Error {
    kind: X509ErrorKind,
    what: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// What kind of failure it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum X509ErrorKind {
    /// The bytes are not what they should be: no PEM, no DER, not this structure.
    Malformed,
    /// There is more of it than is ever read.
    TooLarge,
    /// It is well-formed, but of a kind that is not supported here, such as a key on another curve.
    Unsupported,
    /// The certificate lacks a field that is needed.
    MissingField,
    /// A key and a certificate do not belong together.
    KeyMismatch,
    /// A signature or a key could not be made. A remote signer may succeed later.
    Signing,
}

impl X509Error {
    /// The failure of a signer that is not in this process, to be returned by a
    /// [`SigningKey`](crate::SigningKey).
    ///
    /// ```
    /// use fleetcert_x509::{X509Error, X509ErrorKind};
    ///
    /// assert_eq!(X509Error::signing("the token was pulled out").kind(), X509ErrorKind::Signing);
    /// ```
    pub fn signing(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(X509ErrorKind::Signing, "the key did not sign").because(source)
    }

    pub(crate) fn new(kind: X509ErrorKind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), source: None }
    }

    pub(crate) fn malformed(what: impl Into<String>) -> Self {
        Self::new(X509ErrorKind::Malformed, what)
    }

    pub(crate) fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What kind of failure it was.
    pub fn kind(&self) -> X509ErrorKind {
        self.kind
    }
}
