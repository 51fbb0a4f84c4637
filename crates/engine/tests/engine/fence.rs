//! Fences: a process that stood still while others worked writes nothing that rests on an old state.

use std::sync::Arc;
use std::time::Duration;

use fleetcert_engine::{Engine, EngineError, EngineErrorKind};
use fleetcert_protocol::{CertificateRequest, CertificateStatus};
use fleetcert_store::{MemoryStore, Store};
use fleetcert_x509::{KeyKind, KeyPair};
use tokio::task::JoinSet;

use crate::setting::{
    Device, Running, ShiftedClock, World, chain_of, enrol, parts_without_ca, records, refused, request_for,
    request_with, until,
};
use crate::stopping_store::{Side, WriteStop};

/// Longer than every lease.
const STALL: Duration = Duration::from_secs(400);

#[tokio::test(start_paused = true)]
async fn process_with_an_expired_lease_writes_nothing() {
    let world = Arc::new(World::start().await);
    let mut stops = JoinSet::new();
    // The writes of an order after the request, from its lease to its end.
    for n in 2..=13 {
        let world = world.clone();
        stops.spawn(async move { stand_still(&world, n).await });
    }
    let costs = stops.join_all().await;
    // The process that stood between the answer to newOrder and its journal entry cost an order.
    assert_eq!(costs.iter().sum::<usize>(), costs.len() + 1, "{costs:?}");
    Arc::into_inner(world).unwrap().end().await;
}

/// Returns the number of orders that were placed when the first process stood still before its `n`-th write.
async fn stand_still(world: &World, n: usize) -> usize {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let clock = world.clock.unshifted();
    let (stopping, stop) = WriteStop::before(store.clone());
    let old = Running::start(world.parts_at(stopping, &clock));
    let device = enrol(&old.engine).await;
    let csr = request_for(&device.name);
    stop.arm(n, Side::Before);
    device.request(&old.engine, &csr).await.unwrap();
    stop.stopped().await;

    clock.jump(STALL);
    let new = Running::start(world.parts_at(store.clone(), &clock));
    let settled =
        |status: &CertificateStatus| matches!(status, CertificateStatus::Issued { renew_at: Some(_), .. });
    let chain = chain_of(&device.wait(&new.engine, settled).await);
    let before = records(&*store, "certificate").await;
    let (orders, certificates) = (world.orders(&device.name), world.certificates(&device.name));

    stop.thaw();
    old.end().await;
    assert_eq!(records(&*store, "certificate").await, before, "write {n}");
    assert!(records(&*store, "order").await.is_empty(), "write {n}");
    assert_eq!(chain_of(&device.status(&new.engine).await), chain);
    new.end().await;
    assert!(!world.has_challenge(&device.name).await, "write {n}");
    assert!(records(&*store, "challenge").await.is_empty(), "write {n}");
    assert_eq!((world.orders(&device.name), world.certificates(&device.name)), (orders, certificates));
    assert_eq!(certificates, 1, "write {n}");
    orders
}

/// Makes a request that stops before it is written, until `meanwhile` is over.
async fn held_up(
    stop: &WriteStop,
    engine: &Engine,
    (device, csr): (&Device, &CertificateRequest),
    meanwhile: impl AsyncFnOnce(),
) -> Result<CertificateStatus, EngineError> {
    stop.arm(1, Side::Before);
    let others = async {
        stop.stopped().await;
        meanwhile().await;
        stop.thaw();
    };
    tokio::join!(device.request(engine, csr), others).0
}

#[tokio::test(start_paused = true)]
async fn late_request_does_not_order_again_what_was_issued_meanwhile() {
    let world = World::start().await;
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let (stopping, stop) = WriteStop::before(store.clone());
    // The same request comes twice, to two nodes; one of them takes requests and runs no worker.
    let slow = Engine::new(world.parts(stopping));
    let running = Running::start(world.parts(store.clone()));
    for same_request in [true, false] {
        let device = enrol(&slow).await;
        let csr = request_for(&device.name);
        let other = if same_request { csr.clone() } else { request_for(&device.name) };
        let status = held_up(&stop, &slow, (&device, &csr), async || {
            device.request(&running.engine, &other).await.unwrap();
            device.chain(&running.engine).await;
        })
        .await
        .unwrap();
        // A request for the same is answered with the chain; another one is another order, as if it had come later.
        if same_request {
            chain_of(&status);
            assert_eq!(world.orders(&device.name), 1);
        } else {
            assert!(matches!(status, CertificateStatus::Queued { .. }), "{status:?}");
            until("it is placed", async || world.orders(&device.name) == 2).await;
            let orders = world.ca.ledger().orders();
            assert!(orders.last().is_some_and(|order| order.replaces.is_some()), "{orders:?}");
        }
    }
    running.end().await;
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn late_request_does_not_replace_a_waiting_order() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let (stopping, stop) = WriteStop::before(store.clone());
    let clock = ShiftedClock::in_virtual_time();
    let slow = Engine::new(parts_without_ca(stopping, clock.clone()));
    let quick = Engine::new(parts_without_ca(store.clone(), clock));
    let device = enrol(&quick).await;
    let mut before = Vec::new();
    held_up(&stop, &slow, (&device, &request_for(&device.name)), async || {
        device.request(&quick, &request_for(&device.name)).await.unwrap();
        before = records(&*store, "order").await;
    })
    .await
    .unwrap();
    assert_eq!(records(&*store, "order").await, before);
}

#[tokio::test(start_paused = true)]
async fn late_request_with_a_key_that_another_device_used_meanwhile_is_refused() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let (stopping, stop) = WriteStop::before(store.clone());
    let clock = ShiftedClock::in_virtual_time();
    let slow = Engine::new(parts_without_ca(stopping, clock.clone()));
    let quick = Engine::new(parts_without_ca(store, clock));
    let (one, other) = (enrol(&quick).await, enrol(&quick).await);
    let key = KeyPair::generate(KeyKind::P256).unwrap();
    let outcome = held_up(&stop, &slow, (&one, &request_with(&one.name, &key)), async || {
        other.request(&quick, &request_with(&other.name, &key)).await.unwrap();
    })
    .await;
    assert_eq!(refused(outcome, EngineErrorKind::CsrRefused).code(), Some("key_reused"));
    // No order is left of it.
    assert_eq!(one.status(&quick).await, CertificateStatus::None);
}

#[tokio::test(start_paused = true)]
async fn certificate_is_stored_although_its_record_was_written_meanwhile() {
    /// The last write of an order, counted from its request.
    const STORED: usize = 13;
    let world = World::start().await;
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let (stopping, stop) = WriteStop::before(store.clone());
    let running = Running::start(world.parts(stopping));
    let device = enrol(&running.engine).await;
    device.request(&running.engine, &request_for(&device.name)).await.unwrap();
    let settled =
        |status: &CertificateStatus| matches!(status, CertificateStatus::Issued { renew_at: Some(_), .. });
    let first = chain_of(&device.wait(&running.engine, settled).await);

    stop.arm(STORED, Side::Before);
    device.request(&running.engine, &request_for(&device.name)).await.unwrap();
    stop.stopped().await;
    let operator = Engine::new(world.parts(store.clone()));
    let order = String::from_utf8(records(&*store, "order").await.remove(0).value).unwrap();
    assert!(order.contains(r#""state":"done""#), "{order}");
    operator.look_at_renewal(&device.name).await.unwrap();
    stop.thaw();
    // It does not wait for its lease to end.
    device.wait(&running.engine, |status| settled(status) && chain_of(status) != first).await;
    running.end().await;
    world.end().await;
}
