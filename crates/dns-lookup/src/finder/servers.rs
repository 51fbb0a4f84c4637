//! The servers of a zone.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use fleetcert_names::DomainName;
use futures_util::future::join_all;

use super::Finder;
use crate::{Answer, LookupError, LookupErrorKind, QueryType, Servers};

/// A name server of a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneServer {
    /// Name, as in the NS record.
    pub name: DomainName,
    /// Addresses, IPv4 first; empty if it has none.
    pub addresses: Vec<SocketAddr>,
    /// Whether the lookup of one address family failed, so that there may be more addresses.
    pub incomplete: bool,
}

/// Maximum name servers of a zone that are looked up.
const MAX_NAMES: usize = 16;

impl Finder {
    /// Finds the name servers of the zone that holds `name`, with their addresses: at most 16 servers and [`Servers::MAX`]
    /// addresses.
    ///
    /// **Cancellation.** Nothing is changed; dropping it is safe.
    ///
    /// # Errors
    /// [`NoServers`](LookupErrorKind::NoServers) if none of them has an address; those of
    /// [`zone_cut`](Self::zone_cut).
    pub async fn servers(&self, name: &DomainName) -> Result<Arc<[ZoneServer]>, LookupError> {
        let zone = self.zone_cut(name).await?;
        if let Some(servers) = self.found.servers.get(&zone, self.asker.now()) {
            return Ok(servers);
        }
        let answer = self.ask(&zone, QueryType::Ns).await?;
        let mut ttl = shortest_ttl(&answer).unwrap_or_default();
        let names = answer.name_servers(&zone);
        let found = join_all(names.iter().take(MAX_NAMES).map(|name| self.addresses(name))).await;
        let mut servers = Vec::new();
        let mut left = Servers::MAX;
        let mut failure = None;
        for (name, (addresses, shortest, error)) in names.into_iter().zip(found) {
            let addresses: Vec<_> =
                addresses.into_iter().take(left).map(|address| SocketAddr::new(address, self.port)).collect();
            left -= addresses.len();
            ttl = ttl.min(shortest);
            servers.push(ZoneServer { name, addresses, incomplete: error.is_some() });
            failure = failure.or(error);
        }
        if left == Servers::MAX {
            let none = || LookupError::new(LookupErrorKind::NoServers, &self.resolvers, &zone);
            return Err(failure.unwrap_or_else(none));
        }
        // A server whose lookup failed is looked up again soon.
        let ttl = if failure.is_some() { 0 } else { ttl };
        let servers: Arc<[ZoneServer]> = servers.into();
        self.found.servers.put(&zone, servers.clone(), self.asker.now(), ttl);
        Ok(servers)
    }

    /// Returns the addresses of one name, their time to live in seconds, and the error of one family.
    async fn addresses(&self, name: &DomainName) -> (BTreeSet<IpAddr>, u32, Option<LookupError>) {
        let answers = join_all([QueryType::A, QueryType::Aaaa].map(|family| self.ask(name, family))).await;
        let mut addresses = BTreeSet::new();
        let mut ttl = u32::MAX;
        let mut failure = None;
        for answer in answers {
            match answer {
                Ok(answer) => {
                    addresses.extend(answer.addresses(name));
                    ttl = ttl.min(shortest_ttl(&answer).unwrap_or(u32::MAX));
                }
                Err(error) => failure = Some(error),
            }
        }
        (addresses, ttl, failure)
    }
}

fn shortest_ttl(answer: &Answer) -> Option<u32> {
    answer.records.iter().map(|record| record.ttl).min()
}
