//! What a look makes of the answers of servers.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use fleetcert_ambient::Ambient;
use fleetcert_dns::{BackendErrorKind, Quorum, Sighting, Verdict, Visibility};
use fleetcert_dns_lookup::{
    AuthoritativeVisibility, Families, LookOptions, Servers, Transport, WaitOptions, Ways,
};
use fleetcert_names::DomainName;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::{CNAME, TXT};
use hickory_proto::rr::{Name, RData};

use crate::domain;
use crate::records::Records;
use crate::server::{nobody, record, reply_to, serve, serve_at};

fn challenge() -> DomainName {
    domain("_acme-challenge.a.fleet.test")
}

fn text(value: &[u8]) -> RData {
    RData::TXT(TXT::from_bytes(vec![value]))
}

/// An authoritative answer with this one text.
fn with_text(query: &Message, value: &[u8]) -> Message {
    let mut reply = reply_to(query);
    reply.add_answer(record(query.queries[0].name(), text(value)));
    reply
}

fn visibility(servers: Vec<SocketAddr>, ways: Ways) -> AuthoritativeVisibility {
    let options = LookOptions { ways, query_within: Duration::from_millis(300), ..LookOptions::default() };
    let servers = Servers::given(servers).unwrap();
    AuthoritativeVisibility::new(servers, options, Ambient::system())
}

async fn look(visibility: &AuthoritativeVisibility) -> Sighting {
    visibility.look(&domain("fleet.test"), &challenge(), &"1".parse().unwrap()).await.unwrap()
}

fn failed(why: &str) -> Verdict {
    Verdict::Failed(why.to_owned())
}

#[tokio::test]
async fn every_server_and_way_has_a_verdict_of_its_own() {
    let right = serve(|_, query| Some(with_text(query, b"1"))).await;
    let late = serve(|_, query| Some(with_text(query, b"0"))).await;
    let udp_only = serve(|way, query| (way == Transport::Udp).then(|| with_text(query, b"1"))).await;
    let missing = serve(|_, query| {
        let mut reply = reply_to(query);
        reply.metadata.response_code = ResponseCode::NXDomain;
        Some(reply)
    })
    .await;
    let all = visibility(vec![right, late, udp_only, missing], Ways::Both);
    let sighting = look(&all).await;
    let expected: BTreeMap<String, Verdict> = [
        (format!("{right} udp"), Verdict::Seen),
        (format!("{right} tcp"), Verdict::Seen),
        (format!("{late} udp"), Verdict::NotSeen),
        (format!("{late} tcp"), Verdict::NotSeen),
        (format!("{udp_only} udp"), Verdict::Seen),
        (format!("{udp_only} tcp"), failed("does not answer in time")),
        (format!("{missing} udp"), Verdict::NotSeen),
        (format!("{missing} tcp"), Verdict::NotSeen),
    ]
    .into();
    let seen = sighting.servers.into_iter().map(|server| (server.server, server.verdict)).collect();
    assert_eq!(expected, seen);

    for (ways, way) in [(Ways::Udp, "udp"), (Ways::Tcp, "tcp")] {
        let sighting = look(&visibility(vec![right, right], ways)).await;
        assert_eq!(sighting.to_string(), format!("{right} {way}: seen"));
    }
}

#[tokio::test]
async fn answers_that_prove_nothing_are_failures() {
    type Scripted = fn(&Message) -> Message;
    let cases: [(Scripted, &str); 5] = [
        (
            |query| {
                let mut reply = with_text(query, b"1");
                reply.metadata.authoritative = false;
                reply
            },
            "answers without authority",
        ),
        (
            |query| {
                let mut reply = reply_to(query);
                reply.metadata.response_code = ResponseCode::Refused;
                reply
            },
            "answers REFUSED",
        ),
        (
            |query| {
                let mut reply = with_text(query, b"1");
                reply.metadata.response_code = ResponseCode::ServFail;
                reply
            },
            "answers SERVFAIL",
        ),
        (
            |query| {
                let mut reply = reply_to(query);
                let target = Name::from_ascii("elsewhere.test.").unwrap();
                reply.add_answer(record(query.queries[0].name(), RData::CNAME(CNAME(target))));
                reply
            },
            "tells of more aliases than a resolver follows",
        ),
        (
            |query| {
                let mut reply = with_text(query, b"1");
                reply.metadata.id ^= 1;
                reply
            },
            "does not answer the question",
        ),
    ];
    for (scripted, why) in cases {
        let server = serve(move |_, query| Some(scripted(query))).await;
        let sighting = look(&visibility(vec![server], Ways::Tcp)).await;
        assert_eq!(sighting.servers[0].verdict, failed(why));
    }
    let sighting = look(&visibility(vec![nobody()], Ways::Both)).await;
    let unreachable = failed("is not reachable: nobody listens there");
    assert!(sighting.servers.iter().all(|server| server.verdict == unreachable), "{sighting}");
}

#[tokio::test]
async fn the_text_at_another_name_is_not_seen() {
    let server = serve(|_, query| {
        let mut reply = reply_to(query);
        reply.add_answer(record(&Name::from_ascii("b.fleet.test.").unwrap(), text(b"1")));
        Some(reply)
    })
    .await;
    assert_eq!(look(&visibility(vec![server], Ways::Udp)).await.servers[0].verdict, Verdict::NotSeen);
}

#[tokio::test]
async fn what_does_not_fit_into_a_datagram_is_asked_for_by_tcp() {
    let server = serve(|way, query| {
        let mut reply = reply_to(query);
        match way {
            Transport::Udp => reply.metadata.truncation = true,
            Transport::Tcp => {
                let owner = query.queries[0].name();
                reply.add_answers(
                    (0..100).map(|number| record(owner, text(format!("{number:060}").as_bytes()))),
                );
                reply.add_answer(record(owner, text(b"1")));
            }
        }
        Some(reply)
    })
    .await;
    assert_eq!(look(&visibility(vec![server], Ways::Udp)).await.servers[0].verdict, Verdict::Seen);
}

#[tokio::test]
async fn a_name_outside_the_zone_is_not_asked_for() {
    let all = visibility(vec!["127.0.0.1:9".parse().unwrap()], Ways::Both);
    let error = all.look(&domain("other.test"), &challenge(), &"1".parse().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::NotInZone);
    assert!(Servers::given(vec![]).is_err());
    let many = (1..=33).map(|port| SocketAddr::new(IpAddr::from([127, 0, 0, 1]), port)).collect();
    assert!(Servers::given(many).is_err());
}

#[tokio::test]
async fn an_address_to_which_no_way_leads_says_so() {
    // The documentation's prefix (RFC 3849) is routed nowhere; the discard prefix (RFC 6666) neither.
    let away: Vec<SocketAddr> = vec!["[2001:db8::53]:53".parse().unwrap(), "[100::53]:53".parse().unwrap()];
    let right = serve(|_, query| Some(with_text(query, b"1"))).await;
    let both = visibility([away.clone(), vec![right]].concat(), Ways::Udp);
    let sighting = look(&both).await;
    assert_eq!(sighting.servers.len(), 3);
    assert_eq!(sighting.servers.iter().filter(|server| server.verdict == Verdict::Seen).count(), 1);
    let no_way = ["is not reachable: no way leads there from here", "does not answer in time"].map(failed);
    assert_eq!(
        sighting.servers.iter().filter(|server| no_way.contains(&server.verdict)).count(),
        2,
        "{sighting}"
    );

    let options = LookOptions { families: Families::V4, ways: Ways::Udp, ..LookOptions::default() };
    let servers = Servers::given([away.clone(), vec![right]].concat()).unwrap();
    let v4 = AuthoritativeVisibility::new(servers, options, Ambient::system());
    assert_eq!(look(&v4).await.to_string(), format!("{right} udp: seen"));
    let servers = Servers::given(away).unwrap();
    let none = AuthoritativeVisibility::new(servers, options, Ambient::system());
    let error = none.look(&domain("fleet.test"), &challenge(), &"1".parse().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Unavailable);
}

#[tokio::test]
async fn a_server_on_ipv6_is_seen() {
    let server = serve_at("[::1]:0".parse().unwrap(), |_, query| Some(with_text(query, b"1"))).await;
    assert!(look(&visibility(vec![server], Ways::Both)).await.satisfies(Quorum::All));
}

#[tokio::test]
async fn a_given_server_is_asked_for_what_its_alias_leads_to() {
    let records = Records::new(
        "fleet.test SOA 1 30
         _acme-challenge.a.fleet.test CNAME b.acme.test
         b.acme.test CNAME c.acme.test
         c.acme.test TXT 1
         acme.test SOA 1 30",
    );
    let both = serve({
        let records = records.clone();
        move |_, query| Some(records.authoritative(query, &["fleet.test", "acme.test"]))
    })
    .await;
    let one = serve(move |_, query| Some(records.authoritative(query, &["fleet.test"]))).await;
    let sighting = look(&visibility(vec![both], Ways::Both)).await;
    assert_eq!(sighting.to_string(), format!("{both} udp: seen, {both} tcp: seen"));
    let sighting = look(&visibility(vec![one], Ways::Udp)).await;
    assert_eq!(sighting.to_string(), format!("{one} udp: says that the name is an alias of b.acme.test"));
}

#[tokio::test]
async fn aliases_in_a_circle_at_a_given_server_end() {
    let records = Records::new(
        "fleet.test SOA 1 30
         _acme-challenge.a.fleet.test CNAME b.fleet.test
         b.fleet.test CNAME _acme-challenge.a.fleet.test",
    );
    let server = serve(move |_, query| Some(records.authoritative(query, &["fleet.test"]))).await;
    let sighting = look(&visibility(vec![server], Ways::Tcp)).await;
    assert_eq!(sighting.servers[0].verdict, failed("tells of more aliases than a resolver follows"));
}

#[tokio::test]
async fn waiting_ends_with_the_value_or_with_every_last_verdict() {
    let asked = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let slow = serve(move |_, query| {
        let late = asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst) < 3;
        Some(with_text(query, if late { b"0" } else { b"1" }))
    })
    .await;
    let dead = serve(|_, _| None).await;
    let patience = WaitOptions {
        within: Duration::from_secs(2),
        interval: Duration::from_millis(5),
        ..WaitOptions::default()
    };
    let wait = async |servers: Vec<SocketAddr>, patience| {
        let (zone, value) = (domain("fleet.test"), "1".parse().unwrap());
        visibility(servers, Ways::Udp).wait_until_seen(&zone, &challenge(), &value, patience).await
    };
    let sighting = wait(vec![slow], patience).await.unwrap();
    assert_eq!(sighting.to_string(), format!("{slow} udp: seen"));

    let one = WaitOptions { quorum: Quorum::AtLeastOne, ..patience };
    assert!(wait(vec![slow, dead], one).await.is_ok());
    let nobody = WaitOptions { quorum: Quorum::TrustBackend, ..patience };
    assert!(wait(vec![dead], nobody).await.unwrap().servers.is_empty());
    let error = wait(vec![slow, dead], patience).await.unwrap_err();
    assert_eq!(error.sighting().unwrap().servers.len(), 2);
    let text = error.to_string();
    assert!(text.contains(&format!("{dead} udp: does not answer in time")), "{text}");
    assert!(text.contains(&format!("{slow} udp: seen")), "{text}");

    // What waiting does not help ends at once.
    let all = visibility(vec![slow], Ways::Udp);
    let forever = WaitOptions { within: Duration::from_secs(3600), ..patience };
    let error = all
        .wait_until_seen(&domain("other.test"), &challenge(), &"1".parse().unwrap(), forever)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("outside the zone"), "{error}");
}
