//! Queries to all servers at once.

use std::net::SocketAddr;

use fleetcert_names::DomainName;
use futures_util::FutureExt;
use futures_util::future::join_all;

use crate::{Answer, Asker, LookupError, LookupErrorKind, QueryType, Recursion, Soa, Transport};

/// The answer of one server over one transport.
#[derive(Debug)]
pub(super) struct Probe {
    pub(super) server: SocketAddr,
    pub(super) transport: Transport,
    pub(super) answer: Result<Answer, LookupError>,
}

/// Asks every server for the zone's SOA record, over both transports.
pub(super) async fn soa(asker: &Asker, zone: &DomainName, servers: &[SocketAddr]) -> Vec<Probe> {
    let ways = servers.iter().flat_map(|server| [(*server, Transport::Udp), (*server, Transport::Tcp)]);
    all(asker, zone, QueryType::Soa, ways).await
}

/// Sends this query to these servers over these transports, all at once.
pub(super) async fn all(
    asker: &Asker,
    name: &DomainName,
    query_type: QueryType,
    ways: impl IntoIterator<Item = (SocketAddr, Transport)>,
) -> Vec<Probe> {
    let ask = |(server, transport)| {
        let asked = asker.ask(server, name, query_type, transport, Recursion::NotDesired);
        asked.map(move |answer| Probe { server, transport, answer }).boxed()
    };
    join_all(ways.into_iter().map(ask)).await
}

/// Returns the servers that answer for the zone, each once, with a transport that works.
pub(super) fn working(probes: &[Probe], zone: &DomainName) -> Vec<(SocketAddr, Transport)> {
    let mut working: Vec<(SocketAddr, Transport)> = Vec::new();
    for probe in probes.iter().filter(|probe| probe.soa(zone).is_some()) {
        if working.iter().all(|(server, _)| *server != probe.server) {
            working.push((probe.server, probe.transport));
        }
    }
    working
}

impl Probe {
    /// Returns the server and the transport, for the table.
    pub(super) fn at(&self) -> String {
        format!("{} {}", self.server, self.transport)
    }

    /// Returns the zone's SOA record if the answer is authoritative.
    pub(super) fn soa(&self, zone: &DomainName) -> Option<&Soa> {
        self.answer.as_ref().ok().filter(|answer| answer.authoritative)?.soa(zone)
    }

    pub(super) fn has_no_route(&self) -> bool {
        self.answer.as_ref().is_err_and(|error| error.kind() == LookupErrorKind::NoRoute)
    }
}
