//! From what devices report to the zone.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use fleetcert_ambient::{Clock, ManualClock};
use fleetcert_dns::{
    BackendError, BackendErrorKind, Capabilities, Change, DnsBackend, MemoryBackend, Operation, RecordSet,
    RecordType,
};
use fleetcert_engine::{Action, Engine, EngineErrorKind, EngineParts};
use fleetcert_names::{DomainName, HostName};
use fleetcert_protocol::AddressReport;
use fleetcert_store::{
    Collection, MemoryStore, Record, Store, StoreError, StoreErrorKind, Transaction, Version,
};

use crate::setting::{
    Device, Looks, Running, Told, both_stores, enrol, parts_without_ca, records, refused, zone,
};

fn addresses(texts: &[&str]) -> AddressReport {
    AddressReport::new(texts.iter().map(|text| text.parse::<IpAddr>().unwrap())).unwrap()
}

async fn report(engine: &Engine, device: &Device, texts: &[&str]) -> bool {
    let grant = device.grant(engine, Action::ReportAddresses).await.unwrap();
    engine.report_addresses(&grant, &addresses(texts)).await.unwrap().changed
}

/// A zone in memory that refuses as it is told.
#[derive(Debug)]
struct Moody {
    zone: MemoryBackend,
    calls: AtomicUsize,
    failures_left: AtomicUsize,
    /// So many calls are never answered.
    hangs_left: AtomicUsize,
    never: parking_lot::Mutex<Option<HostName>>,
}

impl Moody {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            zone: MemoryBackend::new([&zone()]),
            calls: AtomicUsize::new(0),
            failures_left: AtomicUsize::new(0),
            hangs_left: AtomicUsize::new(0),
            never: parking_lot::Mutex::default(),
        })
    }

    async fn holds(&self, name: &HostName) -> Vec<String> {
        let mut found = Vec::new();
        for record_type in [RecordType::A, RecordType::Aaaa] {
            let set = self.zone.read(&zone(), name.as_domain(), record_type).await.unwrap();
            found.extend(set.into_iter().flat_map(|set| set.values).map(|value| format!("{value:?}")));
        }
        found
    }
}

#[async_trait]
impl DnsBackend for Moody {
    async fn apply(&self, zone: &DomainName, changes: &[Change]) -> Result<(), BackendError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let failing = |left: usize| left.checked_sub(1);
        if self.failures_left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, failing).is_ok() {
            return Err(BackendError::new(BackendErrorKind::Unavailable, Operation::Apply, zone, "not now"));
        }
        if self.hangs_left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, failing).is_ok() {
            return std::future::pending().await;
        }
        let never = self.never.lock().clone();
        if changes.iter().any(|change| never.as_ref().is_some_and(|name| name.as_domain() == change.name())) {
            return Err(BackendError::new(BackendErrorKind::Refused, Operation::Apply, zone, "not this one"));
        }
        self.zone.apply(zone, changes).await
    }

    async fn read(
        &self,
        zone: &DomainName,
        name: &DomainName,
        record_type: RecordType,
    ) -> Result<Option<RecordSet>, BackendError> {
        self.zone.read(zone, name, record_type).await
    }

    fn capabilities(&self) -> Capabilities {
        self.zone.capabilities()
    }
}

struct Setting {
    parts: EngineParts,
    backend: Arc<Moody>,
    clock: ManualClock,
    told: Told,
    looks: Looks,
}

fn setting(store: Arc<dyn Store>) -> Setting {
    let clock = ManualClock::starting_at(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000));
    let (backend, told, looks) = (Moody::new(), Told::default(), Looks::default());
    let parts = EngineParts {
        backend: backend.clone(),
        events: Arc::new(told.clone()),
        ..parts_without_ca(looks.watch(store), Arc::new(clock.clone()))
    };
    Setting { parts, backend, clock, told, looks }
}

impl Setting {
    /// Lets time pass until the zone worker has acted on one more look at the store. Returns how much it claimed.
    async fn two_more_looks(&self) -> usize {
        let time_passes = async {
            loop {
                tokio::time::sleep(Duration::from_micros(300)).await;
                self.clock.advance(Duration::from_millis(20));
            }
        };
        tokio::select! {
            claimed = self.looks.two_more("address") => claimed,
            () = time_passes => unreachable!("time does not end"),
        }
    }

    /// Lets time pass, in steps that the workers can follow, until nothing is due.
    async fn settle(&self) {
        for _ in 0..20_000 {
            let due = records(&*self.parts.store, "address").await.iter().any(|record| record.due.is_some());
            if !due {
                return;
            }
            // Real work behind a call needs real time; the workers' waits need none.
            tokio::time::sleep(Duration::from_micros(300)).await;
            self.clock.advance(Duration::from_millis(200));
        }
        panic!("still due: {:?}", records(&*self.parts.store, "address").await);
    }
}

#[tokio::test]
async fn a_refusal_names_the_address() {
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

#[tokio::test]
async fn a_change_reaches_the_zone_and_the_same_again_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for store in both_stores(folder.path()) {
        let setting = setting(store.clone());
        let running = Running::start(setting.parts.clone());
        let (engine, backend) = (&running.engine, &setting.backend);
        let device = enrol(engine).await;

        assert!(report(engine, &device, &["10.0.0.2", "10.0.0.1", "fd00::1"]).await);
        setting.settle().await;
        assert_eq!(backend.holds(&device.name).await, ["A(10.0.0.1)", "A(10.0.0.2)", "Aaaa(fd00::1)"]);

        let before = (records(&*store, "address").await, backend.calls.load(Ordering::SeqCst));
        assert!(!report(engine, &device, &["fd00::1", "10.0.0.1", "10.0.0.2", "10.0.0.1"]).await);
        setting.clock.advance(Duration::from_secs(60));
        assert_eq!(setting.two_more_looks().await, 0);
        let after = (records(&*store, "address").await, backend.calls.load(Ordering::SeqCst));
        assert_eq!(before, after);

        // Both kinds are replaced, by one call.
        assert!(report(engine, &device, &["10.9.9.9"]).await);
        setting.settle().await;
        assert_eq!(backend.holds(&device.name).await, ["A(10.9.9.9)"]);
        assert_eq!(backend.calls.load(Ordering::SeqCst), before.1 + 1);
        assert!(report(engine, &device, &[]).await);
        setting.settle().await;
        assert!(backend.holds(&device.name).await.is_empty());
        running.end().await;
    }
}

/// How long each try waits, while the zone fails.
async fn waits(setting: &Setting) -> Vec<u64> {
    let mut waits = Vec::new();
    for _ in 0..20_000 {
        let record = records(&*setting.parts.store, "address").await.remove(0);
        let Some(due) = record.due else { return waits };
        let value: serde_json::Value = serde_json::from_slice(&record.value).unwrap();
        let now = setting.clock.now();
        if due <= now {
            // The worker looks by itself now and then.
            setting.clock.advance(Duration::from_millis(20));
        } else if value["failures"] == waits.len() + 1 {
            let wait = due.duration_since(now).unwrap();
            // The clock may have been put forward by a look or two since.
            waits.push((wait + Duration::from_millis(500)).as_secs());
            setting.clock.advance(wait);
        }
        tokio::time::sleep(Duration::from_micros(300)).await;
    }
    panic!("still due after {waits:?}");
}

#[tokio::test]
async fn a_zone_that_fails_is_tried_again_and_soon_after_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    for (store, failures) in both_stores(folder.path()).into_iter().zip([3, 12]) {
        let setting = setting(store);
        let running = Running::start(setting.parts.clone());
        let device = enrol(&running.engine).await;
        setting.backend.failures_left.store(failures, Ordering::SeqCst);
        report(&running.engine, &device, &["10.0.0.1"]).await;
        let expected = [2, 4, 8, 16, 32, 64, 128, 256, 256, 256, 256, 256];
        assert_eq!(waits(&setting).await, expected[..failures]);
        assert_eq!(setting.backend.holds(&device.name).await, ["A(10.0.0.1)"]);
        assert_eq!(setting.backend.calls.load(Ordering::SeqCst), failures + 1);
        assert_eq!(setting.told.about("ZoneFailed"), failures);
        running.end().await;
    }
}

#[tokio::test]
async fn a_zone_that_never_answers_is_tried_again() {
    let setting = setting(Arc::new(MemoryStore::new()));
    let running = Running::start(setting.parts.clone());
    let device = enrol(&running.engine).await;
    setting.backend.hangs_left.store(1, Ordering::SeqCst);
    report(&running.engine, &device, &["10.0.0.1"]).await;
    setting.settle().await;
    assert_eq!(setting.backend.holds(&device.name).await, ["A(10.0.0.1)"]);
    assert_eq!((setting.backend.calls.load(Ordering::SeqCst), setting.told.about("ZoneFailed")), (2, 1));
    running.end().await;
}

#[tokio::test]
async fn a_name_that_the_zone_refuses_holds_up_nobody_else() {
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
    *setting.backend.never.lock() = Some(refused.name.clone());
    let running = Running::start(setting.parts.clone());
    for device in &devices {
        crate::setting::until("the address is in the zone", async || {
            setting.clock.advance(Duration::from_millis(100));
            setting.backend.holds(&device.name).await.len() == 1
        })
        .await;
    }
    assert!(setting.backend.holds(&refused.name).await.is_empty());
    *setting.backend.never.lock() = None;
    setting.settle().await;
    assert_eq!(setting.backend.holds(&refused.name).await, ["A(10.0.0.7)"]);
    running.end().await;
}

#[tokio::test]
async fn a_zone_that_forgot_everything_gets_it_again_at_the_start() {
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

        let second = setting(store);
        let running = Running::start(second.parts.clone());
        for name in &names {
            crate::setting::until("the address is back", async || {
                second.clock.advance(Duration::from_millis(100));
                second.backend.holds(name).await.len() == 1
            })
            .await;
        }
        second.settle().await;
        assert_eq!(second.backend.zone.record_sets(), names.len());
        running.end().await;

        // Where the zone remembers, nothing is written.
        let mut third = self::setting(second.parts.store.clone());
        third.parts.options.republish_at_start = false;
        let running = Running::start(third.parts.clone());
        third.clock.advance(Duration::from_secs(10));
        assert_eq!(third.two_more_looks().await, 0);
        assert_eq!(third.backend.calls.load(Ordering::SeqCst), 0);
        running.end().await;
    }
}

/// A store that is away when the first page of addresses is read.
#[derive(Debug, Default)]
struct AwayAtFirst {
    inner: MemoryStore,
    was_asked: AtomicBool,
}

#[async_trait]
impl Store for AwayAtFirst {
    async fn read(&self, collection: Collection, key: &str) -> Result<Option<Record>, StoreError> {
        self.inner.read(collection, key).await
    }

    async fn page(
        &self,
        collection: Collection,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        if collection.as_str() == "address" && !self.was_asked.swap(true, Ordering::SeqCst) {
            return Err(StoreError::new(StoreErrorKind::Unavailable, "not yet"));
        }
        self.inner.page(collection, after, limit).await
    }

    async fn commit(&self, transaction: Transaction) -> Result<Version, StoreError> {
        self.inner.commit(transaction).await
    }

    async fn claim(
        &self,
        collection: Collection,
        now: SystemTime,
        until: SystemTime,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        self.inner.claim(collection, now, until, limit).await
    }

    async fn count_due(
        &self,
        collection: Collection,
        time: SystemTime,
        limit: usize,
    ) -> Result<usize, StoreError> {
        self.inner.count_due(collection, time, limit).await
    }
}

#[tokio::test]
async fn a_store_that_is_away_at_the_start_costs_no_zone_its_addresses() {
    let store = Arc::new(AwayAtFirst { was_asked: true.into(), ..AwayAtFirst::default() });
    let first = setting(store.clone());
    let running = Running::start(first.parts.clone());
    let device = enrol(&running.engine).await;
    report(&running.engine, &device, &["10.0.0.1"]).await;
    first.settle().await;
    running.end().await;

    store.was_asked.store(false, Ordering::SeqCst);
    let second = setting(store.clone());
    let running = Running::start(second.parts.clone());
    crate::setting::until("the address is back", async || {
        second.clock.advance(Duration::from_millis(100));
        second.backend.holds(&device.name).await.len() == 1
    })
    .await;
    assert!(store.was_asked.load(Ordering::SeqCst));
    running.end().await;
}

/// A zone whose first change takes until it is told to go on.
#[derive(Debug)]
struct Slow {
    zone: MemoryBackend,
    first: std::sync::atomic::AtomicBool,
    begun: tokio::sync::Notify,
    go_on: tokio::sync::Notify,
    done: tokio::sync::Notify,
}

#[async_trait]
impl DnsBackend for Slow {
    async fn apply(&self, zone: &DomainName, changes: &[Change]) -> Result<(), BackendError> {
        if !self.first.swap(false, Ordering::SeqCst) {
            return self.zone.apply(zone, changes).await;
        }
        self.begun.notify_one();
        self.go_on.notified().await;
        let outcome = self.zone.apply(zone, changes).await;
        self.done.notify_one();
        outcome
    }

    async fn read(
        &self,
        zone: &DomainName,
        name: &DomainName,
        record_type: RecordType,
    ) -> Result<Option<RecordSet>, BackendError> {
        self.zone.read(zone, name, record_type).await
    }

    fn capabilities(&self) -> Capabilities {
        self.zone.capabilities()
    }
}

#[tokio::test]
async fn a_node_that_was_slow_does_not_bring_an_old_address_back_for_good() {
    let store: Arc<dyn Store> = Arc::new(fleetcert_store::MemoryStore::new());
    let clock = Arc::new(fleetcert_ambient::SystemClock);
    let quick = parts_without_ca(store.clone(), clock.clone());
    let all = MemoryBackend::new([&zone()]);
    let slow = Arc::new(Slow {
        zone: all.clone(),
        first: true.into(),
        begun: tokio::sync::Notify::new(),
        go_on: tokio::sync::Notify::new(),
        done: tokio::sync::Notify::new(),
    });
    let first =
        Running::start(EngineParts { backend: slow.clone(), ..parts_without_ca(store.clone(), clock) });
    let device = enrol(&first.engine).await;
    report(&first.engine, &device, &["10.0.0.1"]).await;
    slow.begun.notified().await;

    let second = Running::start(EngineParts { backend: Arc::new(all.clone()), ..quick });
    report(&second.engine, &device, &["10.0.0.2"]).await;
    let settled = async || {
        let set = all.read(&zone(), device.name.as_domain(), RecordType::A).await.unwrap();
        let due = records(&*store, "address").await[0].due;
        due.is_none() && set.is_some_and(|set| format!("{:?}", set.values) == "{A(10.0.0.2)}")
    };
    crate::setting::until("the new address is there", settled).await;
    slow.go_on.notify_one();
    slow.done.notified().await;
    crate::setting::until("the new address is there again", settled).await;
    first.end().await;
    second.end().await;
}
