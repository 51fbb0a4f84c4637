//! The backend against our own name server.

// What the tests share may fail as loudly as they do.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use fleetcert_ambient::{Ambient, Clock, ManualClock, SystemClock};
use fleetcert_dns::conformance::{Outcome, Subject, check};
use fleetcert_dns::{
    Addresses, BackendError, BackendErrorKind, Change, DnsBackend, RecordData, RecordType, Ttl, TxtValue,
};
use fleetcert_dns_rfc2136::{Prerequisite, ReadFirst, Refusal, Rfc2136Backend, Rfc2136Options};
use fleetcert_dns_wire::{Transport, TsigAlgorithm, TsigKey};
use fleetcert_names::DomainName;
use fleetcert_nameserver::{NameServer, NameServerHost, Options, UpdateGrant, ZoneSettings};
use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

fn domain(text: &str) -> DomainName {
    text.parse().unwrap()
}

fn zone() -> DomainName {
    domain("fleet.test")
}

fn key_of(name: &str, algorithm: TsigAlgorithm, secret: u8) -> TsigKey {
    TsigKey::new(domain(name), algorithm, &[secret; 32]).unwrap()
}

fn key() -> TsigKey {
    key_of("ddns", TsigAlgorithm::HmacSha256, 7)
}

/// A name server for `fleet.test` and `other.test`. It lives as long as the test's runtime.
async fn serve(grants: Vec<UpdateGrant>, clock: Arc<dyn Clock>) -> SocketAddr {
    let settings = |origin: DomainName| {
        let name = origin.child(&"ns1".parse().unwrap()).unwrap();
        let addresses = ["127.0.0.1".parse().unwrap()].into();
        ZoneSettings::new(origin, [NameServerHost { name, addresses }])
    };
    let options = Options { grants, max_values: 200, ..Options::default() };
    let server = NameServer::new(
        [settings(zone()), settings(domain("other.test"))],
        options,
        Ambient { clock, ..Ambient::system() },
    )
    .unwrap();
    let listener = server.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr();
    tokio::spawn(listener.serve(CancellationToken::new()));
    address
}

fn grant(key: TsigKey, subtree: &str, types: &[RecordType]) -> UpdateGrant {
    UpdateGrant { key, subtree: domain(subtree), types: types.iter().copied().collect() }
}

async fn server() -> SocketAddr {
    let all = [RecordType::A, RecordType::Aaaa, RecordType::Txt];
    serve(vec![grant(key(), "fleet.test", &all)], Arc::new(SystemClock)).await
}

fn backend_of(options: Rfc2136Options) -> Rfc2136Backend {
    Rfc2136Backend::new(options, Ambient::system())
}

fn addition(name: &str, value: &[u8]) -> Change {
    Change::AddTxt { name: domain(name), value: TxtValue::new(value).unwrap(), ttl: Ttl::CHALLENGE }
}

fn refusal(error: &BackendError) -> Option<Refusal> {
    error.source().and_then(|source| source.downcast_ref()).copied()
}

#[tokio::test]
async fn backend_passes_the_conformance_suite() {
    for transport in [Transport::Tcp, Transport::Udp] {
        let options = Rfc2136Options { transport, ..Rfc2136Options::new(server().await, key()) };
        let subject = Subject::new(|| backend_of(options.clone()), zone(), &SystemClock);
        let report = check(&Subject { calls_at_once: 100, ..subject }).await;
        assert!(report.checks().iter().all(|check| check.outcome == Outcome::Passed), "{report}");
    }
}

#[tokio::test]
async fn backend_passes_the_conformance_suite_with_every_algorithm_and_split_lists() {
    for algorithm in [TsigAlgorithm::HmacSha384, TsigAlgorithm::HmacSha512] {
        let key = key_of("other-key", algorithm, 9);
        let all = [RecordType::A, RecordType::Aaaa, RecordType::Txt];
        let server = serve(vec![grant(key.clone(), "fleet.test", &all)], Arc::new(SystemClock)).await;
        let options = Rfc2136Options { atomic: false, ..Rfc2136Options::new(server, key) };
        let subject = Subject::new(|| backend_of(options.clone()), zone(), &SystemClock);
        check(&Subject { calls_at_once: 100, ..subject }).await.require_passed().unwrap();
    }
}

#[tokio::test]
async fn wrong_key_and_wrong_secret_are_distinguished() {
    let server = server().await;
    for (key, expected) in [
        (key_of("dnds", TsigAlgorithm::HmacSha256, 7), Refusal::BadKey),
        (key_of("ddns", TsigAlgorithm::HmacSha512, 7), Refusal::BadKey),
        (key_of("ddns", TsigAlgorithm::HmacSha256, 8), Refusal::BadSig),
    ] {
        let backend = backend_of(Rfc2136Options::new(server, key));
        let error = backend.apply(&zone(), &[addition("a.fleet.test", b"1")]).await.unwrap_err();
        assert_eq!((refusal(&error), error.kind()), (Some(expected), BackendErrorKind::Unauthenticated));
        assert_eq!(backend.read(&zone(), &domain("a.fleet.test"), RecordType::Txt).await.unwrap(), None);
    }
}

#[tokio::test]
async fn foreign_zone_and_policy_refusal_are_distinguished() {
    let grants = vec![grant(key(), "devices.fleet.test", &[RecordType::Txt])];
    let backend = backend_of(Rfc2136Options::new(serve(grants, Arc::new(SystemClock)).await, key()));
    for (zone, name, kind) in [
        ("elsewhere.test", "a.elsewhere.test", BackendErrorKind::NotInZone),
        ("fleet.test", "a.evilfleet.test", BackendErrorKind::NotInZone),
        ("fleet.test", "a.fleet.test", BackendErrorKind::Refused),
        ("other.test", "a.other.test", BackendErrorKind::Refused),
    ] {
        let error = backend.apply(&domain(zone), &[addition(name, b"1")]).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }
    backend.apply(&zone(), &[addition("a.devices.fleet.test", b"1")]).await.unwrap();
    let name = domain("a.devices.fleet.test");
    let addresses = Change::SetAddresses { name, addresses: Default::default(), ttl: Ttl::ADDRESS };
    let error = backend.apply(&zone(), &[addresses]).await.unwrap_err();
    assert_eq!((refusal(&error), error.kind()), (Some(Refusal::Refused), BackendErrorKind::Refused));
}

#[tokio::test]
async fn clock_skew_of_the_server_is_corrected() {
    for ahead in [Duration::from_secs(7200), Duration::from_secs(86_400 * 3650)] {
        let clock = Arc::new(ManualClock::starting_at(SystemClock.now() + ahead));
        let server = serve(vec![grant(key(), "fleet.test", &[RecordType::Txt])], clock).await;
        let backend = backend_of(Rfc2136Options::new(server, key()));
        backend.apply(&zone(), &[addition("a.fleet.test", b"1")]).await.unwrap();
        let set = backend.read(&zone(), &domain("a.fleet.test"), RecordType::Txt).await.unwrap().unwrap();
        assert_eq!(set.values, [RecordData::Txt("1".parse().unwrap())].into());
        assert_eq!(set.ttl, Ttl::CHALLENGE);
    }
}

#[tokio::test]
async fn oversized_list_is_rejected_or_split() {
    let server = server().await;
    let changes: Vec<_> =
        (0..100).map(|number| addition(&format!("d{number}.fleet.test"), &[b'a'; 1024])).collect();
    let whole = backend_of(Rfc2136Options::new(server, key()));
    let error = whole.apply(&zone(), &changes).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::InvalidInput);
    assert_eq!(whole.read(&zone(), &domain("d0.fleet.test"), RecordType::Txt).await.unwrap(), None);

    let split = backend_of(Rfc2136Options { atomic: false, ..Rfc2136Options::new(server, key()) });
    split.apply(&zone(), &changes).await.unwrap();
    for change in changes {
        assert!(split.read(&zone(), change.name(), RecordType::Txt).await.unwrap().is_some());
    }
}

/// The conformance suite once more, with everything read before it is changed.
#[tokio::test]
async fn backend_passes_the_conformance_suite_when_reading_first() {
    let options =
        Rfc2136Options { read_first: ReadFirst::Everything, ..Rfc2136Options::new(server().await, key()) };
    let subject = Subject::new(|| backend_of(options.clone()), zone(), &SystemClock);
    check(&Subject { calls_at_once: 100, ..subject }).await.require_passed().unwrap();
}

fn addresses(name: &str, last: u8) -> Change {
    let addresses = Addresses::new([[10, 1, 1, last].into()]).unwrap();
    Change::SetAddresses { name: domain(name), addresses, ttl: Ttl::ADDRESS }
}

#[tokio::test]
async fn failed_prerequisite_is_a_conflict_and_changes_nothing() {
    let backend = backend_of(Rfc2136Options::new(server().await, key()));
    backend.apply(&zone(), &[addresses("a.fleet.test", 1), addition("t.fleet.test", b"1")]).await.unwrap();
    let (used, unused) = (domain("a.fleet.test"), domain("b.fleet.test"));
    let set = |last: &[u8]| last.iter().map(|last| RecordData::A([10, 1, 1, *last].into())).collect();
    let exists = |name: &DomainName, record_type| Prerequisite::SetExists { name: name.clone(), record_type };
    let no_set = |name: &DomainName, record_type| Prerequisite::NoSet { name: name.clone(), record_type };
    let is = |last: &[u8]| Prerequisite::SetIs { name: used.clone(), values: set(last) };
    let in_use = |name: &DomainName| Prerequisite::NameInUse { name: name.clone() };
    let not_in_use = |name: &DomainName| Prerequisite::NameNotInUse { name: name.clone() };
    let (nxdomain, yxdomain) = ((3, "(NXDOMAIN)"), (6, "(YXDOMAIN)"));
    let (yxrrset, nxrrset) = ((7, "(YXRRSET)"), (8, "(NXRRSET)"));
    let cases = [
        (exists(&used, RecordType::A), exists(&used, RecordType::Txt), nxrrset),
        (is(&[1]), is(&[1, 2]), nxrrset),
        (is(&[1]), is(&[2]), nxrrset),
        (no_set(&used, RecordType::Aaaa), no_set(&used, RecordType::A), yxrrset),
        (in_use(&used), in_use(&unused), nxdomain),
        (not_in_use(&unused), not_in_use(&used), yxdomain),
    ];
    for (number, (holds, fails, (code, word))) in cases.into_iter().enumerate() {
        let name = format!("made{number}.fleet.test");
        let change = [addition(&name, b"1")];
        // One that fails is enough, and those that hold do not help it.
        let error = backend.apply_if(&zone(), &[holds.clone(), fails.clone()], &change).await.unwrap_err();
        assert_eq!(
            (refusal(&error), error.kind(), error.attempt()),
            (Some(Refusal::Prerequisite(code)), BackendErrorKind::Conflict, 1),
            "{fails:?}"
        );
        assert!(error.to_string().contains(word), "{error}");
        assert_eq!(backend.read(&zone(), &domain(&name), RecordType::Txt).await.unwrap(), None);
        backend.apply_if(&zone(), std::slice::from_ref(&holds), &change).await.unwrap();
        assert!(backend.read(&zone(), &domain(&name), RecordType::Txt).await.unwrap().is_some(), "{holds:?}");
    }
    // Prerequisites alone ask a question.
    backend.apply_if(&zone(), &[in_use(&used)], &[]).await.unwrap();
    // Without any it is an ordinary change.
    backend.apply_if(&zone(), &[], &[addition("c.fleet.test", b"1")]).await.unwrap();
}

#[tokio::test]
async fn invalid_prerequisites_are_rejected() {
    let backend = backend_of(Rfc2136Options::new(server().await, key()));
    let outside = Prerequisite::NameInUse { name: domain("a.other.test") };
    let error = backend.apply_if(&zone(), &[outside], &[]).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::NotInZone);
    let empty = Prerequisite::SetIs { name: domain("a.fleet.test"), values: [].into() };
    let error = backend.apply_if(&zone(), &[empty], &[]).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::InvalidInput);
    assert!(error.to_string().contains("NoSet"), "{error}");
}

/// Twenty callers count one name up by compare-and-set. Each number is given once.
#[tokio::test]
async fn compare_and_set_loses_no_count() {
    let backend = Arc::new(backend_of(Rfc2136Options::new(server().await, key())));
    let name = domain("counter.fleet.test");
    backend.apply(&zone(), &[addresses("counter.fleet.test", 0)]).await.unwrap();
    let callers: Vec<_> = (0..20)
        .map(|_| {
            let (backend, name) = (backend.clone(), name.clone());
            tokio::spawn(async move {
                loop {
                    let set = backend.read(&zone(), &name, RecordType::A).await.unwrap().unwrap();
                    let [RecordData::A(address)] = set.values.iter().collect::<Vec<_>>()[..] else {
                        panic!("{set:?}")
                    };
                    let next = address.octets()[3] + 1;
                    let still = Prerequisite::SetIs { name: name.clone(), values: set.values.clone() };
                    let counted = [addresses("counter.fleet.test", next)];
                    match backend.apply_if(&zone(), &[still], &counted).await {
                        Ok(()) => return next,
                        Err(error) => assert_eq!(error.kind(), BackendErrorKind::Conflict, "{error}"),
                    }
                }
            })
        })
        .collect();
    let mut given = Vec::new();
    for caller in callers {
        given.push(caller.await.unwrap());
    }
    given.sort_unstable();
    assert_eq!(given, (1..=20).collect::<Vec<_>>());
}

#[tokio::test]
async fn last_change_of_a_record_wins() {
    let backend = backend_of(Rfc2136Options::new(server().await, key()));
    let remove = |value: &[u8]| Change::RemoveTxt {
        name: domain("a.fleet.test"),
        value: TxtValue::new(value).unwrap(),
    };
    let add = |value: &[u8]| addition("a.fleet.test", value);
    let changes = [add(b"1"), add(b"2"), remove(b"1"), add(b"3"), remove(b"3"), add(b"3"), add(b"2")];
    backend.apply(&zone(), &changes).await.unwrap();
    let set = backend.read(&zone(), &domain("a.fleet.test"), RecordType::Txt).await.unwrap().unwrap();
    assert_eq!(set.values, ["2", "3"].map(|value| RecordData::Txt(value.parse().unwrap())).into());
}

/// Of two equal updates that are signed in the same second with the same id, a server takes the second for a replay.
/// With random ids, some of these would be such.
#[tokio::test]
async fn equal_updates_at_once_are_not_taken_for_replays() {
    let backend = backend_of(Rfc2136Options::new(server().await, key()));
    let (zone, change) = (zone(), [addresses("a.fleet.test", 1)]);
    for made in join_all((0..1500).map(|_| backend.apply(&zone, &change))).await {
        made.unwrap();
    }
}

/// A server that closed the connection in their midst would have some of them sent again.
#[tokio::test]
async fn each_update_is_sent_once() {
    let backend = Rfc2136Backend::new(Rfc2136Options::new(server().await, key()), Ambient::system());
    let changes: Vec<_> = (0..300).map(|number| [addition(&format!("d{number}.fleet.test"), b"1")]).collect();
    let zone = zone();
    for made in join_all(changes.iter().map(|changes| backend.apply(&zone, changes))).await {
        made.unwrap();
    }
    assert_eq!(backend.updates_sent(), 300);
}
