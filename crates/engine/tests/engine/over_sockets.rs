//! The engine over real sockets: a CA behind HTTPS, and a name server that the CA and the engine ask.

use std::sync::Arc;

use fleetcert_store::SqliteStore;

use crate::setting::{Running, World, enrol, records, request_for, until};

/// In real time, which is the time of sockets.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificate_is_issued_over_https_and_dns_and_its_challenge_withdrawn() {
    let world = World::start_over_sockets().await;
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(&folder.path().join("control.db")).unwrap());
    let running = Running::start(world.parts(store.clone()));
    let device = enrol(&running.engine).await;
    device.request(&running.engine, &request_for(&device.name)).await.unwrap();
    let chain = device.chain(&running.engine).await;
    assert_eq!(chain.leaf().identifiers(), [device.name.clone().into()]);
    until("no challenge is left", async || records(&*store, "challenge").await.is_empty()).await;
    assert!(!world.has_challenge(&device.name).await);
    assert_eq!((world.orders(&device.name), world.certificates(&device.name)), (1, 1));
    running.end().await;
    world.end().await;
}
