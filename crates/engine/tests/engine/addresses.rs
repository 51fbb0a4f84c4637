//! Addresses, from reports of devices to the zone.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use async_trait::async_trait;
use fleetcert_ambient::Clock;
use fleetcert_dns::{
    BackendError, BackendErrorKind, Capabilities, Change, DnsBackend, MemoryBackend, Operation, RecordSet,
    RecordType,
};
use fleetcert_engine::{Action, Engine, EngineErrorKind, EngineParts};
use fleetcert_names::{DomainName, HostName};
use fleetcert_protocol::AddressReport;
use fleetcert_store::{
    InterceptedStore, Interceptor, MemoryStore, Store, StoreCall, StoreError, StoreErrorKind,
};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::setting::{
    Device, EventLog, HOUR, Running, ShiftedClock, both_stores, enrol, parts_without_ca, pass, records,
    refused, until, zone,
};

fn addresses(texts: &[&str]) -> AddressReport {
    AddressReport::new(texts.iter().map(|text| text.parse::<IpAddr>().unwrap())).unwrap()
}

async fn report(engine: &Engine, device: &Device, texts: &[&str]) -> bool {
    let grant = device.grant(engine, Action::ReportAddresses).await.unwrap();
    engine.report_addresses(&grant, &addresses(texts)).await.unwrap().changed
}

/// A zone in memory that fails as a test says.
#[derive(Debug)]
struct FaultyZone {
    records: MemoryBackend,
    calls: AtomicUsize,
    /// Next calls that fail.
    failures_left: AtomicUsize,
    /// Next calls that are never answered.
    hangs_left: AtomicUsize,
    /// Name that cannot be changed.
    refused: Mutex<Option<HostName>>,
}

impl FaultyZone {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            records: MemoryBackend::new([&zone()]),
            calls: AtomicUsize::new(0),
            failures_left: AtomicUsize::new(0),
            hangs_left: AtomicUsize::new(0),
            refused: Mutex::default(),
        })
    }

    async fn addresses_of(&self, name: &HostName) -> Vec<String> {
        let mut found = Vec::new();
        for record_type in [RecordType::A, RecordType::Aaaa] {
            let set = self.records.read(&zone(), name.as_domain(), record_type).await.unwrap();
            found.extend(set.into_iter().flat_map(|set| set.values).map(|value| format!("{value:?}")));
        }
        found
    }
}

#[async_trait]
impl DnsBackend for FaultyZone {
    async fn apply(&self, zone: &DomainName, changes: &[Change]) -> Result<(), BackendError> {
        self.calls.fetch_add(1, SeqCst);
        let take_one = |left: usize| left.checked_sub(1);
        if self.failures_left.fetch_update(SeqCst, SeqCst, take_one).is_ok() {
            return Err(BackendError::new(BackendErrorKind::Unavailable, Operation::Apply, zone, "not now"));
        }
        if self.hangs_left.fetch_update(SeqCst, SeqCst, take_one).is_ok() {
            return std::future::pending().await;
        }
        let refused = self.refused.lock().clone();
        if changes.iter().any(|change| refused.as_ref().is_some_and(|name| name.as_domain() == change.name()))
        {
            return Err(BackendError::new(BackendErrorKind::Refused, Operation::Apply, zone, "not this one"));
        }
        self.records.apply(zone, changes).await
    }

    async fn read(
        &self,
        zone: &DomainName,
        name: &DomainName,
        record_type: RecordType,
    ) -> Result<Option<RecordSet>, BackendError> {
        self.records.read(zone, name, record_type).await
    }

    fn capabilities(&self) -> Capabilities {
        self.records.capabilities()
    }
}

struct Setting {
    parts: EngineParts,
    backend: Arc<FaultyZone>,
    clock: ShiftedClock,
    events: EventLog,
}

fn setting(store: Arc<dyn Store>) -> Setting {
    let clock = ShiftedClock::in_virtual_time();
    let (backend, events) = (FaultyZone::new(), EventLog::default());
    let parts = EngineParts {
        backend: backend.clone(),
        events: Arc::new(events.clone()),
        ..parts_without_ca(store, clock.clone())
    };
    Setting { parts, backend, clock, events }
}

impl Setting {
    /// Waits until nothing is due.
    async fn settle(&self) {
        until("nothing is due", async || {
            records(&*self.parts.store, "address").await.iter().all(|record| record.due.is_none())
        })
        .await;
    }

    async fn has_address(&self, name: &HostName) {
        until("the address is in the zone", async || self.backend.addresses_of(name).await.len() == 1).await;
    }
}

#[tokio::test(start_paused = true)]
async fn refused_report_names_the_address_and_stores_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let [store, _] = both_stores(folder.path());
    let engine = Engine::new(setting(store.clone()).parts);
    let device = enrol(&engine).await;
    let grant = device.grant(&engine, Action::ReportAddresses).await.unwrap();
    for foreign in ["127.0.0.1", "8.8.8.8", "169.254.169.254", "::1", "fe80::1", "::ffff:10.0.0.1"] {
        let mixed = addresses(&["10.0.0.1", foreign]);
        let error =
            refused(engine.report_addresses(&grant, &mixed).await, EngineErrorKind::AddressNotAllowed);
        assert!(error.to_string().contains(foreign), "{error}");
    }
    assert!(records(&*store, "address").await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn changed_report_reaches_the_zone_and_an_unchanged_one_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for store in both_stores(folder.path()) {
        let setting = setting(store.clone());
        let running = Running::start(setting.parts.clone());
        let (engine, backend) = (&running.engine, &setting.backend);
        let device = enrol(engine).await;

        assert!(report(engine, &device, &["10.0.0.2", "10.0.0.1", "fd00::1"]).await);
        setting.settle().await;
        assert_eq!(backend.addresses_of(&device.name).await, ["A(10.0.0.1)", "A(10.0.0.2)", "Aaaa(fd00::1)"]);

        let before = (records(&*store, "address").await, backend.calls.load(SeqCst));
        assert!(!report(engine, &device, &["fd00::1", "10.0.0.1", "10.0.0.2", "10.0.0.1"]).await);
        pass(HOUR / 12).await;
        // A claim would have changed the record's version.
        let after = (records(&*store, "address").await, backend.calls.load(SeqCst));
        assert_eq!(before, after);

        // Both types are replaced by one call.
        assert!(report(engine, &device, &["10.9.9.9"]).await);
        setting.settle().await;
        assert_eq!(backend.addresses_of(&device.name).await, ["A(10.9.9.9)"]);
        assert_eq!(backend.calls.load(SeqCst), before.1 + 1);
        assert!(report(engine, &device, &[]).await);
        setting.settle().await;
        assert!(backend.addresses_of(&device.name).await.is_empty());
        running.end().await;
    }
}

/// Returns the seconds from each failure of the zone to the next attempt.
async fn delays(setting: &Setting) -> Vec<u64> {
    let mut delays = Vec::new();
    loop {
        let record = records(&*setting.parts.store, "address").await.remove(0);
        let Some(due) = record.due else { return delays };
        let value: serde_json::Value = serde_json::from_slice(&record.value).unwrap();
        match due.duration_since(setting.clock.now()) {
            Ok(delay) if value["failures"] == delays.len() + 1 => {
                // The failure was up to 50 ms ago.
                delays.push((delay + Duration::from_millis(50)).as_secs());
                pass(delay).await;
            }
            _ => pass(Duration::from_millis(50)).await,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn failing_zone_is_retried_with_back_off_until_it_has_the_address() {
    let folder = tempfile::tempdir().unwrap();
    for (store, failures) in both_stores(folder.path()).into_iter().zip([3, 12]) {
        let setting = setting(store);
        let running = Running::start(setting.parts.clone());
        let device = enrol(&running.engine).await;
        setting.backend.failures_left.store(failures, SeqCst);
        report(&running.engine, &device, &["10.0.0.1"]).await;
        let expected = [2, 4, 8, 16, 32, 64, 128, 256, 256, 256, 256, 256];
        assert_eq!(delays(&setting).await, expected[..failures]);
        assert_eq!(setting.backend.addresses_of(&device.name).await, ["A(10.0.0.1)"]);
        assert_eq!(setting.backend.calls.load(SeqCst), failures + 1);
        assert_eq!(setting.events.count("ZoneFailed"), failures);
        running.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn zone_that_never_answers_is_retried() {
    let setting = setting(Arc::new(MemoryStore::new()));
    let running = Running::start(setting.parts.clone());
    let device = enrol(&running.engine).await;
    setting.backend.hangs_left.store(1, SeqCst);
    report(&running.engine, &device, &["10.0.0.1"]).await;
    setting.settle().await;
    assert_eq!(setting.backend.addresses_of(&device.name).await, ["A(10.0.0.1)"]);
    assert_eq!((setting.backend.calls.load(SeqCst), setting.events.count("ZoneFailed")), (2, 1));
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn refused_name_holds_up_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let [store, _] = both_stores(folder.path());
    let setting = setting(store);
    let engine = Engine::new(setting.parts.clone());
    let mut devices = Vec::new();
    for index in 0..30 {
        let device = enrol(&engine).await;
        report(&engine, &device, &[&format!("10.0.0.{index}")]).await;
        devices.push(device);
    }
    let refused = devices.remove(7);
    *setting.backend.refused.lock() = Some(refused.name.clone());
    let running = Running::start(setting.parts.clone());
    for device in &devices {
        setting.has_address(&device.name).await;
    }
    assert!(setting.backend.addresses_of(&refused.name).await.is_empty());
    *setting.backend.refused.lock() = None;
    setting.settle().await;
    assert_eq!(setting.backend.addresses_of(&refused.name).await, ["A(10.0.0.7)"]);
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn zone_that_forgot_its_records_gets_them_at_the_start_and_one_that_did_not_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    for store in both_stores(folder.path()) {
        let first = setting(store.clone());
        let running = Running::start(first.parts.clone());
        let mut names = Vec::new();
        // More than one page of the store, and more than one batch of the zone.
        for index in 0..300u32 {
            let device = enrol(&running.engine).await;
            let [_, _, high, low] = index.to_be_bytes();
            report(&running.engine, &device, &[&format!("10.0.{high}.{low}")]).await;
            names.push(device.name);
        }
        first.settle().await;
        running.end().await;

        let second = setting(store.clone());
        let running = Running::start(second.parts.clone());
        for name in &names {
            second.has_address(name).await;
        }
        second.settle().await;
        assert_eq!(second.backend.records.record_sets(), names.len());
        running.end().await;

        let before = records(&*store, "address").await;
        let mut third = setting(store.clone());
        third.parts.options.republish_at_start = false;
        let running = Running::start(third.parts.clone());
        pass(HOUR / 12).await;
        assert_eq!(third.backend.calls.load(SeqCst), 0);
        assert_eq!(records(&*store, "address").await, before, "nothing was claimed");
        running.end().await;
    }
}

/// Makes the next page of addresses fail, once armed.
#[derive(Debug, Default)]
struct FailingPage(AtomicBool);

#[async_trait]
impl Interceptor for FailingPage {
    async fn before(&self, call: StoreCall<'_>) -> Result<(), StoreError> {
        match call {
            StoreCall::Page { collection } if collection.as_str() == "address" => {
                let fails = self.0.swap(false, SeqCst);
                let error = || StoreError::new(StoreErrorKind::Unavailable, "not yet");
                if fails { Err(error()) } else { Ok(()) }
            }
            _ => Ok(()),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn store_that_is_unavailable_at_the_start_costs_no_zone_its_addresses() {
    let fault = Arc::new(FailingPage::default());
    let store = Arc::new(InterceptedStore::new(Arc::new(MemoryStore::new()), fault.clone()));
    let first = setting(store.clone());
    let running = Running::start(first.parts.clone());
    let device = enrol(&running.engine).await;
    report(&running.engine, &device, &["10.0.0.1"]).await;
    first.settle().await;
    running.end().await;

    fault.0.store(true, SeqCst);
    let second = setting(store);
    let running = Running::start(second.parts.clone());
    second.has_address(&device.name).await;
    assert!(!fault.0.load(SeqCst), "the page has failed");
    running.end().await;
}

/// A zone whose first change waits in the middle.
#[derive(Debug)]
struct SlowZone {
    records: MemoryBackend,
    is_first: AtomicBool,
    begun: Notify,
    go_on: Notify,
    done: Notify,
}

#[async_trait]
impl DnsBackend for SlowZone {
    async fn apply(&self, zone: &DomainName, changes: &[Change]) -> Result<(), BackendError> {
        if !self.is_first.swap(false, SeqCst) {
            return self.records.apply(zone, changes).await;
        }
        self.begun.notify_one();
        self.go_on.notified().await;
        let outcome = self.records.apply(zone, changes).await;
        self.done.notify_one();
        outcome
    }

    async fn read(
        &self,
        zone: &DomainName,
        name: &DomainName,
        record_type: RecordType,
    ) -> Result<Option<RecordSet>, BackendError> {
        self.records.read(zone, name, record_type).await
    }

    fn capabilities(&self) -> Capabilities {
        self.records.capabilities()
    }
}

#[tokio::test(start_paused = true)]
async fn late_write_of_a_slow_node_does_not_bring_an_old_address_back_for_good() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let clock = ShiftedClock::in_virtual_time();
    let records_of_the_zone = MemoryBackend::new([&zone()]);
    let slow = Arc::new(SlowZone {
        records: records_of_the_zone.clone(),
        is_first: true.into(),
        begun: Notify::new(),
        go_on: Notify::new(),
        done: Notify::new(),
    });
    let parts = |backend: Arc<dyn DnsBackend>| EngineParts {
        backend,
        ..parts_without_ca(store.clone(), clock.clone())
    };
    let first = Running::start(parts(slow.clone()));
    let device = enrol(&first.engine).await;
    report(&first.engine, &device, &["10.0.0.1"]).await;
    slow.begun.notified().await;

    let second = Running::start(parts(Arc::new(records_of_the_zone.clone())));
    report(&second.engine, &device, &["10.0.0.2"]).await;
    let settled = async || {
        let set = records_of_the_zone.read(&zone(), device.name.as_domain(), RecordType::A).await.unwrap();
        let due = records(&*store, "address").await[0].due;
        due.is_none() && set.is_some_and(|set| format!("{:?}", set.values) == "{A(10.0.0.2)}")
    };
    until("the new address is there", settled).await;
    slow.go_on.notify_one();
    slow.done.notified().await;
    until("the new address is there again", settled).await;
    first.end().await;
    second.end().await;
}
