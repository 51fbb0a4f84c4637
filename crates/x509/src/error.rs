//! Errors of keys, chains and identifiers.

use std::error::Error;

/// The error for a key, a chain or an identifier that could not be parsed or made.
///
/// A refused CSR is a [`CsrRefusal`](crate::CsrRefusal), and a valid chain that is not the expected one is a
/// [`ChainFault`](crate::ChainFault). The same call with the same input fails again, except for
/// [`X509ErrorKind::Signing`]. It contains no secret.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct X509Error {
    kind: X509ErrorKind,
    what: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// What failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum X509ErrorKind {
    /// The bytes are malformed: not PEM, not DER, or not this structure.
    Malformed,
    /// The input exceeds a limit.
    TooLarge,
    /// The input is valid, but of a kind that is not supported, such as a key on another curve.
    Unsupported,
    /// The certificate lacks a required field.
    MissingField,
    /// A key and a certificate do not belong together.
    KeyMismatch,
    /// A signature or a key could not be made. A remote signer may succeed later.
    Signing,
}

impl X509Error {
    /// Returns the error of a signer outside this process, for a [`SigningKey`](crate::SigningKey).
    ///
    /// ```
    /// use fleetcert_x509::{X509Error, X509ErrorKind};
    ///
    /// let error = X509Error::signing("the token was removed");
    /// assert_eq!(error.kind(), X509ErrorKind::Signing);
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

    /// Returns what failed.
    pub fn kind(&self) -> X509ErrorKind {
        self.kind
    }
}
