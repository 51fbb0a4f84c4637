//! What the check finds in worlds that are wrong in one place.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use fleetcert_ambient::{SystemClock, SystemEntropy};
use fleetcert_dns_lookup::caa::Applicant;
use fleetcert_dns_lookup::diagnose::{Check, Diagnose, DiagnoseOptions, Diagnosis, Finding, Status};
use fleetcert_dns_lookup::{Servers, Transport};
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RecordType;

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
    Diagnose::new(domain(zone), servers, Arc::new(SystemClock), Arc::new(SystemEntropy))
        .with_options(options)
        .for_applicant(applicant)
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
    let nobody = Servers::found_by(crate::server::nobody().await);
    let diagnosis = diagnose("fleet.test", nobody, "ca.test").await;
    let finding = diagnosis.finding(Check::Delegation).unwrap();
    assert_eq!((finding.status, finding.remedy.as_deref()), (Status::Problem, Some("name another resolver")));
    assert_eq!(diagnosis.finding(Check::Caa).unwrap().status, Status::Problem);

    let servers = World::right().servers().await;
    let diagnosis = diagnose("fleet.example", servers, "ca.test").await;
    let finding = diagnosis.finding(Check::Delegation).unwrap();
    assert!(finding.remedy.as_ref().unwrap().starts_with("compare the name"), "{finding}");
}

#[tokio::test]
async fn a_lame_server() {
    let refusing: Tampering = |_, _, mut answer| {
        answer.metadata.authoritative = false;
        answer.metadata.response_code = ResponseCode::Refused;
        answer.answers.clear();
        Some(answer)
    };
    let caching: Tampering = |_, _, mut answer| {
        answer.metadata.authoritative = false;
        Some(answer)
    };
    for (tampering, said) in [(refusing, "answers REFUSED"), (caching, "answers without authority")] {
        let diagnosis = World { tampering, ..World::right() }.diagnose().await;
        let finding = only_wrong(&diagnosis, Check::Authority);
        assert_eq!(finding.status, Status::Problem);
        let lame: Vec<_> = finding.seen.iter().filter(|seen| seen.said == said).collect();
        assert_eq!(lame.len(), 2, "{finding}");
        assert!(lame.iter().all(|seen| seen.server.starts_with("127.0.0.2:")), "{finding}");
    }
}

#[tokio::test]
async fn a_stale_secondary() {
    let world = World { second: ZONE.replace("SOA 7 30", "SOA 5 30"), ..World::right() };
    let diagnosis = world.diagnose().await;
    let finding = only_wrong(&diagnosis, Check::Serial);
    assert_eq!(finding.status, Status::Problem);
    let said: Vec<_> = finding.seen.iter().map(|seen| &*seen.said).collect();
    assert_eq!(said, ["7", "5, behind by 2"]);

    // By the arithmetic of RFC 1982, 1 comes after the greatest number.
    let zone = ZONE.replace("SOA 7 30", "SOA 4294967295 30");
    let second = ZONE.replace("SOA 7 30", "SOA 1 30");
    let diagnosis = World { zone, second, ..World::right() }.diagnose().await;
    let said: Vec<_> = only_wrong(&diagnosis, Check::Serial).seen.iter().map(|seen| &*seen.said).collect();
    assert_eq!(said, ["4294967295, behind by 2", "1"]);
}

#[tokio::test]
async fn a_secondary_that_is_about_to_follow_is_not_stale() {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let following: Tampering = |_, query, mut answer| {
        if query.queries[0].query_type() == RecordType::SOA && ASKED.fetch_add(1, SeqCst) < 2 {
            let old = Records::new("fleet.test SOA 6 30").authoritative(query, &["fleet.test"]);
            answer.answers = old.answers;
        }
        Some(answer)
    };
    let diagnosis = World { tampering: following, ..World::right() }.diagnose().await;
    let finding = diagnosis.finding(Check::Serial).unwrap();
    assert_eq!(finding.status, Status::Ok, "{finding}");
}

#[tokio::test]
async fn blocked_ways() {
    let no_tcp: Tampering = |way, _, answer| (way == Transport::Udp).then_some(answer);
    let no_udp: Tampering = |way, _, answer| (way == Transport::Tcp).then_some(answer);
    let silent: Tampering = |_, _, _| None;
    for (tampering, count, remedy) in
        [(no_tcp, 1, "let TCP to port"), (no_udp, 1, "let UDP to port"), (silent, 2, "start these servers")]
    {
        let diagnosis = World { tampering, ..World::right() }.diagnose().await;
        let finding = diagnosis.finding(Check::Reachability).unwrap();
        assert_eq!(finding.status, Status::Problem);
        let late = finding.seen.iter().filter(|seen| seen.said == "does not answer in time");
        assert_eq!(late.count(), count, "{finding}");
        assert!(finding.remedy.as_ref().unwrap().starts_with(remedy), "{finding}");
    }
    let nobody = serve(|_, _| None).await;
    let diagnosis = diagnose("fleet.test", Servers::given(vec![nobody]).unwrap(), "ca.test").await;
    let finding = diagnosis.finding(Check::Reachability).unwrap();
    assert!(finding.remedy.as_ref().unwrap().contains("this network blocks port"), "{finding}");
}

#[tokio::test]
async fn an_address_without_a_way_is_not_run() {
    let zone = format!("{ZONE}\nns2.fleet.test AAAA 2001:db8::53");
    let world = World { delegation: Box::leak(zone.clone().into_boxed_str()), ..World::with_zone(&zone) };
    let diagnosis = world.diagnose().await;
    let finding = diagnosis.finding(Check::Reachability).unwrap();
    let away: Vec<_> = finding.seen.iter().filter(|seen| seen.server.starts_with("[2001:db8::53]")).collect();
    assert_eq!(away.len(), 2);
    for seen in away {
        // Where there is IPv6, the way there leads nowhere.
        let expected = match &*seen.said {
            "is not reachable: no way leads there from here" => Status::NotRun,
            "does not answer in time" => Status::Problem,
            other => panic!("{other}"),
        };
        assert_eq!(seen.status, expected);
    }
}

#[tokio::test]
async fn servers_of_yesterday() {
    let no_edns: Tampering = |_, _, mut answer| {
        answer.edns = None;
        Some(answer)
    };
    let diagnosis = World { tampering: no_edns, ..World::right() }.diagnose().await;
    let finding = only_wrong(&diagnosis, Check::Reachability);
    assert_eq!(finding.status, Status::Warning);
    assert!(finding.seen.iter().any(|seen| seen.said.contains("without EDNS")), "{finding}");

    let no_caa: Tampering = |_, query, mut answer| {
        if query.queries[0].query_type() == RecordType::CAA {
            answer.metadata.response_code = ResponseCode::NotImp;
        }
        Some(answer)
    };
    let diagnosis = World { tampering: no_caa, ..World::right() }.diagnose().await;
    let finding = only_wrong(&diagnosis, Check::UnknownTypes);
    assert_eq!(finding.status, Status::Problem);
    assert!(finding.seen.iter().any(|seen| seen.said == "answers NOTIMP to CAA"), "{finding}");
}

#[tokio::test]
async fn a_miss_that_is_remembered_for_long() {
    let diagnosis = World::with_zone(&ZONE.replace("SOA 7 30", "SOA 7 3600")).diagnose().await;
    let finding = only_wrong(&diagnosis, Check::NegativeTtl);
    // The record's own time to live is 300.
    assert!(finding.summary.contains("300 seconds"), "{finding}");
}

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

fn asking(name: &str, kind: RecordType) -> Message {
    let mut query = fleetcert_dns_wire::message::query(1, &domain(name), kind);
    query.metadata.recursion_desired = true;
    query
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

    let given = Servers::given(vec![crate::server::nobody().await]).unwrap();
    let diagnosis =
        check("fleet.test", given, "ca.test").for_host("a.fleet.test".parse().unwrap()).run().await;
    assert_eq!(target(&diagnosis).status, Status::NotRun);
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
