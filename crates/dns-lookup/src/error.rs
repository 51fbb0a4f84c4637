//! Errors of lookups.

use std::error::Error;
use std::fmt;
use std::io;

use fleetcert_dns_wire::{ExchangeError, ExchangeErrorKind};
use fleetcert_names::DomainName;

use crate::Rcode;

type Source = Box<dyn Error + Send + Sync + 'static>;

/// A query failed, or the answers lead nowhere.
///
/// Its text names the server and what it did; after a fail-over, also the servers that failed before.
#[derive(Debug)]
pub struct LookupError {
    kind: LookupErrorKind,
    server: String,
    name: DomainName,
    path: Vec<DomainName>,
    earlier: Vec<LookupError>,
    source: Option<Source>,
}

/// The reason of a [`LookupError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LookupErrorKind {
    /// No answer came in time.
    TimedOut,
    /// Nothing listens at the address.
    Unreachable,
    /// There is no route to the address: no IPv6, or a network that is down.
    NoRoute,
    /// The response is not an answer to the query.
    BadAnswer,
    /// The server's certificate is for other names than the expected one.
    ForeignCertificate,
    /// The server's certificate does not chain to a trusted root, or is expired.
    UntrustedCertificate,
    /// The server speaks no TLS, or no version or cipher in common.
    NoTls,
    /// An HTTP status other than 200.
    HttpStatus(u16),
    /// The server answers with an error code, such as SERVFAIL or REFUSED.
    Failed(Rcode),
    /// No zone was found that holds the name.
    NoZone,
    /// The zone's servers have no addresses.
    NoServers,
    /// Aliases form a loop; [`LookupError::path`] shows it.
    AliasLoop,
    /// More than eight aliases in a row; [`LookupError::path`] shows them.
    TooManyAliases,
    /// The name is an alias of a name that fleetcert cannot write, such as one with an asterisk.
    ForeignAlias,
}

impl LookupError {
    pub(crate) fn new(kind: LookupErrorKind, server: impl fmt::Display, name: &DomainName) -> Self {
        let server = server.to_string();
        Self { kind, server, name: name.clone(), path: Vec::new(), earlier: Vec::new(), source: None }
    }

    pub(crate) fn of_exchange(name: &DomainName, source: ExchangeError) -> Self {
        let kind = match source.kind() {
            ExchangeErrorKind::Unreachable if has_no_route(&source) => LookupErrorKind::NoRoute,
            kind => kind.into(),
        };
        let way = source.tls_name().map_or(source.transport().to_string(), |name| format!("tls as {name}"));
        Self::new(kind, format_args!("{} {way}", source.server()), name).caused_by(source)
    }

    pub(crate) fn caused_by(mut self, source: impl Into<Source>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Adds the servers at which the same query failed before.
    pub(crate) fn after(mut self, earlier: Vec<LookupError>) -> Self {
        self.earlier = earlier;
        self
    }

    pub(crate) fn on_path(mut self, path: Vec<DomainName>) -> Self {
        self.path = path;
        self
    }

    /// The reason of a [`LookupError`].
    pub fn kind(&self) -> LookupErrorKind {
        self.kind
    }

    /// Returns the server and the transport, as text for people.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Returns the name of the query.
    pub fn name(&self) -> &DomainName {
        &self.name
    }

    /// Returns the names that were followed, the first one first; empty if no alias was followed.
    pub fn path(&self) -> &[DomainName] {
        &self.path
    }

    /// Returns the errors of the resolvers that were asked before.
    pub fn earlier(&self) -> &[LookupError] {
        &self.earlier
    }
}

impl From<ExchangeErrorKind> for LookupErrorKind {
    fn from(kind: ExchangeErrorKind) -> Self {
        match kind {
            ExchangeErrorKind::TimedOut => Self::TimedOut,
            ExchangeErrorKind::Unreachable => Self::Unreachable,
            ExchangeErrorKind::ForeignCertificate => Self::ForeignCertificate,
            ExchangeErrorKind::UntrustedCertificate => Self::UntrustedCertificate,
            ExchangeErrorKind::NoTls => Self::NoTls,
            _ => Self::BadAnswer,
        }
    }
}

fn has_no_route(error: &ExchangeError) -> bool {
    use io::ErrorKind::{AddrNotAvailable, HostUnreachable, NetworkUnreachable};
    let kind = error.source().and_then(|source| source.downcast_ref()).map(io::Error::kind);
    matches!(kind, Some(AddrNotAvailable | HostUnreachable | NetworkUnreachable))
}

/// Describes what the server did, as the end of a sentence that begins with its address.
impl fmt::Display for LookupErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str("does not answer in time"),
            Self::Unreachable => f.write_str("is not reachable: nobody listens there"),
            Self::NoRoute => f.write_str("is not reachable: no way leads there from here"),
            Self::BadAnswer => f.write_str("does not answer the question"),
            Self::ForeignCertificate => f.write_str("has a certificate for another name"),
            Self::UntrustedCertificate => f.write_str("has a certificate that is not trusted"),
            Self::NoTls => f.write_str("does not speak TLS there, or no version that we speak"),
            Self::HttpStatus(status) => write!(f, "answers with the HTTP status {status}"),
            Self::Failed(rcode) => write!(f, "answers {rcode}"),
            Self::NoZone => f.write_str("knows no zone that holds the name"),
            Self::NoServers => f.write_str("knows no addresses of the zone's name servers"),
            Self::AliasLoop => f.write_str("knows aliases that go in a circle"),
            Self::TooManyAliases => f.write_str("knows more aliases in a row than a resolver follows"),
            Self::ForeignAlias => {
                f.write_str("says that it is an alias of a name that cannot be written here")
            }
        }
    }
}

impl fmt::Display for LookupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "asked for {}, {} {}", self.name, self.server, self.kind)?;
        for (index, name) in self.path.iter().enumerate() {
            f.write_str(if index == 0 { ": " } else { " → " })?;
            write!(f, "{name}")?;
        }
        for error in &self.earlier {
            write!(f, "; before that, {} {}", error.server, error.kind)?;
        }
        Ok(())
    }
}

impl Error for LookupError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
