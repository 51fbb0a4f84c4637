//! How often a certificate reads and writes the store.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use fleetcert_engine::{Engine, Event, Events};
use fleetcert_store::{Collection, MemoryStore, Record, Store, StoreError, Transaction, Version};

use crate::setting::{Running, World, enrol, request_for, until};

/// A store that counts reads, by collection, and commits. Claims, pages and counts are not counted: the workers make
/// them whether there is an order or not.
#[derive(Debug, Default)]
struct Counting {
    store: MemoryStore,
    calls: Mutex<Calls>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Calls {
    reads: BTreeMap<&'static str, usize>,
    commits: usize,
}

impl Calls {
    fn reads(&self) -> usize {
        self.reads.values().sum()
    }
}

#[async_trait]
impl Store for Counting {
    async fn read(&self, collection: Collection, key: &str) -> Result<Option<Record>, StoreError> {
        *self.calls.lock().reads.entry(collection.as_str()).or_default() += 1;
        self.store.read(collection, key).await
    }

    async fn page(
        &self,
        collection: Collection,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        self.store.page(collection, after, limit).await
    }

    async fn commit(&self, transaction: Transaction) -> Result<Version, StoreError> {
        self.calls.lock().commits += 1;
        self.store.commit(transaction).await
    }

    async fn claim(
        &self,
        collection: Collection,
        now: SystemTime,
        until: SystemTime,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        self.store.claim(collection, now, until, limit).await
    }

    async fn count_due(
        &self,
        collection: Collection,
        by: SystemTime,
        limit: usize,
    ) -> Result<usize, StoreError> {
        self.store.count_due(collection, by, limit).await
    }
}

/// Notes the counts at the moment a certificate is stored.
#[derive(Debug)]
struct AtIssuance {
    store: Arc<Counting>,
    calls: Mutex<Option<Calls>>,
}

impl Events for AtIssuance {
    fn notify(&self, event: &Event<'_>) {
        if let Event::Issued { .. } = event {
            *self.calls.lock() = Some(self.store.calls.lock().clone());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificate_costs_13_reads_and_13_commits() {
    let world = World::start().await;
    let store = Arc::new(Counting::default());
    let events = Arc::new(AtIssuance { store: Arc::clone(&store), calls: Mutex::default() });
    let mut parts = world.parts(store.clone());
    parts.events = events.clone();
    // No worker runs yet, so that nothing but the request is counted.
    let engine = Engine::new(parts);
    let device = enrol(&engine).await;
    *store.calls.lock() = Calls::default();
    device.request(&engine, &request_for(&device.name)).await.unwrap();
    let request = store.calls.lock().clone();
    let running = Running::of(engine);
    until("issued", || async { events.calls.lock().is_some() }).await;
    let issued = events.calls.lock().clone().unwrap();
    // The request and the attempt read each record once.
    assert_eq!((request.reads(), request.commits), (7, 1), "{request:?}");
    assert_eq!((issued.reads(), issued.commits), (13, 13), "{issued:?}");
    running.end().await;
    world.end().await;
}
