//! What can be wrong with a name or with roots.

use std::error::Error;
use std::fmt;

/// The name or the roots of a [`Tls`](crate::Tls) cannot be used.
#[derive(Debug)]
pub struct TlsSettingsError {
    kind: TlsSettingsErrorKind,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TlsSettingsErrorKind {
    /// The server's name is neither a domain name nor an address.
    ServerName,
    /// There is no certificate in the PEM.
    NoRoots,
    /// Something in the PEM is no certificate of a root.
    BadRoot,
}

impl TlsSettingsError {
    pub(super) fn new(kind: TlsSettingsErrorKind, source: Option<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind, source }
    }

    /// What is wrong.
    pub fn kind(&self) -> TlsSettingsErrorKind {
        self.kind
    }
}

impl fmt::Display for TlsSettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            TlsSettingsErrorKind::ServerName => "the server's name is neither a domain name nor an address",
            TlsSettingsErrorKind::NoRoots => "there is no certificate among the roots",
            TlsSettingsErrorKind::BadRoot => "one of the roots is no certificate of a root",
        })
    }
}

impl Error for TlsSettingsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}
