//! What the check finds in worlds that are wrong in one place.

mod answers;
mod delegation;
mod servers;

use std::net::SocketAddr;
use std::time::Duration;

use fleetcert_ambient::Ambient;
use fleetcert_dns_lookup::caa::Applicant;
use fleetcert_dns_lookup::diagnose::{Check, Diagnose, DiagnoseOptions, Diagnosis, Finding, Status};
use fleetcert_dns_lookup::{Servers, Transport};
use hickory_proto::op::Message;

use crate::domain;
use crate::records::Records;
use crate::server::{serve, serve_at};

const ZONE: &str = "fleet.test SOA 7 30
    fleet.test NS ns1.fleet.test
    fleet.test NS ns2.fleet.test
    fleet.test CAA 0 issue ca.test; validationmethods=dns-01
    ns1.fleet.test A 127.0.0.1
    ns2.fleet.test A 127.0.0.2";

const PARENT: &str = "test SOA 1 30
    test NS ns.test
    ns.test A 127.0.0.9";

/// What a server that is wrong makes of its right answer: `None` is silence.
type Tampering = fn(Transport, &Message, Message) -> Option<Message>;

fn untouched(_: Transport, _: &Message, answer: Message) -> Option<Message> {
    Some(answer)
}

/// A parent zone, a zone on two servers of which the second may be wrong, and a resolver that knows them.
struct World {
    /// What the parent has for the zone.
    delegation: &'static str,
    /// The zone at the first server, and at the resolver.
    zone: String,
    /// The zone at the second server.
    second: String,
    tampering: Tampering,
}

impl World {
    fn right() -> Self {
        Self { delegation: ZONE, zone: ZONE.to_owned(), second: ZONE.to_owned(), tampering: untouched }
    }

    fn with_zone(zone: &str) -> Self {
        Self { zone: zone.to_owned(), second: zone.to_owned(), ..Self::right() }
    }

    async fn servers(self) -> Servers {
        let parent = Records::new(&format!("{PARENT}\n{}", self.delegation));
        let first = Records::new(&self.zone);
        let second = Records::new(&self.second);
        let all = Records::new(&format!("{PARENT}\n{}", self.zone));
        let address = serve(move |_, query| Some(first.authoritative(query, &["fleet.test"]))).await;
        let beside = |last| SocketAddr::new([127, 0, 0, last].into(), address.port());
        serve_at(beside(2), move |way, query| {
            (self.tampering)(way, query, second.authoritative(query, &["fleet.test"]))
        })
        .await;
        serve_at(beside(9), move |_, query| Some(parent.authoritative(query, &["test"]))).await;
        let resolver = serve(move |_, query| Some(all.resolved(query))).await;
        Servers::found_by(resolver).at_port(address.port())
    }

    async fn diagnose(self) -> Diagnosis {
        diagnose("fleet.test", self.servers().await, "ca.test").await
    }
}

async fn diagnose(zone: &str, servers: Servers, issuer: &str) -> Diagnosis {
    check(zone, servers, issuer).run().await
}

fn check(zone: &str, servers: Servers, issuer: &str) -> Diagnose {
    let applicant = Applicant { issuer: issuer.into(), account_uri: None, method: "dns-01".into() };
    let options = DiagnoseOptions {
        query_within: Duration::from_millis(300),
        settle_within: Duration::from_millis(700),
        ..DiagnoseOptions::default()
    };
    Diagnose::new(domain(zone), servers, Ambient::system()).with_options(options).for_applicant(applicant)
}

/// The only finding that is not as in a right world.
#[track_caller]
fn only_wrong(diagnosis: &Diagnosis, check: Check) -> &Finding {
    let wrong: Vec<_> = diagnosis
        .findings
        .iter()
        .filter(|finding| finding.status > Status::NotRun && finding.check != Check::Name)
        .map(|finding| finding.check)
        .collect();
    assert_eq!(wrong, [check], "{diagnosis}");
    let finding = diagnosis.finding(check).unwrap();
    assert!(finding.remedy.is_some(), "{finding}");
    finding
}

#[tokio::test]
async fn a_right_zone() {
    let diagnosis = World::right().diagnose().await;
    let backend = [Check::Update, Check::RoundTrip, Check::LargeAnswers, Check::Advice];
    for finding in &diagnosis.findings {
        let expected = match finding.check {
            // `test` is no public top-level domain.
            Check::Name => Status::Warning,
            check if backend.contains(&check) => Status::NotRun,
            _ => Status::Ok,
        };
        assert_eq!(finding.status, expected, "{finding}");
    }
    assert_eq!(diagnosis.findings.len(), 14, "{diagnosis}");
    let delegation = diagnosis.finding(Check::Delegation).unwrap();
    assert!(delegation.seen[0].server.starts_with("parent 127.0.0.9:"), "{delegation}");
    assert!(delegation.seen[0].said.contains("delegates to ns1.fleet.test, ns2.fleet.test"), "{delegation}");
    assert_eq!(diagnosis.finding(Check::Reachability).unwrap().seen.len(), 4);
}
