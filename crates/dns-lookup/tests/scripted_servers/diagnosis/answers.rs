//! What the servers have at names: wildcards, CAA records, aliases of challenges.

use fleetcert_dns_lookup::Servers;
use fleetcert_dns_lookup::diagnose::{Check, Diagnosis, Status};
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RecordType;

use super::{Tampering, World, ZONE, check, diagnose, only_wrong};
use crate::domain;
use crate::records::Records;
use crate::server::{nobody, serve};

#[tokio::test]
async fn a_wildcard_alias() {
    let tampering: Tampering = |_, query, mut answer| {
        let name = query.queries[0].name();
        if name.num_labels() == 3 && !name.to_ascii().starts_with("ns") {
            let alias = Records::new("x CNAME elsewhere.test").resolved(&asking("x", RecordType::TXT));
            answer.metadata.response_code = ResponseCode::NoError;
            answer.answers = alias.answers;
            answer.answers[0].name = name.clone();
        }
        Some(answer)
    };
    // One server is asked for it: the first that answers.
    let address = serve(move |way, query| {
        tampering(way, query, Records::new(ZONE).authoritative(query, &["fleet.test"]))
    })
    .await;
    let diagnosis = diagnose("fleet.test", Servers::given(vec![address]).unwrap(), "ca.test").await;
    let finding = only_wrong(&diagnosis, Check::Wildcard);
    assert!(finding.remedy.as_ref().unwrap().starts_with("take the wildcard alias out"), "{finding}");
}

#[tokio::test]
async fn a_wildcard_that_is_meant_and_servers_that_hide_caa() {
    let tampering: Tampering = |_, query, mut answer| {
        let name = query.queries[0].name().clone();
        match query.queries[0].query_type() {
            RecordType::CAA => return None,
            RecordType::A if name.num_labels() == 3 => {
                let address = Records::new("x A 10.1.1.4").resolved(&asking("x", RecordType::A));
                answer.answers = address.answers;
                answer.answers[0].name = name;
                answer.metadata.response_code = ResponseCode::NoError;
            }
            _ => {}
        }
        Some(answer)
    };
    let address = serve(move |way, query| {
        tampering(way, query, Records::new(ZONE).authoritative(query, &["fleet.test"]))
    })
    .await;
    let diagnosis = diagnose("fleet.test", Servers::given(vec![address]).unwrap(), "ca.test").await;
    let wildcard = diagnosis.finding(Check::Wildcard).unwrap();
    assert!(
        wildcard.remedy.as_ref().unwrap().starts_with("see whether the wildcard record is meant"),
        "{wildcard}"
    );
    let caa = diagnosis.finding(Check::Caa).unwrap();
    assert_eq!(caa.status, Status::Problem);
    assert!(caa.summary.contains("does not answer in time"), "{caa}");
    assert_eq!(diagnosis.finding(Check::UnknownTypes).unwrap().status, Status::Problem);
}

#[tokio::test]
async fn caa_for_the_zone() {
    let with = |records: &str| {
        let rest = ZONE.lines().filter(|line| !line.contains("CAA")).collect::<Vec<_>>().join("\n");
        World::with_zone(&format!("{rest}\n{records}"))
    };
    let other = with("fleet.test CAA 0 issue other.test").diagnose().await;
    let finding = other.finding(Check::Caa).unwrap();
    assert_eq!(finding.status, Status::Problem);
    assert_eq!(finding.seen[0].said, "0 issue \"other.test\": it is for another CA");
    let remedy = "add at fleet.test, if it should: CAA 0 issue \"ca.test; validationmethods=dns-01\"";
    assert_eq!(finding.remedy.as_deref(), Some(remedy));
    // Wildcards may well be forbidden on purpose.
    assert_eq!(other.finding(Check::CaaWildcard).unwrap().status, Status::Warning);

    let none = with("").diagnose().await;
    assert_eq!(none.finding(Check::Caa).unwrap().status, Status::Warning);

    let wild = with("fleet.test CAA 0 issue ca.test\nfleet.test CAA 0 issuewild ;").diagnose().await;
    let statuses = [Check::Caa, Check::CaaWildcard].map(|check| wild.finding(check).unwrap().status);
    assert_eq!(statuses, [Status::Ok, Status::Ok]);

    let above = with("test CAA 0 issue other.test").diagnose().await;
    let finding = above.finding(Check::Caa).unwrap();
    assert_eq!((finding.status, &*finding.seen[0].server), (Status::Problem, "test"));
}

#[tokio::test]
async fn caa_at_given_servers() {
    let with = async |zone: String| {
        let records = Records::new(&zone);
        let address = serve(move |_, query| Some(records.authoritative(query, &["fleet.test"]))).await;
        let diagnosis = diagnose("fleet.test", Servers::given(vec![address]).unwrap(), "ca.test").await;
        diagnosis.finding(Check::Caa).unwrap().clone()
    };
    assert_eq!(with(ZONE.to_owned()).await.status, Status::Ok);
    let without = ZONE.lines().filter(|line| !line.contains("CAA")).collect::<Vec<_>>().join("\n");
    assert_eq!(with(without).await.status, Status::NotRun);
}

#[tokio::test]
async fn where_the_challenge_of_a_host_goes() {
    let zone = format!(
        "{ZONE}
        a.fleet.test A 10.1.1.4
        b.fleet.test CAA 0 issue other.test
        _acme-challenge.b.fleet.test CNAME b.acme.test
        acme.test SOA 1 30
        _acme-challenge.c.fleet.test CNAME _acme-challenge.c.fleet.test"
    );
    let servers = World::with_zone(&zone).servers().await;
    let at = async |host: &str| {
        check("fleet.test", servers.clone(), "ca.test").for_host(host.parse().unwrap()).run().await
    };
    let target = |diagnosis: &Diagnosis| diagnosis.finding(Check::Target).unwrap().clone();
    let own = target(&at("a.fleet.test").await);
    assert_eq!((own.status, own.remedy), (Status::Ok, None));
    let away = at("b.fleet.test").await;
    let finding = target(&away);
    assert_eq!(finding.status, Status::Warning);
    assert_eq!(finding.summary, "the TXT record goes to the zone acme.test, not to fleet.test");
    assert!(finding.remedy.unwrap().contains("b.acme.test in acme.test"));
    // The host has CAA records of its own.
    assert_eq!(away.finding(Check::Caa).unwrap().status, Status::Problem);
    let circle = target(&at("c.fleet.test").await);
    assert_eq!(circle.status, Status::Problem);
    assert!(circle.summary.contains("→"), "{circle}");
    assert_eq!(circle.remedy.as_deref(), Some("take one of these CNAME records away"));

    let given = Servers::given(vec![nobody()]).unwrap();
    let diagnosis =
        check("fleet.test", given, "ca.test").for_host("a.fleet.test".parse().unwrap()).run().await;
    assert_eq!(target(&diagnosis).status, Status::NotRun);
}

fn asking(name: &str, kind: RecordType) -> Message {
    let mut query = fleetcert_dns_wire::message::query(1, &domain(name), kind);
    query.metadata.recursion_desired = true;
    query
}
