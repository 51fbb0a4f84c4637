//! The cost of a certificate in calls to the store.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use fleetcert_engine::{Engine, Event, Events};
use fleetcert_store::{InterceptedStore, Interceptor, MemoryStore, StoreCall, StoreError};
use parking_lot::Mutex;

use crate::setting::{Running, World, enrol, request_for, until};

/// Counts reads, by collection, and commits. Claims, pages and counts are not counted: the workers make them whether
/// there is an order or not.
#[derive(Debug, Default)]
struct CallCounter(Mutex<Calls>);

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
impl Interceptor for CallCounter {
    async fn before(&self, call: StoreCall<'_>) -> Result<(), StoreError> {
        let mut calls = self.0.lock();
        match call {
            StoreCall::Read { collection, .. } => {
                *calls.reads.entry(collection.as_str()).or_default() += 1;
            }
            StoreCall::Commit { .. } => calls.commits += 1,
            _ => {}
        }
        Ok(())
    }
}

/// Records the counts at the moment a certificate is stored.
#[derive(Debug)]
struct AtIssuance {
    counter: Arc<CallCounter>,
    calls: Mutex<Option<Calls>>,
}

impl Events for AtIssuance {
    fn notify(&self, event: &Event<'_>) {
        if let Event::Issued { .. } = event {
            *self.calls.lock() = Some(self.counter.0.lock().clone());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn certificate_costs_13_reads_and_13_commits() {
    let world = World::start().await;
    let counter = Arc::new(CallCounter::default());
    let store = InterceptedStore::new(Arc::new(MemoryStore::new()), counter.clone());
    let events = Arc::new(AtIssuance { counter: counter.clone(), calls: Mutex::default() });
    let mut parts = world.parts(Arc::new(store));
    parts.events = events.clone();
    // No worker runs yet, so that nothing but the request is counted.
    let engine = Engine::new(parts);
    let device = enrol(&engine).await;
    *counter.0.lock() = Calls::default();
    device.request(&engine, &request_for(&device.name)).await.unwrap();
    let request = counter.0.lock().clone();
    let running = Running::of(engine);
    until("issued", || async { events.calls.lock().is_some() }).await;
    let issued = events.calls.lock().clone().unwrap();
    // The request and the attempt read each record once.
    assert_eq!((request.reads(), request.commits), (7, 1), "{request:?}");
    assert_eq!((issued.reads(), issued.commits), (13, 13), "{issued:?}");
    running.end().await;
    world.end().await;
}
