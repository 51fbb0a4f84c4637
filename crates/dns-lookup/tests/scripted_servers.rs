//! Servers that answer as they should not, and a resolver that knows where servers are.

// What the tests share may fail as loudly as they do.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, SystemTime};

use fleetcert_ambient::{Clock, ManualClock, SystemClock, SystemEntropy};
use fleetcert_dns::{BackendErrorKind, Sighting, Verdict, Visibility};
use fleetcert_dns_lookup::{
    Asker, AuthoritativeVisibility, LookOptions, LookupErrorKind, Rcode, Servers, Transport, Ways, zone_cut,
};
use fleetcert_dns_wire::{frame, message, name};
use fleetcert_names::DomainName;
use hickory_proto::op::{Message, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{A, CNAME, NS, SOA, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tokio::net::{TcpListener, UdpSocket};

/// What a server makes of a query: `None` is silence.
type Answer = dyn Fn(Transport, &Message) -> Option<Message> + Send + Sync;

/// A server on this address, which lives as long as the test's runtime.
async fn serve_at(
    address: SocketAddr,
    answer: impl Fn(Transport, &Message) -> Option<Message> + Send + Sync + 'static,
) -> SocketAddr {
    let answer: Arc<Answer> = Arc::new(answer);
    let (tcp, udp) = loop {
        let tcp = TcpListener::bind(address).await.unwrap();
        // A port that is free for TCP may be taken for UDP; then another one is tried.
        match UdpSocket::bind(tcp.local_addr().unwrap()).await {
            Ok(udp) => break (tcp, udp),
            Err(error) => assert_eq!((error.kind(), address.port()), (ErrorKind::AddrInUse, 0)),
        }
    };
    let address = tcp.local_addr().unwrap();
    let reply = |answer: &Answer, transport, query: &[u8]| {
        answer(transport, &message::decode(query).unwrap()).map(|reply| message::encode(&reply).unwrap())
    };
    let by_tcp = answer.clone();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = tcp.accept().await.unwrap();
            let answer = by_tcp.clone();
            tokio::spawn(async move {
                let query = frame::read(&mut stream).await.unwrap().unwrap();
                match reply(&*answer, Transport::Tcp, &query) {
                    Some(reply) => frame::write(&mut stream, &reply).await.unwrap(),
                    None => std::future::pending().await,
                }
            });
        }
    });
    tokio::spawn(async move {
        let mut buffer = [0; 65_535];
        loop {
            let (length, from) = udp.recv_from(&mut buffer).await.unwrap();
            if let Some(reply) = reply(&*answer, Transport::Udp, &buffer[..length]) {
                udp.send_to(&reply, from).await.unwrap();
            }
        }
    });
    address
}

async fn serve(
    answer: impl Fn(Transport, &Message) -> Option<Message> + Send + Sync + 'static,
) -> SocketAddr {
    serve_at("127.0.0.1:0".parse().unwrap(), answer).await
}

fn domain(text: &str) -> DomainName {
    text.parse().unwrap()
}

fn challenge() -> DomainName {
    domain("_acme-challenge.a.fleet.test")
}

fn reply_to(query: &Message) -> Message {
    let mut reply = Message::response(query.metadata.id, OpCode::Query);
    reply.add_queries(query.queries.clone());
    reply.metadata.authoritative = true;
    reply
}

fn record(owner: &Name, data: RData) -> Record {
    Record::from_rdata(owner.clone(), 300, data)
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
    let options = LookOptions { ways, query_within: Duration::from_millis(300) };
    let servers = Servers::given(servers).unwrap();
    AuthoritativeVisibility::new(servers, options, Arc::new(SystemClock), Arc::new(SystemEntropy))
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
            "says that the name is an alias of elsewhere.test",
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
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let sighting = look(&visibility(vec![nobody], Ways::Both)).await;
    assert!(sighting.servers.iter().all(|server| server.verdict == failed("is not reachable")), "{sighting}");
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

/// A resolver that knows `test`, its child `fleet.test` with two servers, and nothing of `down.test`.
async fn resolver(queries: Arc<AtomicUsize>) -> SocketAddr {
    serve(move |_, query| {
        queries.fetch_add(1, SeqCst);
        assert!(query.metadata.recursion_desired);
        let owner = query.queries[0].name().clone();
        let asked = name::from_wire(&owner).unwrap();
        let mut reply = reply_to(query);
        reply.metadata.authoritative = false;
        let server = |text| RData::NS(NS(Name::from_ascii(text).unwrap()));
        match (asked.as_str(), query.queries[0].query_type()) {
            ("down.test", _) => reply.metadata.response_code = ResponseCode::ServFail,
            ("fleet.test" | "test" | "bare.test", RecordType::SOA) => {
                let soa = SOA::new(owner.clone(), owner.clone(), 1, 1, 1, 1, 1);
                reply.add_answer(record(&owner, RData::SOA(soa)));
            }
            ("fleet.test", RecordType::NS) => {
                reply.add_answer(record(&owner, server("ns1.fleet.test.")));
                reply.add_answer(record(&owner, server("ns2.fleet.test.")));
            }
            ("ns1.fleet.test", RecordType::A) => {
                reply.add_answer(record(&owner, RData::A(A::new(127, 0, 0, 1))));
            }
            ("ns2.fleet.test", RecordType::A) => {
                reply.add_answer(record(&owner, RData::A(A::new(127, 0, 0, 2))));
            }
            ("ns1.fleet.test" | "ns2.fleet.test" | "a.fleet.test" | "bare.test", _) => {}
            _ => reply.metadata.response_code = ResponseCode::NXDomain,
        }
        Some(reply)
    })
    .await
}

#[tokio::test]
async fn zone_cuts_are_found_from_the_name_upwards() {
    let resolver = resolver(Arc::default()).await;
    let asker = Asker::new(Arc::new(SystemClock), Arc::new(SystemEntropy), Duration::from_secs(2));
    for (name, cut) in [
        ("_acme-challenge.a.fleet.test", "fleet.test"),
        ("a.fleet.test", "fleet.test"),
        ("fleet.test", "fleet.test"),
        ("a.b.elsewhere.test", "test"),
    ] {
        assert_eq!(zone_cut(&asker, &domain(name), resolver).await.unwrap(), domain(cut));
    }
    let error = zone_cut(&asker, &domain("a.example"), resolver).await.unwrap_err();
    assert_eq!(error.kind(), LookupErrorKind::NoZone);
    let error = zone_cut(&asker, &domain("a.down.test"), resolver).await.unwrap_err();
    assert_eq!(error.kind(), LookupErrorKind::Failed(Rcode::ServFail));
}

#[tokio::test]
async fn servers_are_found_by_the_resolver_and_remembered_for_a_while() {
    let queries = Arc::new(AtomicUsize::new(0));
    let resolver = resolver(queries.clone()).await;
    let first = serve(|_, query| Some(with_text(query, b"1"))).await;
    let second = SocketAddr::new(IpAddr::from([127, 0, 0, 2]), first.port());
    serve_at(second, |_, query| Some(with_text(query, b"0"))).await;

    let servers = Servers::found_by(resolver).at_port(first.port());
    let clock = ManualClock::starting_at(SystemTime::UNIX_EPOCH + Duration::from_secs(1));
    let options = LookOptions { ways: Ways::Udp, ..LookOptions::default() };
    let all =
        AuthoritativeVisibility::new(servers, options, Arc::new(clock.clone()), Arc::new(SystemEntropy));
    let expected = format!("{first} udp: seen, {second} udp: not there");
    assert_eq!(look(&all).await.to_string(), expected);
    // SOA and NS of the zone, A and AAAA of each server.
    assert_eq!(queries.load(SeqCst), 6);

    clock.advance(Duration::from_secs(299));
    assert_eq!(look(&all).await.to_string(), expected);
    assert_eq!(queries.load(SeqCst), 6);
    clock.advance(Duration::from_secs(1));
    assert_eq!(look(&all).await.to_string(), expected);
    assert_eq!(queries.load(SeqCst), 12);

    for (zone, kind) in [
        ("example", BackendErrorKind::NotInZone),
        ("down.test", BackendErrorKind::Unavailable),
        ("bare.test", BackendErrorKind::Unavailable),
    ] {
        let error = all.look(&domain(zone), &domain(zone), &"1".parse().unwrap()).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }
    assert!(clock.now() < SystemClock.now());
}
