//! Errors of an exchange.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::CertificateError;

use super::Transport;

/// The error for an exchange without a matching reply.
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
    /// The port is closed, or there is no route to the server.
    Unreachable,
    /// The connection ended before the reply was complete.
    BrokenOff,
    /// The reply on the connection belongs to another question.
    ForeignReply,
    /// Over UDP, the only reply came from another address or port, and is not trusted.
    ForeignSource,
    /// The message is not a DNS message with at most one question.
    InvalidInput,
    /// The server's certificate is for other names than the expected one.
    ForeignCertificate,
    /// The server's certificate was not issued by a trusted root, or has expired.
    UntrustedCertificate,
    /// Client and server could not agree on TLS: the server does not speak TLS, or has no version and cipher in
    /// common.
    NoTls,
}

impl ExchangeErrorKind {
    /// Classifies a TLS failure: `ForeignCertificate`, `UntrustedCertificate` or `NoTls`.
    ///
    /// For code that speaks TLS without [`Tls`](crate::Tls), such as DNS over HTTPS.
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

/// A failure without its server.
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

    /// Returns why there is no reply.
    pub fn kind(&self) -> ExchangeErrorKind {
        self.kind
    }

    /// Returns the server.
    pub fn server(&self) -> SocketAddr {
        self.server
    }

    /// Returns the transport; TCP also below TLS.
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// Returns the name that the server's certificate must have, if TLS was used.
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

    /// Classifies a failed handshake: certificate, TLS, or the connection below.
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
                "the server's certificate is not trusted: check its dates, and trust the root that issued it"
            }
            ExchangeErrorKind::NoTls => {
                "the TLS handshake failed: check whether the port is the server's port for DNS over TLS (853)"
            }
        })?;
        // The source has the names in the certificate, or the address of the sender.
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
