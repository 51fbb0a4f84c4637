//! What the tests share: a zone, a CA, engines, devices.
//!
//! The tests run in tokio's virtual time, and their CA is in the process: an hour costs what happens in it, and what did
//! not happen in an hour has been proved not to happen. The exceptions say why.

mod device;
mod event_log;
mod running;
mod shifted_clock;
mod world;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fleetcert_ambient::{Ambient, Clock, SystemEntropy};
use fleetcert_engine::{EngineError, EngineErrorKind, EngineOptions, EngineParts, conformance};
use fleetcert_names::DomainName;
use fleetcert_store::{Collection, MemoryStore, Record, SqliteStore, Store};

pub(crate) use device::{Device, chain_of, enrol, enrol_of, request_for, request_with};
pub(crate) use event_log::EventLog;
pub(crate) use running::Running;
pub(crate) use shifted_clock::{START, ShiftedClock};
pub(crate) use world::World;

pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const HOUR: Duration = Duration::from_secs(3600);
pub(crate) const DAY: Duration = Duration::from_secs(86_400);
/// Time limit of everything that a test waits for.
pub(crate) const DEADLINE: Duration = Duration::from_secs(900);

pub(crate) fn zone() -> DomainName {
    "fleet.test".parse().unwrap()
}

/// Returns the parts of an engine without a CA over a zone in memory.
pub(crate) fn parts_without_ca(store: Arc<dyn Store>, clock: impl Clock + 'static) -> EngineParts {
    let ambient = Ambient { clock: Arc::new(clock), entropy: Arc::new(SystemEntropy) };
    let parts = conformance::parts_without_ca(store, ambient);
    EngineParts { options: options(), ..parts }
}

fn options() -> EngineOptions {
    EngineOptions {
        // The tests set the clock and send requests at will.
        clock_rule: None,
        requests_per_device: None,
        between_certificates: Duration::ZERO,
        ..EngineOptions::new(zone())
    }
}

/// Returns a store in memory and one in a file, for tests of what both must do.
pub(crate) fn both_stores(folder: &Path) -> [Arc<dyn Store>; 2] {
    [Arc::new(MemoryStore::new()), Arc::new(SqliteStore::open(&folder.join("control.db")).unwrap())]
}

/// Returns every record of a collection.
pub(crate) async fn records(store: &dyn Store, collection: &'static str) -> Vec<Record> {
    let mut all: Vec<Record> = Vec::new();
    loop {
        let after = all.last().map(|record| record.key.clone());
        let page = store.page(Collection::new(collection), after.as_deref(), 100).await.unwrap();
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}

/// Lets time pass. In virtual time the workers do in it all that they would do in the real one.
pub(crate) async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug>(
    result: Result<T, EngineError>,
    kind: EngineErrorKind,
) -> EngineError {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    error
}

/// Waits until `check` holds.
#[track_caller]
pub(crate) fn until<'a, F, Fut>(what: &'a str, check: F) -> impl Future<Output = ()> + 'a
where
    F: Fn() -> Fut + 'a,
    Fut: Future<Output = bool> + 'a,
{
    let place = std::panic::Location::caller();
    async move {
        let polling = async {
            let mut interval = PollInterval::default();
            while !check().await {
                interval.wait().await;
            }
        };
        let in_time = tokio::time::timeout(DEADLINE, polling).await;
        assert!(in_time.is_ok(), "{place}: not in time: {what}");
    }
}

/// Interval between two checks: short at first, so that short waits stay short.
struct PollInterval(Duration);

impl Default for PollInterval {
    fn default() -> Self {
        Self(Duration::from_millis(5))
    }
}

impl PollInterval {
    async fn wait(&mut self) {
        tokio::time::sleep(self.0).await;
        self.0 = (self.0 * 2).min(Duration::from_millis(200));
    }
}
