//! Finding a zone's servers through a resolver, and remembering them.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use fleetcert_names::DomainName;
use futures_util::future::join_all;

use crate::answer::AnswerData;
use crate::{
    Answer, Asker, LookupError, LookupErrorKind, QueryType, Recursion, Servers, Transport, zone_cut,
};

/// The servers that were found, for as long as their records say, within bounds.
#[derive(Debug, Default)]
pub(crate) struct Found {
    zones: Mutex<HashMap<DomainName, Entry>>,
}

#[derive(Clone, Debug)]
struct Entry {
    servers: Vec<SocketAddr>,
    until: SystemTime,
}

/// A zone that moves to other servers is seen there after ten minutes at the latest.
const LONGEST: Duration = Duration::from_secs(600);
/// A time to live of nothing must not mean a walk for every look.
const SHORTEST: Duration = Duration::from_secs(5);
const MAX_ZONES: usize = 256;
/// How many of a zone's name servers are resolved.
const MAX_NAMES: usize = 16;

impl Found {
    /// The servers of the zone that holds `zone`, remembered or found through the resolver.
    pub(crate) async fn servers(
        &self,
        asker: &Asker,
        zone: &DomainName,
        resolver: SocketAddr,
        port: u16,
    ) -> Result<Vec<SocketAddr>, LookupError> {
        let now = asker.now();
        if let Some(entry) = self.lock().get(zone).filter(|entry| entry.until > now) {
            return Ok(entry.servers.clone());
        }
        let (servers, ttl) = find(asker, zone, resolver, port).await?;
        let until = asker.now() + Duration::from_secs(ttl.into()).clamp(SHORTEST, LONGEST);
        let mut zones = self.lock();
        if zones.len() >= MAX_ZONES {
            zones.retain(|_, entry| entry.until > now);
        }
        if zones.len() < MAX_ZONES {
            zones.insert(zone.clone(), Entry { servers: servers.clone(), until });
        }
        Ok(servers)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<DomainName, Entry>> {
        // Nothing panics while the lock is held, so a poisoned lock still guards a sound state.
        self.zones.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The addresses of the zone's servers, and for how many seconds that holds.
async fn find(
    asker: &Asker,
    zone: &DomainName,
    resolver: SocketAddr,
    port: u16,
) -> Result<(Vec<SocketAddr>, u32), LookupError> {
    let cut = zone_cut(asker, zone, resolver).await?;
    let answer = ask(asker, resolver, &cut, QueryType::Ns).await?;
    let mut ttl = u32::MAX;
    let mut names = BTreeSet::new();
    for record in &answer.records {
        if let (true, AnswerData::Ns(server)) = (record.name == cut, &record.data) {
            ttl = ttl.min(record.ttl);
            names.insert(server.clone());
        }
    }
    let questions =
        names.iter().take(MAX_NAMES).flat_map(|name| [(name, QueryType::A), (name, QueryType::Aaaa)]);
    let answers = join_all(questions.map(|(name, kind)| async move {
        ask(asker, resolver, name, kind).await.map(|answer| (name, answer))
    }))
    .await;
    let mut servers = BTreeSet::new();
    let mut last_error = None;
    for answer in answers {
        match answer {
            Ok((name, answer)) => {
                ttl = answer.records.iter().map(|record| record.ttl).fold(ttl, u32::min);
                servers
                    .extend(answer.addresses(name).into_iter().map(|address| SocketAddr::new(address, port)));
            }
            Err(error) => last_error = Some(error),
        }
    }
    if servers.is_empty() {
        let none = || LookupError::new(LookupErrorKind::NoServers, resolver, &cut);
        return Err(last_error.unwrap_or_else(none));
    }
    // A server whose address cannot be found now would go unseen, so it is looked for again soon.
    let ttl = if last_error.is_some() { 0 } else { ttl };
    Ok((servers.into_iter().take(Servers::MAX).collect(), ttl))
}

async fn ask(
    asker: &Asker,
    resolver: SocketAddr,
    name: &DomainName,
    kind: QueryType,
) -> Result<Answer, LookupError> {
    let answer = asker.ask(resolver, name, kind, Transport::Tcp, Recursion::Desired).await?;
    if answer.rcode.is_answer() {
        return Ok(answer);
    }
    Err(LookupError::new(LookupErrorKind::Failed(answer.rcode), resolver, name))
}
