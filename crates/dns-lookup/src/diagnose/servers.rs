//! Checks of the servers: whether each answers, and has the zone.

use std::net::IpAddr;

use fleetcert_names::DomainName;

use super::ask::Probe;
use super::diagnosis::worst;
use super::{Check, Finding, Seen, Status};
use crate::{LookupErrorKind, Transport};

const NO_SERVER: &str = "no server of the zone is known";
pub(super) const NO_SOA: &str = "no server answers for the zone";
/// Maximum negative time to live without harm, in seconds: Let's Encrypt's resolvers cap it at this.
const MAX_NEGATIVE_TTL: u32 = 60;

/// `found`: a resolver found the addresses, so that CAs should find the same.
pub(super) fn reachability(probes: &[Probe], found: bool) -> Finding {
    if probes.is_empty() {
        return Finding::not_run(Check::Reachability, NO_SERVER);
    }
    let is_hidden = |probe: &Probe| found && is_internal(probe.server.ip());
    let seen: Vec<_> = probes.iter().map(|probe| reached(probe, is_hidden(probe))).collect();
    let status = worst(&seen);
    let hidden = probes.iter().any(is_hidden);
    let failing = seen.iter().filter(|seen| matches!(seen.status, Status::Problem | Status::Warning)).count();
    let summary = match (status, failing) {
        (Status::Problem, _) => format!("{failing} of {} ways to the servers do not do", seen.len()),
        (Status::Warning, _) => "every server answers, not all as they should".to_owned(),
        (Status::NotRun, _) => "the servers answer where a way leads to them from here".to_owned(),
        (Status::Ok, _) => "every server answers over UDP and TCP".to_owned(),
    };
    let finding = Finding::new(Check::Reachability, status, summary).with_seen(seen);
    let split = "this network has its own view of the zone (split horizon): ask a resolver outside of it, or give the \
                 servers that CAs ask";
    match (status, remedy(probes)) {
        (Status::Ok, _) | (_, None) => finding,
        _ if hidden => finding.remedy(split),
        (_, Some(remedy)) => finding.remedy(remedy),
    }
}

/// Returns whether an address is private to this network (RFC 1918, RFC 6598, RFC 4193).
fn is_internal(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_private() || v4.is_link_local() || matches!(v4.octets(), [100, 64..=127, ..]),
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

fn reached(probe: &Probe, hidden: bool) -> Seen {
    let (status, mut said) = match &probe.answer {
        Ok(answer) if !answer.edns && probe.transport == Transport::Udp && answer.rcode.is_answer() => {
            (Status::Warning, "answers, without EDNS (RFC 6891)".to_owned())
        }
        Ok(_) => (Status::Ok, "answers".to_owned()),
        Err(error) if error.kind() == LookupErrorKind::NoRoute => (Status::NotRun, error.kind().to_string()),
        Err(error) => (Status::Problem, error.kind().to_string()),
    };
    if hidden {
        said += ", at an address that CAs cannot reach";
    }
    Seen::new(probe.at(), if hidden { status.max(Status::Warning) } else { status }, said)
}

fn remedy(probes: &[Probe]) -> Option<String> {
    let silent = |probe: &&Probe| probe.answer.as_ref().is_err_and(|e| e.kind() == LookupErrorKind::TimedOut);
    let failed = |transport| {
        probes
            .iter()
            .any(|probe| probe.transport == transport && probe.answer.is_err() && !probe.has_no_route())
    };
    let port = probes.first()?.server.port();
    if probes.iter().all(|probe| silent(&probe)) {
        return Some(format!(
            "if the servers answer elsewhere, this network blocks port {port}: try from another one, or ask a resolver \
             over TLS or HTTPS; else see that they run and that their firewall lets questions in from everywhere"
        ));
    }
    let remedy = match (failed(Transport::Udp), failed(Transport::Tcp)) {
        (true, false) => format!("let UDP to port {port} in at these servers' firewalls, from everywhere"),
        (false, true) => format!(
            "let TCP to port {port} in at these servers' firewalls, from everywhere: a CA asks by TCP where an answer \
             is long"
        ),
        (true, true) => {
            "start these servers, let port 53 in from everywhere, or take them out of the delegation"
                .to_owned()
        }
        (false, false) if probes.iter().any(Probe::has_no_route) => {
            "run this from a network with both IPv4 and IPv6, since CAs ask over both".to_owned()
        }
        (false, false) => "have the servers speak EDNS, or keep answers below 512 octets".to_owned(),
    };
    Some(remedy)
}

pub(super) fn authority(probes: &[Probe], zone: &DomainName) -> Finding {
    let seen: Vec<_> = probes.iter().filter_map(|probe| has_zone(probe, zone)).collect();
    if seen.is_empty() {
        return Finding::not_run(Check::Authority, "no server answers");
    }
    let lame = seen.iter().filter(|seen| seen.status == Status::Problem).count();
    if lame == 0 {
        return Finding::new(Check::Authority, Status::Ok, "every server that answers has the zone");
    }
    Finding::new(Check::Authority, Status::Problem, "servers answer that do not have the zone (lame servers)")
        .with_seen(seen)
        .remedy(
            "set the zone up at these servers, or take them out of the zone's NS records and the delegation",
        )
}

fn has_zone(probe: &Probe, zone: &DomainName) -> Option<Seen> {
    let answer = probe.answer.as_ref().ok()?;
    let (status, said) = match answer.soa(zone) {
        _ if !answer.rcode.is_answer() => (Status::Problem, format!("answers {}", answer.rcode)),
        _ if !answer.authoritative => (Status::Problem, "answers without authority".to_owned()),
        None => (Status::Problem, "has no SOA record at the name".to_owned()),
        Some(_) => (Status::Ok, "has the zone".to_owned()),
    };
    Some(Seen::new(probe.at(), status, said))
}

pub(super) fn negative_ttl(probes: &[Probe], zone: &DomainName) -> Finding {
    let ttl_of = |probe: &Probe| {
        let minimum = probe.soa(zone)?.minimum;
        let answer = probe.answer.as_ref().ok()?;
        let ttl = answer.records.iter().find(|record| record.name == *zone).map(|record| record.ttl)?;
        Some(ttl.min(minimum))
    };
    let Some(longest) = probes.iter().filter_map(ttl_of).max() else {
        return Finding::not_run(Check::NegativeTtl, NO_SOA);
    };
    let summary = format!("resolvers remember for {longest} seconds that a name or type is not there");
    if longest <= MAX_NEGATIVE_TTL {
        return Finding::new(Check::NegativeTtl, Status::Ok, summary);
    }
    let remedy = "set the last field of the SOA record to 60 or less, so that a question that came too early does not \
                  fail the next validation";
    Finding::new(Check::NegativeTtl, Status::Warning, summary).remedy(remedy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LookupError;

    fn silent(server: &str) -> Probe {
        let name = "fleet.test".parse().unwrap();
        let answer = Err(LookupError::new(LookupErrorKind::TimedOut, server, &name));
        Probe { server: server.parse().unwrap(), transport: Transport::Udp, answer }
    }

    #[test]
    fn internal_addresses_are_told_where_a_resolver_found_them() {
        for server in ["10.0.0.1:53", "192.168.0.1:53", "100.64.0.1:53", "[fd00::1]:53", "[fe80::1]:53"] {
            let probes = [silent("192.0.2.1:53"), silent(server)];
            let finding = reachability(&probes, true);
            assert!(finding.seen[1].said.contains("CAs cannot reach"), "{finding}");
            assert!(finding.remedy.unwrap().contains("split horizon"));
            let finding = reachability(&probes, false);
            assert!(!finding.remedy.unwrap().contains("split horizon"));
        }
        let finding = reachability(&[silent("192.0.2.1:53"), silent("[2001:db8::1]:53")], true);
        assert!(!finding.to_string().contains("split horizon"), "{finding}");
    }
}
