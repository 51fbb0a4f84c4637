//! The finder of zones and their servers, through resolvers.

mod caa;
mod servers;
mod target;
mod zone_cut;

use std::sync::Arc;

use fleetcert_names::DomainName;

use crate::memory::Memory;
use crate::{Answer, Asker, LookupError, QueryType, Resolvers};

pub use caa::CaaSet;
pub use servers::ZoneServer;
pub use target::ChallengeTarget;

/// Asks recursive resolvers which zone a name is in, which servers a zone has, where a challenge goes, and which CAs may
/// issue. Caches zones and servers for their time to live, at most ten minutes and 1,024 names. Clones share the cache.
///
/// ```no_run
/// use fleetcert_ambient::Ambient;
/// use fleetcert_dns_lookup::{Asker, Finder, Resolver, Resolvers};
/// use std::{sync::Arc, time::Duration};
/// # async fn find() -> Result<(), Box<dyn std::error::Error>> {
///
/// let resolvers = ["192.0.2.53:53".parse()?, "[2001:db8::53]:53".parse()?];
/// let resolvers = resolvers.map(Resolver::plain);
/// let asker = Asker::new(Ambient::system(), Duration::from_secs(3));
/// let finder = Finder::new(Resolvers::new(resolvers.into())?, asker);
/// let name = "_acme-challenge.www.example.com".parse()?;
/// let target = finder.challenge_target(&name).await?;
/// println!("the TXT record goes to {} in the zone {}", target.name, target.zone);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Finder {
    asker: Asker,
    resolvers: Resolvers,
    port: u16,
    found: Arc<Found>,
}

#[derive(Debug, Default)]
struct Found {
    /// Whether the name is the apex of a zone.
    cuts: Memory<bool>,
    servers: Memory<Arc<[ZoneServer]>>,
}

impl Finder {
    /// Returns a finder that asks these resolvers. Sends nothing before the first call.
    pub fn new(resolvers: impl Into<Resolvers>, asker: Asker) -> Self {
        Self { asker, resolvers: resolvers.into(), port: 53, found: Arc::default() }
    }

    /// Sets the port of the servers that are found. Default: 53. For test networks.
    #[must_use]
    pub fn at_port(self, port: u16) -> Self {
        Self { port, found: Arc::default(), ..self }
    }

    async fn ask(&self, name: &DomainName, query_type: QueryType) -> Result<Answer, LookupError> {
        self.asker.resolve(&self.resolvers, name, query_type).await
    }
}
