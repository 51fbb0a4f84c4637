//! Errors of TLS settings.

use std::error::Error;
use std::fmt;

/// The error for an invalid name or invalid roots of a [`Tls`](crate::Tls).
#[derive(Debug)]
pub struct TlsSettingsError {
    kind: TlsSettingsErrorKind,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// What is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TlsSettingsErrorKind {
    /// The server's name is neither a domain name nor an address.
    ServerName,
    /// The PEM contains no certificate.
    NoRoots,
    /// The PEM contains something that is not a root certificate.
    BadRoot,
}

impl TlsSettingsError {
    pub(super) fn new(kind: TlsSettingsErrorKind, source: Option<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind, source }
    }

    /// Returns what is invalid.
    pub fn kind(&self) -> TlsSettingsErrorKind {
        self.kind
    }
}

impl fmt::Display for TlsSettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            TlsSettingsErrorKind::ServerName => "the server's name is neither a domain name nor an address",
            TlsSettingsErrorKind::NoRoots => "there is no certificate among the roots",
            TlsSettingsErrorKind::BadRoot => "one of the roots is not a root certificate",
        })
    }
}

impl Error for TlsSettingsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}
