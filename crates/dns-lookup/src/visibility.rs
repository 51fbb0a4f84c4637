//! Visibility of a value at every authoritative server.

mod look;
mod options;
mod wait;

use std::net::SocketAddr;

use async_trait::async_trait;
use fleetcert_ambient::Ambient;
use fleetcert_dns::{
    BackendError, BackendErrorKind, Operation, ServerVerdict, Sighting, TxtValue, Verdict, Visibility,
};
use fleetcert_names::DomainName;
use futures_util::FutureExt;
use futures_util::future::join_all;

use crate::servers::ServerSource;
use crate::{Asker, Finder, LookupError, LookupErrorKind, Rcode, Servers, Transport};
use look::Observation;

pub use options::{Families, LookOptions, Ways};
pub use wait::{NotVisibleError, WaitOptions};

/// Asks each authoritative server of a zone whether it shows a value.
///
/// Every server is asked over every transport in the options, all at the same time, and each answer has its own verdict.
/// An answer without the AA bit is a failure: such a server answers from a cache or does not have the zone.
///
/// **Aliases.** A CA follows them, and so does this. If servers that a resolver [found](Servers::found_by) answer that
/// the name is an alias, the servers of the target's zone are found too; their verdicts replace those of the alias and
/// name the target. If the servers are [given](Servers::given), no others are asked: the same server is asked for the
/// target, and fails if it does not have it.
#[derive(Debug)]
pub struct AuthoritativeVisibility {
    source: ServerList,
    transports: Vec<Transport>,
    families: Families,
    asker: Asker,
}

#[derive(Debug)]
enum ServerList {
    Given(Vec<SocketAddr>),
    Found(Finder),
}

/// Maximum alias targets followed for one look. Servers that name more do not agree with each other.
const MAX_TARGETS: usize = 4;

impl AuthoritativeVisibility {
    /// Returns the visibility at `servers`. Sends nothing before the first look.
    pub fn new(servers: Servers, options: LookOptions, ambient: Ambient) -> Self {
        let transports = match options.ways {
            Ways::Both => vec![Transport::Udp, Transport::Tcp],
            Ways::Udp => vec![Transport::Udp],
            Ways::Tcp => vec![Transport::Tcp],
        };
        let asker = Asker::new(ambient, options.query_within);
        let source = match servers.source {
            ServerSource::Given(servers) => ServerList::Given(servers),
            ServerSource::FoundBy { resolvers, port } => {
                ServerList::Found(Finder::new(resolvers, asker.clone()).at_port(port))
            }
        };
        Self { source, transports, families: options.families, asker }
    }

    /// Returns the addresses to ask about names of `zone`, and verdicts on servers whose addresses are not known.
    async fn servers(&self, zone: &DomainName) -> Result<(Vec<SocketAddr>, Vec<ServerVerdict>), LookupError> {
        let mut unknown = Vec::new();
        let all = match &self.source {
            ServerList::Given(servers) => servers.clone(),
            ServerList::Found(finder) => {
                let servers = finder.servers(zone).await?;
                for server in servers.iter().filter(|server| server.incomplete) {
                    let why = "its addresses cannot be looked up now".to_owned();
                    unknown.push(ServerVerdict {
                        server: server.name.to_string(),
                        verdict: Verdict::Failed(why),
                    });
                }
                // Two names can have one address.
                let addresses: std::collections::BTreeSet<_> =
                    servers.iter().flat_map(|server| server.addresses.iter().copied()).collect();
                addresses.into_iter().collect()
            }
        };
        Ok((all.into_iter().filter(|server| self.families.include(server)).collect(), unknown))
    }

    /// Asks all servers of the zone for the name. If it is the target of an alias (`by_alias`), the verdicts name it.
    /// Returns the verdicts, and the targets of which servers answer that the name is an alias.
    async fn ask_all(
        &self,
        zone: &DomainName,
        name: &DomainName,
        value: &TxtValue,
        by_alias: bool,
    ) -> Result<(Vec<ServerVerdict>, Vec<DomainName>), LookupError> {
        let (servers, mut verdicts) = self.servers(zone).await?;
        let may_ask_on = matches!(self.source, ServerList::Given(_));
        let mut questions = Vec::with_capacity(servers.len() * self.transports.len());
        for server in servers {
            for transport in &self.transports {
                let look = look::at(&self.asker, server, *transport, name, value, may_ask_on);
                questions.push(look.map(move |seen| (server, *transport, seen)).boxed());
            }
        }
        let mut targets = Vec::new();
        for (server, transport, seen) in join_all(questions).await {
            let at = if by_alias { format!(" for {name}") } else { String::new() };
            let verdict = match seen {
                Observation::Verdict(verdict) => verdict,
                Observation::Alias(target) if !may_ask_on && !by_alias => {
                    targets.push(target);
                    continue;
                }
                Observation::Alias(target) => {
                    Verdict::Failed(format!("says that the name is an alias of {target}"))
                }
            };
            verdicts.push(ServerVerdict { server: format!("{server} {transport}{at}"), verdict });
        }
        targets.sort();
        targets.dedup();
        Ok((verdicts, targets))
    }

    /// Returns the verdicts of the servers of an alias's target, or one verdict on the alias itself.
    async fn follow(&self, finder: &Finder, target: &DomainName, value: &TxtValue) -> Vec<ServerVerdict> {
        let looked = async {
            let end = finder.challenge_target(target).await?;
            self.ask_all(&end.zone, &end.name, value, true).await
        };
        match looked.await {
            Ok((verdicts, _)) => verdicts,
            Err(error) => {
                let why =
                    Verdict::Failed(format!("is where the name leads, and cannot be looked at: {error}"));
                vec![ServerVerdict { server: target.to_string(), verdict: why }]
            }
        }
    }
}

#[async_trait]
impl Visibility for AuthoritativeVisibility {
    async fn look(
        &self,
        zone: &DomainName,
        name: &DomainName,
        value: &TxtValue,
    ) -> Result<Sighting, BackendError> {
        Operation::Look.check_name(zone, name)?;
        let (mut servers, targets) =
            self.ask_all(zone, name, value, false).await.map_err(|error| not_found(zone, error))?;
        if let ServerList::Found(finder) = &self.source {
            for target in targets.iter().take(MAX_TARGETS) {
                servers.extend(self.follow(finder, target, value).await);
            }
            for target in targets.iter().skip(MAX_TARGETS) {
                let why = Verdict::Failed("is one alias too many of those that the servers tell".to_owned());
                servers.push(ServerVerdict { server: target.to_string(), verdict: why });
            }
        }
        if servers.is_empty() {
            let why = "the zone has no server with an address of the families that are looked at";
            return Err(BackendError::new(BackendErrorKind::Unavailable, Operation::Look, zone, why));
        }
        Ok(Sighting { servers })
    }
}

fn not_found(zone: &DomainName, error: LookupError) -> BackendError {
    let kind = match error.kind() {
        LookupErrorKind::NoZone => BackendErrorKind::NotInZone,
        LookupErrorKind::Failed(Rcode::Refused) => BackendErrorKind::Refused,
        _ => BackendErrorKind::Unavailable,
    };
    let server = error.server().to_owned();
    BackendError::new(kind, Operation::Look, zone, error).at_server(server)
}
