//! Checks of the answers for types and names that do not exist.

use std::net::SocketAddr;

use fleetcert_dns::RecordType;
use fleetcert_names::{DomainName, Label};

use super::ask::{self, Probe};
use super::diagnosis::worst;
use super::{Check, Diagnose, Finding, Seen, Status};
use crate::{QueryType, Transport};

const NO_SERVER: &str = "no server answers for the zone";

impl Diagnose {
    /// CAs ask for CAA records; servers that do not know the type must answer that there are none.
    pub(super) async fn unknown_types(&self, working: &[(SocketAddr, Transport)]) -> Finding {
        let probes = ask::all(&self.asker, &self.zone, QueryType::Caa, working.iter().copied()).await;
        if probes.is_empty() {
            return Finding::not_run(Check::UnknownTypes, NO_SERVER);
        }
        let line = |probe: &Probe| match &probe.answer {
            Ok(answer) if answer.rcode.is_answer() => {
                Seen::new(probe.at(), Status::Ok, answer.rcode.to_string())
            }
            Ok(answer) => Seen::new(probe.at(), Status::Problem, format!("answers {} to CAA", answer.rcode)),
            Err(error) => Seen::new(probe.at(), Status::Problem, error.kind().to_string()),
        };
        let seen: Vec<_> = probes.iter().map(line).collect();
        if worst(&seen) == Status::Ok {
            return Finding::new(
                Check::UnknownTypes,
                Status::Ok,
                "every server answers a question for CAA records",
            );
        }
        Finding::new(Check::UnknownTypes, Status::Problem, "servers fail when they are asked for CAA records")
            .with_seen(seen)
            .remedy(
                "update these servers: a CA that gets no answer for CAA does not issue (RFC 8659 section 3)",
            )
    }

    /// A wildcard answers for names that do not exist, and a wildcard alias leads challenges elsewhere.
    pub(super) async fn wildcard(&self, working: &[(SocketAddr, Transport)]) -> Finding {
        let Some((server, transport)) = working.first().copied() else {
            return Finding::not_run(Check::Wildcard, NO_SERVER);
        };
        let Some(name) = self.random_name("") else {
            return Finding::not_run(Check::Wildcard, "the zone's name leaves no room below it");
        };
        let mut seen = Vec::new();
        let mut alias = false;
        for query_type in [QueryType::Txt, QueryType::A] {
            for probe in ask::all(&self.asker, &name, query_type, [(server, transport)]).await {
                match &probe.answer {
                    Err(error) => return Finding::not_run(Check::Wildcard, error.to_string()),
                    Ok(answer) => {
                        alias |= answer.alias(&name).is_some() || answer.has_foreign(&name, QueryType::Cname);
                        let records = answer.records.iter().filter(|record| record.name == name).count();
                        if records > 0 {
                            let what =
                                if query_type == QueryType::A { RecordType::A } else { RecordType::Txt };
                            let said = format!("has {what:?} records or an alias for {name}");
                            seen.push(Seen::new(probe.at(), Status::Warning, said));
                        }
                    }
                }
            }
        }
        if seen.is_empty() {
            return Finding::new(Check::Wildcard, Status::Ok, "names that are not there have no records");
        }
        let remedy = if alias {
            "take the wildcard alias out of the zone: it makes every _acme-challenge name that is not there an alias"
        } else {
            "see whether the wildcard record is meant: names of devices that are gone go on answering"
        };
        Finding::new(Check::Wildcard, Status::Warning, "a wildcard answers for names that are not there")
            .with_seen(seen)
            .remedy(remedy)
    }

    /// Returns a name of `prefix`, a random label and the zone.
    pub(super) fn random_name(&self, prefix: &str) -> Option<DomainName> {
        format!("{prefix}{}.{}", self.random_label(), self.zone).parse().ok()
    }

    pub(super) fn random_label(&self) -> Label {
        let mut octets = [0; 32];
        self.ambient.entropy.fill(&mut octets);
        Label::from_entropy(octets)
    }
}
