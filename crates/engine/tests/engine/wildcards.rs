//! Certificates for a host name and the wildcard below it.

use std::collections::BTreeSet;
use std::sync::Arc;

use fleetcert_dns::{DnsBackend, RecordType};
use fleetcert_engine::EngineErrorKind;
use fleetcert_names::HostName;
use fleetcert_protocol::{CertificateRequest, CsrBytes};
use fleetcert_store::MemoryStore;

use crate::setting::{Running, World, enrol, records, refused, request_for, until};

/// A request for `name` and `*.base`.
fn request_with_wildcard(name: &HostName, base: &HostName) -> CertificateRequest {
    request_of(vec![name.to_string(), format!("*.{base}")])
}

fn request_of(names: Vec<String>) -> CertificateRequest {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(names).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    let csr = params.serialize_request(&key).unwrap();
    CertificateRequest { csr: CsrBytes::new(csr.der().to_vec()).unwrap() }
}

#[tokio::test(start_paused = true)]
async fn wildcard_and_its_base_come_in_one_certificate() {
    let world = World::start().await;
    let store = Arc::new(MemoryStore::new());
    let mut parts = world.parts(store.clone());
    parts.options.wildcards = true;
    let running = Running::start(parts);
    let engine = &running.engine;
    let (device, other) = (enrol(engine).await, enrol(engine).await);

    let foreign = device.request(engine, &request_with_wildcard(&device.name, &other.name)).await;
    assert_eq!(refused(foreign, EngineErrorKind::CsrRefused).code(), Some("wildcard_not_granted"));

    device.request(engine, &request_with_wildcard(&device.name, &device.name)).await.unwrap();
    let chain = device.chain(engine).await;
    let both = format!("{0},*.{0}", device.name).parse().unwrap();
    assert_eq!(chain.leaf().identifier_set().unwrap(), both);
    // Both values stood at one challenge name, and both were withdrawn.
    assert!(!world.has_challenge(&device.name).await);
    assert!(records(&*store, "challenge").await.is_empty());
    assert_eq!(world.ca.ledger().orders().len(), 1);

    // A device that does not ask for a wildcard gets none.
    other.request(engine, &request_for(&other.name)).await.unwrap();
    assert_eq!(other.chain(engine).await.leaf().identifiers(), [other.name.clone().into()]);
    running.end().await;
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn orders_of_two_sets_of_one_device_are_in_flight_together() {
    let world = World::start().await;
    let store = Arc::new(MemoryStore::new());
    let mut parts = world.parts(store.clone());
    parts.options.wildcards = true;
    let running = Running::start(parts);
    let engine = &running.engine;
    let device = enrol(engine).await;
    world.ca.faults().hold_validations();
    device.request(engine, &request_for(&device.name)).await.unwrap();
    device.request(engine, &request_with_wildcard(&device.name, &device.name)).await.unwrap();
    // The name, and the name with its wildcard: three values at one challenge name.
    let values = async || {
        let name = device.name.challenge_name();
        let found = world.backend.read(&crate::setting::zone(), &name, RecordType::Txt).await.unwrap();
        found.map_or(0, |set| set.values.len())
    };
    until("all values are published", async || values().await == 3).await;
    assert_eq!(records(&*store, "order").await.len(), 2);
    assert_eq!(records(&*store, "challenge").await.len(), 3);
    world.ca.faults().release_validations();
    until("both are issued", async || records(&*store, "certificate").await.len() == 2).await;
    until("nothing is left", async || values().await == 0).await;
    let sets: BTreeSet<_> = world
        .ca
        .ledger()
        .certificates()
        .iter()
        .map(|issued| issued.chain.leaf().identifier_set().unwrap())
        .collect();
    let both = format!("{0},*.{0}", device.name).parse().unwrap();
    assert_eq!(sets, BTreeSet::from([device.name.clone().into(), both]));
    assert_eq!(world.ca.ledger().orders().len(), 2);
    assert!(records(&*store, "challenge").await.is_empty());
    running.end().await;
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn wildcards_are_refused_by_default() {
    let world = World::start().await;
    let running = Running::start(world.parts(Arc::new(MemoryStore::new())));
    let device = enrol(&running.engine).await;
    let wildcard = format!("*.{}", device.name);
    for (names, code) in [
        (vec![wildcard.clone()], "wildcard_not_granted"),
        // The default policy for devices has one name.
        (vec![device.name.to_string(), wildcard], "san_too_many"),
    ] {
        let outcome = device.request(&running.engine, &request_of(names)).await;
        assert_eq!(refused(outcome, EngineErrorKind::CsrRefused).code(), Some(code));
    }
    running.end().await;
    world.end().await;
}
