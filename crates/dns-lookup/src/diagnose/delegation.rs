//! Check of the delegation: whether the parent zone names the servers that the zone names.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use fleetcert_names::DomainName;

use super::ask::{self, Probe};
use super::diagnosis::worst;
use super::{Check, Finding, Seen, Status};
use crate::{Asker, Finder, LookupError, LookupErrorKind, QueryType, Transport, ZoneServer};

/// Maximum addresses of the parent's servers that are asked.
const MAX_PARENTS: usize = 8;
const CHECK: Check = Check::Delegation;

/// Returns the addresses of the zone's servers, and the finding on its delegation.
pub(super) async fn look(finder: &Finder, asker: &Asker, zone: &DomainName) -> (Vec<SocketAddr>, Finding) {
    match finder.zone_cut(zone).await {
        Ok(cut) if cut == *zone => {}
        Ok(cut) => return (Vec::new(), no_zone(zone, &cut)),
        Err(error) => return (Vec::new(), not_found(zone, &error)),
    }
    let servers = match finder.servers(zone).await {
        Ok(servers) => servers,
        Err(error) => return (Vec::new(), not_found(zone, &error)),
    };
    // Addresses in the glue are asked too: CAs ask a server that only the parent names.
    let mut addresses: BTreeSet<_> =
        servers.iter().flat_map(|server| server.addresses.iter().copied()).collect();
    let finding = match parents(finder, zone).await {
        Err(why) => Finding::not_run(CHECK, why),
        Ok(parents) => {
            let probes = asked(asker, zone, &parents).await;
            let port = addresses.first().map_or(53, SocketAddr::port);
            let glue = Glue::of(&probes, zone);
            addresses.extend(glue.all().map(|address| SocketAddr::new(address, port)));
            compared(zone, &servers, &probes, &glue)
        }
    };
    (addresses.into_iter().take(crate::Servers::MAX).collect(), finding)
}

fn no_zone(zone: &DomainName, cut: &DomainName) -> Finding {
    let summary = format!("{zone} is not a zone of its own: it lies in the zone {cut}");
    Finding::new(CHECK, Status::Problem, summary).remedy(format!(
        "look at {cut} instead; or have NS records for {zone} put into {cut}, and wait until it is out"
    ))
}

fn not_found(zone: &DomainName, error: &LookupError) -> Finding {
    let remedy = match error.kind() {
        LookupErrorKind::NoZone => format!("compare the name; {zone} and all above it are in no zone that the resolver knows"),
        LookupErrorKind::NoServers => "add A or AAAA records for the names in the zone's NS records".to_owned(),
        LookupErrorKind::Failed(_) => {
            "the resolver finds no server that answers for the zone, or does not trust its signatures (DNSSEC): see that \
             the servers run, and ask one of them directly"
                .to_owned()
        }
        _ => "name another resolver".to_owned(),
    };
    Finding::new(CHECK, Status::Problem, format!("the zone's servers cannot be found: {error}"))
        .remedy(remedy)
}

/// Returns addresses of the servers of the parent zone.
async fn parents(finder: &Finder, zone: &DomainName) -> Result<Vec<SocketAddr>, String> {
    let Some(above) = zone.parent() else {
        return Err("a top-level domain is delegated by the root, which is not asked".to_owned());
    };
    let servers = finder
        .servers(&above)
        .await
        .map_err(|error| format!("the parent's servers are not found: {error}"))?;
    // One address of each server comes before the second of any.
    let mut addresses = Vec::new();
    for round in 0..MAX_PARENTS {
        addresses.extend(servers.iter().filter_map(|server| server.addresses.get(round)));
    }
    Ok(addresses.into_iter().copied().take(MAX_PARENTS).collect())
}

async fn asked(asker: &Asker, zone: &DomainName, parents: &[SocketAddr]) -> Vec<Probe> {
    let by = |transport| parents.iter().map(move |server| (*server, transport));
    let mut probes = ask::all(asker, zone, QueryType::Ns, by(Transport::Udp)).await;
    let cut = |probe: &Probe| probe.answer.as_ref().map_or(true, |answer| answer.truncated);
    let again: Vec<_> = probes.iter().filter(|probe| cut(probe)).map(|probe| probe.server).collect();
    probes.retain(|probe| !cut(probe));
    probes.extend(
        ask::all(asker, zone, QueryType::Ns, again.into_iter().map(|server| (server, Transport::Tcp))).await,
    );
    probes
}

/// The addresses that parents give for servers whose names are in the zone itself.
struct Glue(BTreeMap<DomainName, BTreeSet<IpAddr>>);

impl Glue {
    fn of(probes: &[Probe], zone: &DomainName) -> Self {
        let mut glue: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for answer in probes.iter().filter_map(|probe| probe.answer.as_ref().ok()) {
            for server in answer.name_servers(zone).into_iter().filter(|server| server.is_within(zone)) {
                let addresses = answer.glue(&server);
                glue.entry(server).or_default().extend(addresses);
            }
        }
        Self(glue)
    }

    fn all(&self) -> impl Iterator<Item = IpAddr> {
        self.0.values().flatten().copied()
    }
}

fn compared(zone: &DomainName, servers: &[ZoneServer], probes: &[Probe], glue: &Glue) -> Finding {
    let child: BTreeSet<_> = servers.iter().map(|server| server.name.clone()).collect();
    let mut seen: Vec<_> = probes.iter().map(|probe| parent_line(probe, zone, &child)).collect();
    seen.extend(servers.iter().map(|server| server_line(server, zone, glue)));
    let names: Vec<_> = child.iter().map(ToString::to_string).collect();
    let names = names.join(", ");
    let status = worst(&seen);
    let finding = match status {
        Status::Ok if child.len() == 1 => {
            let summary = format!("parent and zone agree, and the zone has one name server: {names}");
            Finding::new(CHECK, Status::Warning, summary)
                .remedy("add a second name server on another network (RFC 2182): without the one, nothing is issued")
        }
        Status::Ok => Finding::new(CHECK, Status::Ok, format!("parent and zone agree on {names}")),
        Status::NotRun => Finding::new(CHECK, status, format!("the zone names {names}; no parent could be asked")),
        Status::Warning | Status::Problem => {
            Finding::new(CHECK, status, format!("parent and zone do not agree; the zone names {names}")).remedy(format!(
                "make the NS records and addresses in the parent the same as those in {zone}, at the registrar or in the \
                 parent zone"
            ))
        }
    };
    finding.with_seen(seen)
}

/// Compares the answer of one server of the parent.
fn parent_line(probe: &Probe, zone: &DomainName, child: &BTreeSet<DomainName>) -> Seen {
    let at = format!("parent {}", probe.at());
    let answer = match &probe.answer {
        Ok(answer) if answer.rcode.is_answer() => answer,
        Ok(answer) => return Seen::new(at, Status::Warning, format!("answers {}", answer.rcode)),
        Err(error) if error.kind() == LookupErrorKind::NoRoute => {
            return Seen::new(at, Status::NotRun, error.kind().to_string());
        }
        Err(error) => return Seen::new(at, Status::Warning, error.kind().to_string()),
    };
    let named: BTreeSet<_> = answer.name_servers(zone).into_iter().collect();
    if named.is_empty() {
        return Seen::new(at, Status::Problem, "does not delegate the zone");
    }
    let list =
        |names: Vec<&DomainName>| names.into_iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let (lacking, extra) =
        (list(child.difference(&named).collect()), list(named.difference(child).collect()));
    match (lacking.is_empty(), extra.is_empty()) {
        (true, true) => Seen::new(at, Status::Ok, format!("delegates to {}", list(named.iter().collect()))),
        (false, true) => Seen::new(at, Status::Warning, format!("lacks {lacking}")),
        (true, false) => Seen::new(at, Status::Problem, format!("names {extra}, which the zone does not")),
        (false, false) => Seen::new(
            at,
            Status::Problem,
            format!("names {extra}, which the zone does not, and lacks {lacking}"),
        ),
    }
}

/// Compares the addresses of one name server in the zone and in the parent.
fn server_line(server: &ZoneServer, zone: &DomainName, glue: &Glue) -> Seen {
    let own: BTreeSet<_> = server.addresses.iter().map(SocketAddr::ip).collect();
    let list = |addresses: &BTreeSet<IpAddr>| {
        addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    };
    let parent = glue.0.get(&server.name).filter(|_| server.name.is_within(zone));
    let (status, said) = match parent {
        _ if server.incomplete => (Status::Warning, "its addresses cannot be looked up now".to_owned()),
        _ if own.is_empty() => (Status::Problem, "has no address, or is an alias".to_owned()),
        Some(parent) if parent.is_empty() => {
            (Status::Problem, format!("{}; the parent has no address for it (glue)", list(&own)))
        }
        Some(parent) if *parent != own => {
            (Status::Problem, format!("{}; the parent has {} (glue)", list(&own), list(parent)))
        }
        _ => (Status::Ok, list(&own)),
    };
    Seen::new(server.name.as_str(), status, said)
}
