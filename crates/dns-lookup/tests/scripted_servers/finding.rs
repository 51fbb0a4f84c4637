//! Zones and servers, found through a resolver and remembered.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, SystemTime};

use fleetcert_ambient::{Ambient, ManualClock};
use fleetcert_dns::{BackendErrorKind, Visibility};
use fleetcert_dns_lookup::{
    Asker, AuthoritativeVisibility, Finder, LookOptions, LookupErrorKind, Rcode, Resolver, Servers, Ways,
};
use hickory_proto::op::ResponseCode;

use crate::records::Records;
use crate::server::{serve, serve_at};
use crate::{domain, finder};

/// Knows `test`, its child `fleet.test` with two servers, and `bare.test` without; nothing of `down.test`.
async fn resolver(queries: Arc<AtomicUsize>) -> SocketAddr {
    let records = Records::new(
        "test SOA 1 30
         fleet.test SOA 1 30
         fleet.test NS ns1.fleet.test
         fleet.test NS ns2.fleet.test
         ns1.fleet.test A 127.0.0.1
         ns2.fleet.test A 127.0.0.2
         a.fleet.test TXT 1
         alias.fleet.test CNAME elsewhere.test
         elsewhere.test SOA 1 30
         bare.test SOA 1 30",
    );
    serve(move |_, query| {
        queries.fetch_add(1, SeqCst);
        let mut reply = records.resolved(query);
        if query.queries[0].name().to_ascii().ends_with("down.test.") {
            reply.metadata.response_code = ResponseCode::ServFail;
        }
        Some(reply)
    })
    .await
}

#[tokio::test]
async fn zone_cuts_are_found_from_the_name_upwards() {
    let queries = Arc::new(AtomicUsize::new(0));
    let finder = finder(resolver(queries.clone()).await);
    for (name, cut) in [
        ("_acme-challenge.a.fleet.test", "fleet.test"),
        ("a.fleet.test", "fleet.test"),
        ("fleet.test", "fleet.test"),
        ("a.b.nowhere.test", "test"),
        // The SOA in the answer is that of the zone in which the alias ends.
        ("alias.fleet.test", "fleet.test"),
    ] {
        assert_eq!(finder.zone_cut(&domain(name)).await.unwrap(), domain(cut), "{name}");
    }
    // Each name was asked for once.
    assert_eq!(queries.load(SeqCst), 8);
    let error = finder.zone_cut(&domain("a.example")).await.unwrap_err();
    assert_eq!(error.kind(), LookupErrorKind::NoZone);
    let error = finder.zone_cut(&domain("a.down.test")).await.unwrap_err();
    assert_eq!(error.kind(), LookupErrorKind::Failed(Rcode::ServFail));
}

#[tokio::test]
async fn what_was_found_is_remembered_by_its_time_to_live() {
    let queries = Arc::new(AtomicUsize::new(0));
    let resolver = resolver(queries.clone()).await;
    let clock = ManualClock::starting_at(SystemTime::UNIX_EPOCH);
    let ambient = Ambient { clock: Arc::new(clock.clone()), ..Ambient::system() };
    let asker = Asker::new(ambient, Duration::from_secs(2));
    let finder = Finder::new(Resolver::tcp(resolver), asker);
    let asked = async || {
        let before = queries.load(SeqCst);
        finder.clone().zone_cut(&domain("a.fleet.test")).await.unwrap();
        queries.load(SeqCst) - before
    };
    assert_eq!(asked().await, 2);
    clock.advance(Duration::from_secs(29));
    assert_eq!(asked().await, 0);
    // That `a` is no zone holds for the negative time to live, the zone itself for 300 seconds.
    clock.advance(Duration::from_secs(1));
    assert_eq!(asked().await, 1);
    clock.advance(Duration::from_secs(270));
    assert_eq!(asked().await, 2);
}

#[tokio::test]
async fn servers_are_found_by_the_resolver_and_remembered_for_a_while() {
    let queries = Arc::new(AtomicUsize::new(0));
    let resolver = resolver(queries.clone()).await;
    let zone =
        |value| Records::new(&format!("fleet.test SOA 1 30\n_acme-challenge.a.fleet.test TXT {value}"));
    let (new, old) = (zone(1), zone(0));
    let first = serve(move |_, query| Some(new.authoritative(query, &["fleet.test"]))).await;
    let second = SocketAddr::new(IpAddr::from([127, 0, 0, 2]), first.port());
    serve_at(second, move |_, query| Some(old.authoritative(query, &["fleet.test"]))).await;

    let servers = Servers::found_by(resolver).at_port(first.port());
    let clock = ManualClock::starting_at(SystemTime::UNIX_EPOCH + Duration::from_secs(1));
    let options = LookOptions { ways: Ways::Udp, ..LookOptions::default() };
    let all = AuthoritativeVisibility::new(
        servers,
        options,
        Ambient { clock: Arc::new(clock.clone()), ..Ambient::system() },
    );
    let look = async || {
        let (name, value) = (domain("_acme-challenge.a.fleet.test"), "1".parse().unwrap());
        all.look(&domain("fleet.test"), &name, &value).await.unwrap().to_string()
    };
    let expected = format!("{first} udp: seen, {second} udp: not there");
    assert_eq!(look().await, expected);
    // SOA and NS of the zone, A and AAAA of each server.
    assert_eq!(queries.load(SeqCst), 6);

    clock.advance(Duration::from_secs(299));
    assert_eq!(look().await, expected);
    assert_eq!(queries.load(SeqCst), 6);
    clock.advance(Duration::from_secs(1));
    assert_eq!(look().await, expected);
    assert_eq!(queries.load(SeqCst), 12);

    for (zone, kind) in [
        ("example", BackendErrorKind::NotInZone),
        ("down.test", BackendErrorKind::Unavailable),
        ("bare.test", BackendErrorKind::Unavailable),
    ] {
        let error = all.look(&domain(zone), &domain(zone), &"1".parse().unwrap()).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }
}

#[tokio::test]
async fn a_server_whose_address_is_not_known_has_a_verdict() {
    let records = Records::new(
        "fleet.test SOA 1 30
         fleet.test NS ns1.fleet.test
         fleet.test NS ns.down.test
         fleet.test NS ns.gone.test
         ns1.fleet.test A 127.0.0.1",
    );
    let zone = records.clone();
    let server = serve(move |_, query| Some(zone.authoritative(query, &["fleet.test"]))).await;
    let resolver = serve(move |_, query| {
        let mut reply = records.resolved(query);
        if query.queries[0].name().to_ascii().ends_with("down.test.") {
            reply.metadata.response_code = ResponseCode::ServFail;
        }
        Some(reply)
    })
    .await;
    let servers = Servers::found_by(resolver).at_port(server.port());
    let options = LookOptions { ways: Ways::Udp, ..LookOptions::default() };
    let all = AuthoritativeVisibility::new(servers, options, Ambient::system());
    let sighting =
        all.look(&domain("fleet.test"), &domain("a.fleet.test"), &"1".parse().unwrap()).await.unwrap();
    let expected = format!("ns.down.test: its addresses cannot be looked up now, {server} udp: not there");
    assert_eq!(sighting.to_string(), expected);
}
