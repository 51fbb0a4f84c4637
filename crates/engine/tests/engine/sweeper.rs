//! What dead processes left in the zone is taken out of it, and forgotten when that is proved.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use fleetcert_ambient::{Ambient, Clock};
use fleetcert_dns::challenge::{ChallengeOptions, ChallengeRecord, Challenges};
use fleetcert_dns::{
    BackendError, BackendErrorKind, Capabilities, Change, DnsBackend, DnsBackendExt, MemoryBackend,
    Operation, RecordSet, RecordType, Ttl,
};
use fleetcert_engine::EngineParts;
use fleetcert_names::DomainName;
use fleetcert_store::{Collection, Expect, MemoryStore, Store, Transaction};

use crate::setting::{Running, ShiftedClock, Told, both_stores, parts_without_ca, records, until, zone};

/// The backend in memory, which may not touch a name, or says what is not so.
#[derive(Debug)]
struct Stubborn {
    inner: MemoryBackend,
    forbidden: Option<DomainName>,
    lies: AtomicBool,
    removals: AtomicUsize,
}

impl Stubborn {
    fn new(forbidden: Option<DomainName>, lies: bool) -> Arc<Self> {
        let inner = MemoryBackend::new([&zone()]);
        Arc::new(Self { inner, forbidden, lies: lies.into(), removals: AtomicUsize::new(0) })
    }
}

#[async_trait]
impl DnsBackend for Stubborn {
    async fn apply(&self, zone: &DomainName, changes: &[Change]) -> Result<(), BackendError> {
        self.removals.fetch_add(1, SeqCst);
        if changes.iter().any(|change| Some(change.name()) == self.forbidden.as_ref()) {
            return Err(BackendError::new(
                BackendErrorKind::Refused,
                Operation::Apply,
                zone,
                "not this name",
            ));
        }
        if self.lies.load(SeqCst) { Ok(()) } else { self.inner.apply(zone, changes).await }
    }

    async fn read(
        &self,
        zone: &DomainName,
        name: &DomainName,
        record_type: RecordType,
    ) -> Result<Option<RecordSet>, BackendError> {
        self.inner.read(zone, name, record_type).await
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }
}

fn record(number: u64, now: SystemTime) -> ChallengeRecord {
    ChallengeRecord {
        zone: zone(),
        name: format!("_acme-challenge.d{number}.fleet.test").parse().unwrap(),
        value: format!("value {number}").parse().unwrap(),
        owner: format!("https://ca.test/order/{number}").parse().unwrap(),
        // The first has expired first.
        expires: now - Duration::from_secs(3600 - number),
    }
}

/// Writes the record down as the journal of an order does, and into the zone.
async fn leave(store: &dyn Store, backend: &Stubborn, record: &ChallengeRecord) {
    let value = serde_json::to_vec(record).unwrap();
    let key = record.name.to_string();
    let write = Transaction::new().put(
        Collection::new("challenge"),
        key,
        Expect::Absent,
        value,
        Some(record.expires),
    );
    store.commit(write).await.unwrap();
    backend.inner.add_txt(&record.zone, &record.name, &record.value, Ttl::CHALLENGE).await.unwrap();
}

fn parts(
    store: Arc<dyn Store>,
    backend: &Arc<Stubborn>,
    clock: &ShiftedClock,
    warn_above: usize,
) -> (EngineParts, Told) {
    let options = ChallengeOptions {
        // Who says what is not so is asked again for as long; a machine that is only slow must not be taken for it.
        withdraw_within: if backend.lies.load(SeqCst) {
            Duration::from_millis(200)
        } else {
            Duration::from_secs(30)
        },
        look_interval: Duration::from_millis(10),
        warn_above,
        ..ChallengeOptions::default()
    };
    let clock: Arc<dyn Clock> = Arc::new(clock.clone());
    let told = Told::default();
    let mut parts = parts_without_ca(store, clock.clone());
    let ambient = Ambient { clock, ..Ambient::system() };
    parts.challenges = Challenges::new(backend.clone(), Arc::new(backend.inner.clone()), ambient, options);
    parts.backend = backend.clone();
    parts.events = Arc::new(told.clone());
    (parts, told)
}

#[tokio::test]
async fn what_a_dead_process_left_is_swept_in_batches() {
    const LEFT: u64 = 300;
    let folder = tempfile::tempdir().unwrap();
    for store in both_stores(folder.path()) {
        let clock = ShiftedClock::default();
        let stubborn = record(LEFT - 1, clock.now());
        let backend = Stubborn::new(Some(stubborn.name.clone()), false);
        for number in 0..LEFT {
            leave(&*store, &backend, &record(number, clock.now())).await;
        }
        // Somebody else's values at the same names are not ours to touch.
        let foreign = (&stubborn.zone, &record(0, clock.now()).name, "somebody else's".parse().unwrap());
        backend.inner.add_txt(foreign.0, foreign.1, &foreign.2, Ttl::ADDRESS).await.unwrap();

        let (parts, told) = parts(store.clone(), &backend, &clock, 1000);
        let running = Running::start(parts);
        until("all but one is forgotten", async || records(&*store, "challenge").await.len() == 1).await;
        until("it is told", async || told.mentions("not this name")).await;
        running.end().await;
        assert_eq!(backend.inner.record_sets(), 2);
        assert_eq!(backend.inner.texts(foreign.0, foreign.1).await.unwrap(), [foreign.2].into());
        let left = backend.inner.texts(&stubborn.zone, &stubborn.name).await.unwrap();
        assert_eq!(left, [stubborn.value].into());
        assert!(told.mentions("Swept { records: 128 }") && told.mentions("Swept { records: 43 }"));
        assert_eq!(told.about("NotSwept"), 1);
        // Three batches; the last is refused, and each of its 44 is removed by itself.
        assert_eq!(backend.removals.load(SeqCst), 3 + 44);
    }
}

#[tokio::test]
async fn what_is_not_proved_gone_is_not_forgotten() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let clock = ShiftedClock::default();
    let backend = Stubborn::new(None, true);
    leave(&*store, &backend, &record(1, clock.now())).await;
    let (first, told) = parts(store.clone(), &backend, &clock, 1000);
    let running = Running::start(first);
    until("it is told", async || told.about("NotSwept") > 0).await;
    running.end().await;
    assert_eq!((told.about("Swept"), backend.inner.record_sets()), (0, 1));
    assert_eq!(records(&*store, "challenge").await.len(), 1);

    backend.lies.store(false, SeqCst);
    clock.put_forward(Duration::from_secs(121));
    let (second, told) = parts(store.clone(), &backend, &clock, 1000);
    let running = Running::start(second);
    until("it is forgotten", async || records(&*store, "challenge").await.is_empty()).await;
    running.end().await;
    assert_eq!((told.about("Swept"), backend.inner.record_sets()), (1, 0));
}

#[tokio::test]
async fn an_order_that_cannot_be_read_keeps_no_other_record_in_the_zone() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let clock = ShiftedClock::default();
    let backend = Stubborn::new(None, false);
    for number in 0..3 {
        leave(&*store, &backend, &record(number, clock.now())).await;
    }
    let damaged = Transaction::new().put(
        Collection::new("order"),
        "d0.fleet.test",
        Expect::Absent,
        b"{".to_vec(),
        None,
    );
    store.commit(damaged).await.unwrap();
    let (parts, told) = parts(store.clone(), &backend, &clock, 1000);
    let running = Running::start(parts);
    until("the others are forgotten", async || records(&*store, "challenge").await.len() == 1).await;
    running.end().await;
    assert_eq!(backend.inner.record_sets(), 1);
    assert!(told.mentions("Swept { records: 2 }") && told.mentions("record d0.fleet.test"));
}

#[tokio::test]
async fn records_that_pile_up_are_told() {
    let folder = tempfile::tempdir().unwrap();
    for store in both_stores(folder.path()) {
        let clock = ShiftedClock::default();
        let backend = Stubborn::new(None, false);
        for number in 0..6 {
            // Their orders are under way elsewhere.
            let record = record(number, clock.now() + Duration::from_secs(7200));
            leave(&*store, &backend, &record).await;
        }
        for (warn_above, events) in [(7, 0), (6, 1), (0, 1)] {
            // The seventh goes with the first round.
            leave(&*store, &backend, &record(7, clock.now())).await;
            let (parts, told) = parts(store.clone(), &backend, &clock, warn_above);
            let running = Running::start(parts);
            until("the round is made", async || told.about("Swept") > 0).await;
            running.end().await;
            assert_eq!(told.about("ChallengesPileUp"), events, "{warn_above}");
            let told_of = "ChallengesPileUp { zone: DomainName(fleet.test), records: 7 }";
            assert_eq!(told.mentions(told_of), events > 0, "{told:?}");
        }
    }
}
