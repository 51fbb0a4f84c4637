//! Servers that do not answer, answer wrongly, or answer with an old zone.

use fleetcert_dns_lookup::diagnose::{Check, Status};
use fleetcert_dns_lookup::{Servers, Transport};
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

use super::{Tampering, World, ZONE, diagnose, only_wrong};
use crate::records::Records;
use crate::server::serve;

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
