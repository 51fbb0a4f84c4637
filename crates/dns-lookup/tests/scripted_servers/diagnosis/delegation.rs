//! What the parent zone says, and what it does not.

use std::net::SocketAddr;

use fleetcert_dns_lookup::Servers;
use fleetcert_dns_lookup::diagnose::{Check, Status};

use super::{PARENT, World, ZONE, diagnose, only_wrong};
use crate::records::Records;
use crate::server::{nobody, serve, serve_at};

#[tokio::test]
async fn the_parent_names_other_servers() {
    let world = World {
        delegation: "fleet.test NS ns1.fleet.test
            fleet.test NS old.elsewhere.test
            ns1.fleet.test A 127.0.0.1",
        ..World::right()
    };
    let diagnosis = world.diagnose().await;
    let finding = only_wrong(&diagnosis, Check::Delegation);
    assert_eq!(finding.status, Status::Problem);
    let said = &finding.seen[0].said;
    assert_eq!(said, "names old.elsewhere.test, which the zone does not, and lacks ns2.fleet.test");
}

#[tokio::test]
async fn the_parent_lacks_a_server() {
    let world =
        World { delegation: "fleet.test NS ns1.fleet.test\nns1.fleet.test A 127.0.0.1", ..World::right() };
    let diagnosis = world.diagnose().await;
    let finding = only_wrong(&diagnosis, Check::Delegation);
    assert_eq!((finding.status, &*finding.seen[0].said), (Status::Warning, "lacks ns2.fleet.test"));
}

#[tokio::test]
async fn the_parent_has_no_or_another_address() {
    for (glue, said) in [
        ("ns2.fleet.test A 127.0.0.1", "127.0.0.2; the parent has 127.0.0.1 (glue)"),
        ("", "127.0.0.2; the parent has no address for it (glue)"),
    ] {
        let text = format!(
            "fleet.test NS ns1.fleet.test\nfleet.test NS ns2.fleet.test\nns1.fleet.test A 127.0.0.1\n{glue}"
        );
        let world = World { delegation: Box::leak(text.into_boxed_str()), ..World::right() };
        let diagnosis = world.diagnose().await;
        let finding = only_wrong(&diagnosis, Check::Delegation);
        assert_eq!(finding.status, Status::Problem);
        assert!(finding.seen.iter().any(|seen| seen.said == said), "{finding}");
    }
}

#[tokio::test]
async fn the_parent_does_not_delegate() {
    let diagnosis = World { delegation: "", ..World::right() }.diagnose().await;
    let finding = only_wrong(&diagnosis, Check::Delegation);
    assert_eq!((finding.status, &*finding.seen[0].said), (Status::Problem, "does not delegate the zone"));
}

#[tokio::test]
async fn a_name_that_is_no_zone() {
    let servers = World::right().servers().await;
    let diagnosis = diagnose("a.fleet.test", servers, "ca.test").await;
    let finding = diagnosis.finding(Check::Delegation).unwrap();
    assert_eq!(finding.status, Status::Problem);
    assert!(finding.summary.contains("lies in the zone fleet.test"), "{finding}");
    let not_run = diagnosis.finding(Check::Serial).unwrap();
    assert_eq!(not_run.status, Status::NotRun);
}

#[tokio::test]
async fn no_resolver_and_no_such_zone() {
    let no_resolver = Servers::found_by(nobody());
    let diagnosis = diagnose("fleet.test", no_resolver, "ca.test").await;
    let finding = diagnosis.finding(Check::Delegation).unwrap();
    assert_eq!((finding.status, finding.remedy.as_deref()), (Status::Problem, Some("name another resolver")));
    assert_eq!(diagnosis.finding(Check::Caa).unwrap().status, Status::Problem);

    let servers = World::right().servers().await;
    let diagnosis = diagnose("fleet.example", servers, "ca.test").await;
    let finding = diagnosis.finding(Check::Delegation).unwrap();
    assert!(finding.remedy.as_ref().unwrap().starts_with("compare the name"), "{finding}");
}

#[tokio::test]
async fn one_server_is_few() {
    let zone: String = ZONE.lines().filter(|line| !line.contains("ns2")).collect::<Vec<_>>().join("\n");
    let delegation = Box::leak(zone.clone().into_boxed_str());
    let diagnosis = World { delegation, ..World::with_zone(&zone) }.diagnose().await;
    let finding = only_wrong(&diagnosis, Check::Delegation);
    assert_eq!(finding.status, Status::Warning);
    assert!(finding.remedy.as_ref().unwrap().starts_with("add a second name server"), "{finding}");
}

#[tokio::test]
async fn a_server_without_an_address() {
    let zone = ZONE.replace("ns2.fleet.test A 127.0.0.2", "ns2.fleet.test CNAME ns1.fleet.test");
    let diagnosis = World::with_zone(&zone).diagnose().await;
    let finding = only_wrong(&diagnosis, Check::Delegation);
    assert!(finding.seen.iter().any(|seen| seen.said == "has no address, or is an alias"), "{finding}");

    let none = "fleet.test SOA 7 30\nfleet.test NS ns1.fleet.test";
    let finding = World::with_zone(none).diagnose().await.finding(Check::Delegation).unwrap().clone();
    assert_eq!(finding.status, Status::Problem);
    assert!(finding.remedy.as_ref().unwrap().starts_with("add A or AAAA records"), "{finding}");
}

#[tokio::test]
async fn parents_that_do_not_say() {
    let with_parent = async |parent: &str, answers: bool| {
        let all = Records::new(&format!("{parent}\n{ZONE}"));
        let zone = Records::new(ZONE);
        let first = serve(move |_, query| Some(zone.authoritative(query, &["fleet.test"]))).await;
        let beside = |last| SocketAddr::new([127, 0, 0, last].into(), first.port());
        let zone = Records::new(ZONE);
        serve_at(beside(2), move |_, query| Some(zone.authoritative(query, &["fleet.test"]))).await;
        let refusing = Records::new("");
        serve_at(beside(9), move |_, query| answers.then(|| refusing.authoritative(query, &["other"]))).await;
        let resolver = serve(move |_, query| Some(all.resolved(query))).await;
        let servers = Servers::found_by(resolver).at_port(first.port());
        diagnose("fleet.test", servers, "ca.test").await.finding(Check::Delegation).unwrap().clone()
    };
    let silent = with_parent(PARENT, false).await;
    assert_eq!((silent.status, &*silent.seen[0].said), (Status::Warning, "does not answer in time"));
    let refusing = with_parent(PARENT, true).await;
    assert_eq!((refusing.status, &*refusing.seen[0].said), (Status::Warning, "answers REFUSED"));
    let lost = with_parent("test SOA 1 30", false).await;
    assert_eq!(lost.status, Status::NotRun);
    assert!(lost.summary.starts_with("the parent's servers are not found"), "{lost}");
}

#[tokio::test]
async fn a_top_level_domain_and_a_zone_without_room() {
    let records = Records::new(PARENT);
    let server = serve_at("127.0.0.9:0".parse().unwrap(), {
        let records = records.clone();
        move |_, query| Some(records.authoritative(query, &["test"]))
    })
    .await;
    let resolver = serve(move |_, query| Some(records.resolved(query))).await;
    let servers = Servers::found_by(resolver).at_port(server.port());
    let finding = diagnose("test", servers, "ca.test").await.finding(Check::Delegation).unwrap().clone();
    assert_eq!(finding.status, Status::NotRun);
    assert!(finding.summary.contains("the root"), "{finding}");

    let long = "a.".repeat(120) + "test";
    let zone = Records::new(&format!("{long} SOA 1 30"));
    let apex: &'static str = Box::leak(long.clone().into_boxed_str());
    let server = serve(move |_, query| Some(zone.authoritative(query, &[apex]))).await;
    let diagnosis = diagnose(&long, Servers::given(vec![server]).unwrap(), "ca.test").await;
    let finding = diagnosis.finding(Check::Wildcard).unwrap();
    assert_eq!(finding.status, Status::NotRun);
    assert!(finding.summary.contains("no room"), "{finding}");
}
