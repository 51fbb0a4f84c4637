//! What can go wrong with a question.

use std::fmt;
use std::net::SocketAddr;

use fleetcert_dns_wire::{ExchangeError, ExchangeErrorKind};
use fleetcert_names::DomainName;

use crate::Rcode;

/// A question was not answered, or the answers lead nowhere.
#[derive(Debug)]
pub struct LookupError {
    kind: LookupErrorKind,
    server: SocketAddr,
    name: DomainName,
    source: Option<ExchangeError>,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LookupErrorKind {
    /// Nothing came in time.
    TimedOut,
    /// Nobody listens there, or no way leads there.
    Unreachable,
    /// What came is no answer to the question.
    BadAnswer,
    /// The server answers that it cannot or will not.
    Failed(Rcode),
    /// No zone was found that holds the name.
    NoZone,
    /// The zone's servers have no addresses.
    NoServers,
}

impl LookupError {
    pub(crate) fn new(kind: LookupErrorKind, server: SocketAddr, name: &DomainName) -> Self {
        Self { kind, server, name: name.clone(), source: None }
    }

    pub(crate) fn of_exchange(name: &DomainName, source: ExchangeError) -> Self {
        let kind = match source.kind() {
            ExchangeErrorKind::TimedOut => LookupErrorKind::TimedOut,
            ExchangeErrorKind::Unreachable => LookupErrorKind::Unreachable,
            _ => LookupErrorKind::BadAnswer,
        };
        let server = source.server();
        Self { source: Some(source), ..Self::new(kind, server, name) }
    }

    /// Why there is no answer.
    pub fn kind(&self) -> LookupErrorKind {
        self.kind
    }

    /// The server that was asked.
    pub fn server(&self) -> SocketAddr {
        self.server
    }

    /// The name that was asked for.
    pub fn name(&self) -> &DomainName {
        &self.name
    }
}

/// What the server did, as the end of a sentence that begins with its address.
impl fmt::Display for LookupErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str("does not answer in time"),
            Self::Unreachable => f.write_str("is not reachable"),
            Self::BadAnswer => f.write_str("does not answer the question"),
            Self::Failed(rcode) => write!(f, "answers {rcode}"),
            Self::NoZone => f.write_str("knows no zone that holds the name"),
            Self::NoServers => f.write_str("knows no addresses of the zone's name servers"),
        }
    }
}

impl fmt::Display for LookupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "asked for {}, {} {}", self.name, self.server, self.kind)
    }
}

impl std::error::Error for LookupError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}
