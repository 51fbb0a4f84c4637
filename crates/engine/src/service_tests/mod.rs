//! Each service alone, over a store and one fake: no [`Engine`](crate::Engine), and no worker of another service.

mod addresses;
mod admission;
mod budgets;
mod certificates;
mod enrolment;
mod orders;
mod renewals;
mod sweeper;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use fleetcert_ambient::{Ambient, SystemEntropy, TokioClock};
use fleetcert_jose::{Algorithm, KeyPair, Signer};
use fleetcert_names::HostName;
use fleetcert_protocol::DeviceId;
use fleetcert_store::{
    Collection, Expect, InterceptedStore, Interceptor, MemoryStore, Record, Store, StoreCall, StoreError,
    Transaction,
};

use crate::context::ServiceContext;
use crate::records::DeviceRecord;
use crate::{Action, DeviceState, EngineParts, Grant, conformance};

const HOUR: Duration = Duration::from_secs(3600);
const START: Duration = Duration::from_secs(1_800_000_000);

/// A store whose calls are counted, virtual time, and the default parts for what a test does not replace.
struct Fixture {
    store: Arc<MemoryStore>,
    calls: Arc<CallCounter>,
    parts: EngineParts,
}

#[derive(Debug, Default)]
struct CallCounter {
    calls: AtomicUsize,
    commits: AtomicUsize,
}

#[async_trait]
impl Interceptor for CallCounter {
    async fn before(&self, call: StoreCall<'_>) -> Result<(), StoreError> {
        self.calls.fetch_add(1, SeqCst);
        self.commits.fetch_add(usize::from(matches!(call, StoreCall::Commit { .. })), SeqCst);
        Ok(())
    }
}

impl Fixture {
    /// Makes a fixture. The test must run in paused time.
    fn new() -> Self {
        let store = Arc::new(MemoryStore::new());
        let calls = Arc::new(CallCounter::default());
        let clock = TokioClock::starting_at(SystemTime::UNIX_EPOCH + START);
        let ambient = Ambient { clock: Arc::new(clock), entropy: Arc::new(SystemEntropy) };
        let counted = Arc::new(InterceptedStore::new(store.clone(), calls.clone()));
        Self { store, calls, parts: conformance::parts_without_ca(counted, ambient) }
    }

    fn context(&self) -> ServiceContext {
        let EngineParts { store, events, ambient, options, .. } = self.parts.clone();
        ServiceContext { store, events, ambient, idle: options.idle }
    }

    fn now(&self) -> SystemTime {
        self.parts.ambient.now()
    }

    async fn put(&self, collection: Collection, key: &str, value: Vec<u8>, due: Option<SystemTime>) {
        let write = Transaction::new().put(collection, key, Expect::Any, value, due);
        self.store.commit(write).await.unwrap();
    }

    async fn read(&self, collection: Collection, key: &str) -> Option<Record> {
        self.store.read(collection, key).await.unwrap()
    }
}

fn device() -> DeviceId {
    "AAAAAAAAAAAAAAAAAAAAAA".parse().unwrap()
}

fn name() -> HostName {
    "xi8qz.fleet.test".parse().unwrap()
}

fn device_record() -> DeviceRecord {
    let key = KeyPair::generate(Algorithm::EdDsa).unwrap().jwk().clone();
    let enrolled_at = SystemTime::UNIX_EPOCH + START;
    DeviceRecord { key, name: name(), state: DeviceState::Active, enrolled_at, tenant: 0 }
}

fn grant(action: Action) -> Grant {
    Grant::new(device(), device_record(), false, action)
}
