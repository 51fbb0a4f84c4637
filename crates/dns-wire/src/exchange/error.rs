//! Why there is no reply.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::CertificateError;

use super::Transport;

/// No reply came, or none that fits.
#[derive(Clone, Debug)]
pub struct ExchangeError {
    kind: ExchangeErrorKind,
    server: SocketAddr,
    transport: Transport,
    tls_name: Option<Arc<str>>,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

/// Why there is no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ExchangeErrorKind {
    /// The deadline has passed.
    TimedOut,
    /// Nobody listens there, or no way leads there.
    Unreachable,
    /// The connection ended before the reply was whole.
    BrokenOff,
    /// The reply on our connection belongs to another question.
    ForeignReply,
    /// By UDP, nothing came from the server, and a reply came from another address or port. It is not believed.
    ForeignSource,
    /// What should be sent is no message with at most one question.
    InvalidInput,
    /// The server's certificate is for other names than the one that was asked for.
    ForeignCertificate,
    /// The server's certificate does not lead to a root that is trusted here, or its time is over.
    UntrustedCertificate,
    /// Client and server could not agree on TLS: no TLS there, or no version and cipher in common.
    NoTls,
}

impl ExchangeErrorKind {
    /// What it means that TLS failed like this: `ForeignCertificate`, `UntrustedCertificate` or `NoTls`.
    ///
    /// For who speaks TLS by other means than [`Tls`](crate::Tls), as over HTTPS.
    pub fn of_tls(error: &rustls::Error) -> Self {
        match error {
            rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            ) => Self::ForeignCertificate,
            rustls::Error::InvalidCertificate(_) => Self::UntrustedCertificate,
            _ => Self::NoTls,
        }
    }
}

/// A failure that does not know its server yet.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    kind: ExchangeErrorKind,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl ExchangeError {
    pub(crate) fn new(
        server: SocketAddr,
        transport: Transport,
        tls_name: Option<&str>,
        failure: Failure,
    ) -> Self {
        Self {
            kind: failure.kind,
            server,
            transport,
            tls_name: tls_name.map(Arc::from),
            source: failure.source,
        }
    }

    /// Why there is no reply.
    pub fn kind(&self) -> ExchangeErrorKind {
        self.kind
    }

    /// The server that was asked.
    pub fn server(&self) -> SocketAddr {
        self.server
    }

    /// The way it was asked; TCP also where TLS runs on it.
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// The name that the server's certificate must have, where it was asked over TLS.
    pub fn tls_name(&self) -> Option<&str> {
        self.tls_name.as_deref()
    }
}

impl Failure {
    pub(super) fn kind(&self) -> ExchangeErrorKind {
        self.kind
    }

    pub(crate) fn unreachable(source: io::Error) -> Self {
        Self { kind: ExchangeErrorKind::Unreachable, source: Some(Arc::new(source)) }
    }

    pub(crate) fn broken_off(source: io::Error) -> Self {
        Self { kind: ExchangeErrorKind::BrokenOff, source: Some(Arc::new(source)) }
    }

    pub(super) fn foreign_source(from: SocketAddr) -> Self {
        Self {
            kind: ExchangeErrorKind::ForeignSource,
            source: Some(Arc::new(io::Error::other(from.to_string()))),
        }
    }

    /// What a handshake ended with: by the certificate, by TLS, or by the connection below.
    pub(crate) fn of_handshake(source: io::Error) -> Self {
        let tls = source.get_ref().and_then(|inner| inner.downcast_ref());
        let kind = tls.map_or(ExchangeErrorKind::BrokenOff, ExchangeErrorKind::of_tls);
        Self { kind, source: Some(Arc::new(source)) }
    }
}

impl From<ExchangeErrorKind> for Failure {
    fn from(kind: ExchangeErrorKind) -> Self {
        Self { kind, source: None }
    }
}

impl fmt::Display for ExchangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.tls_name {
            Some(name) => write!(f, "{} tls as {name}: ", self.server)?,
            None => write!(f, "{} {}: ", self.server, self.transport)?,
        }
        f.write_str(match self.kind {
            ExchangeErrorKind::TimedOut => "no answer in time",
            ExchangeErrorKind::Unreachable => "not reachable",
            ExchangeErrorKind::BrokenOff => "the connection ended before the answer",
            ExchangeErrorKind::ForeignReply => "the answer belongs to another question",
            ExchangeErrorKind::ForeignSource => {
                "answers came from another address, and none from here: ask the server at the address that it answers \
                 from, or by TCP"
            }
            ExchangeErrorKind::InvalidInput => "the message cannot be sent",
            ExchangeErrorKind::ForeignCertificate => {
                "the server's certificate is for another name: ask for a name that it has, or give the server a \
                 certificate for this one"
            }
            ExchangeErrorKind::UntrustedCertificate => {
                "the server's certificate is not trusted: look at its dates, and trust the root that it comes from"
            }
            ExchangeErrorKind::NoTls => {
                "no TLS could be agreed on: look whether the port is the server's for DNS over TLS (853)"
            }
        })?;
        // What a certificate has, and who answers, is the half of the story that the kind does not know.
        match (self.kind, &self.source) {
            (
                ExchangeErrorKind::ForeignSource
                | ExchangeErrorKind::ForeignCertificate
                | ExchangeErrorKind::UntrustedCertificate
                | ExchangeErrorKind::NoTls,
                Some(source),
            ) => write!(f, " ({source})"),
            _ => Ok(()),
        }
    }
}

impl Error for ExchangeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}
