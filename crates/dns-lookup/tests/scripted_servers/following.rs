//! Challenges that are written where their names lead.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use fleetcert_ambient::{Ambient, Clock, SystemClock};
use fleetcert_dns::challenge::{ChallengeOptions, ChallengeRecord, Challenges};
use fleetcert_dns::conformance::{Subject, check};
use fleetcert_dns::{
    Addresses, BackendErrorKind, Change, DnsBackend, DnsBackendExt, MemoryBackend, RecordType, Ttl,
};
use fleetcert_dns_lookup::{AuthoritativeVisibility, FollowingBackend, LookOptions, Servers};
use fleetcert_nameserver::{NameServer, NameServerHost, Options, ZoneSettings};
use tokio_util::sync::CancellationToken;

use crate::records::Records;
use crate::server::{nobody, serve, serve_at};
use crate::{domain, finder};

const WORLD: &str = "test SOA 1 30
    fleet.test SOA 1 30
    fleet.test NS ns.fleet.test
    ns.fleet.test A 127.0.0.2
    _acme-challenge.alias.fleet.test CNAME alias.acme.test
    _acme-challenge.circle.fleet.test CNAME _acme-challenge.circle.fleet.test
    _acme-challenge.away.fleet.test CNAME away.other.test
    other.test SOA 1 30
    acme.test SOA 1 30
    acme.test NS ns1.acme.test
    ns1.acme.test A 127.0.0.1";

async fn resolver() -> SocketAddr {
    let records = Records::new(WORLD);
    serve(move |_, query| Some(records.resolved(query))).await
}

fn inner() -> MemoryBackend {
    MemoryBackend::new([&domain("fleet.test"), &domain("acme.test"), &domain("other.test")])
}

fn addition(name: &str, value: &str) -> Change {
    Change::AddTxt { name: domain(name), value: value.parse().unwrap(), ttl: Ttl::CHALLENGE }
}

#[tokio::test]
async fn only_challenges_are_led_away() {
    let (zone, target_zone) = (domain("fleet.test"), domain("acme.test"));
    let inner = inner();
    let backend = FollowingBackend::new(inner.clone(), finder(resolver().await), [target_zone.clone()]);
    let alias = domain("_acme-challenge.alias.fleet.test");
    let addresses = Addresses::new(["10.1.1.4".parse().unwrap()]).unwrap();
    let changes = [
        addition("_acme-challenge.alias.fleet.test", "1"),
        addition("_acme-challenge.plain.fleet.test", "2"),
        addition("alias.fleet.test", "3"),
        Change::SetAddresses { name: alias.clone(), addresses, ttl: Ttl::ADDRESS },
    ];
    backend.apply(&zone, &changes).await.unwrap();
    let texts = async |zone: &str, name: &str| inner.texts(&domain(zone), &domain(name)).await.unwrap().len();
    assert_eq!(texts("acme.test", "alias.acme.test").await, 1);
    assert_eq!(texts("fleet.test", "_acme-challenge.alias.fleet.test").await, 0);
    assert_eq!(texts("fleet.test", "_acme-challenge.plain.fleet.test").await, 1);
    assert_eq!(texts("fleet.test", "alias.fleet.test").await, 1);
    assert!(inner.read(&zone, &alias, RecordType::A).await.unwrap().is_some());
    assert_eq!(backend.texts(&zone, &alias).await.unwrap().len(), 1);

    backend.remove_txt(&zone, &alias, &"1".parse().unwrap()).await.unwrap();
    assert_eq!(texts("acme.test", "alias.acme.test").await, 0);
}

#[tokio::test]
async fn what_may_not_be_written_is_refused_as_a_whole() {
    let zone = domain("fleet.test");
    let inner = inner();
    let allowed = [domain("acme.test")];
    let backend = FollowingBackend::new(inner.clone(), finder(resolver().await), allowed.clone());
    let deaf = FollowingBackend::new(inner.clone(), finder(nobody()), allowed);
    for (backend, host, kind, text) in [
        (&backend, "away", BackendErrorKind::Refused, "other.test, which is not among the zones"),
        (&backend, "circle", BackendErrorKind::InvalidInput, "→ _acme-challenge.circle.fleet.test"),
        (&deaf, "alias", BackendErrorKind::Unavailable, "nobody listens there"),
    ] {
        let name = format!("_acme-challenge.{host}.fleet.test");
        let changes = [addition("_acme-challenge.plain.fleet.test", "1"), addition(&name, "1")];
        let error = backend.apply(&zone, &changes).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(text), "{error}");
        let error = backend.texts(&zone, &domain(&name)).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }
    let outside = addition("_acme-challenge.a.other.test", "1");
    assert_eq!(backend.apply(&zone, &[outside]).await.unwrap_err().kind(), BackendErrorKind::NotInZone);
    assert_eq!(inner.record_sets(), 0);
}

#[tokio::test]
async fn a_challenge_behind_an_alias_is_published_seen_and_withdrawn() {
    // The zone of the aliases is on our own name server, the fleet's on another with the alias alone.
    let host =
        NameServerHost { name: domain("ns1.acme.test"), addresses: ["127.0.0.1".parse().unwrap()].into() };
    let settings = ZoneSettings::new(domain("acme.test"), [host]);
    let server = NameServer::new([settings], Options::default(), Ambient::system()).unwrap();
    let listener = server.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let port = listener.local_addr().port();
    tokio::spawn(listener.serve(CancellationToken::new()));
    let fleet = Records::new(WORLD);
    let beside = SocketAddr::new([127, 0, 0, 2].into(), port);
    serve_at(beside, move |_, query| Some(fleet.authoritative(query, &["fleet.test"]))).await;

    let resolver = resolver().await;
    let backend = FollowingBackend::new(server.clone(), finder(resolver), [domain("acme.test")]);
    let servers = Servers::found_by(resolver).at_port(port);
    let seen = AuthoritativeVisibility::new(servers, LookOptions::default(), Ambient::system());
    let options = ChallengeOptions::default();
    let all = Challenges::new(Arc::new(backend), Arc::new(seen), Ambient::system(), options);
    let record = ChallengeRecord {
        zone: domain("fleet.test"),
        name: domain("_acme-challenge.alias.fleet.test"),
        value: "1".parse().unwrap(),
        owner: "order 1".parse().unwrap(),
        expires: SystemClock.now() + Duration::from_secs(60),
    };
    let published = all.publish(vec![record]).await.unwrap();
    let sightings = published.wait_until_visible().await.unwrap();
    let by = |way| format!("127.0.0.1:{port} {way} for alias.acme.test: seen");
    assert_eq!(sightings[0].to_string(), format!("{}, {}", by("udp"), by("tcp")));
    published.withdraw().await.unwrap();
    let target = domain("alias.acme.test");
    assert!(server.texts(&domain("acme.test"), &target).await.unwrap().is_empty());
}

#[tokio::test]
async fn it_passes_the_conformance_suite() {
    let resolver = resolver().await;
    let inner = inner();
    let factory = || FollowingBackend::new(inner.clone(), finder(resolver), []);
    let subject = Subject::new(factory, domain("fleet.test"), &SystemClock);
    check(&Subject { calls_at_once: 100, ..subject }).await.require_passed().unwrap();
}
