//! Whose turn it is: over two nodes, over restarts, and with nothing to be had.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use fleetcert_acme_server::{Problem, ProblemKind, Resource};
use fleetcert_ambient::Clock;
use fleetcert_engine::Engine;
use fleetcert_protocol::CertificateStatus;
use fleetcert_schedule::budget::{Limit, LimitKind, Limits, Rule};
use fleetcert_schedule::order_queue::Reserve;
use fleetcert_store::{Collection, Expect, MemoryStore, Record, Store, StoreError, Transaction, Version};

use crate::setting::{DAY, Device, Running, Told, World, both_stores, enrol, records, request_for, until};

const HOUR: Duration = Duration::from_secs(3600);

fn orders_of(burst: u32, period: Duration) -> Limits {
    let rule = Rule::Limited(Limit::new(burst, burst, period).unwrap());
    Limits::unknown().with_rule(LimitKind::NewOrdersPerAccount, rule)
}

fn queued(status: &CertificateStatus) -> Option<(u64, SystemTime)> {
    match status {
        CertificateStatus::Queued { position, expected_at, .. } => {
            Some((*position, SystemTime::UNIX_EPOCH + Duration::from_secs(*expected_at)))
        }
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_never_drive_one_order() {
    let world = World::start().await;
    let folder = tempfile::tempdir().unwrap();
    for store in both_stores(folder.path()) {
        // A process that takes requests and works on none.
        let front = Engine::new(world.parts(store.clone()));
        let mut devices = Vec::new();
        for _ in 0..30 {
            let device = enrol(&front).await;
            device.request(&front, &request_for(&device.name)).await.unwrap();
            devices.push(device);
        }
        let nodes = [(); 2].map(|()| Running::start(world.parts(store.clone())));
        for device in &devices {
            device.chain(&front).await;
        }
        // What comes later is found, too.
        let late = enrol(&front).await;
        late.request(&front, &request_for(&late.name)).await.unwrap();
        devices.push(late);
        for device in &devices {
            device.chain(&front).await;
            assert_eq!((world.orders(&device.name), world.certificates(&device.name)), (1, 1));
        }
        until("no order is left", async || records(&*store, "order").await.is_empty()).await;
        for node in nodes {
            node.end().await;
        }
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_finds_all_that_wait_and_in_the_same_order() {
    let world = World::start().await;
    let store = Arc::new(MemoryStore::new());
    let node = || {
        let mut parts = world.parts(store.clone());
        parts.options.limits = Some(orders_of(1, HOUR));
        Running::start(parts)
    };
    let mut running = node();
    let mut devices = Vec::new();
    for _ in 0..4 {
        let device = enrol(&running.engine).await;
        device.request(&running.engine, &request_for(&device.name)).await.unwrap();
        devices.push(device);
        let before = devices.len() - 1;
        until("it is known", async || {
            let status = devices[before].status(&running.engine).await;
            let position = u64::try_from(before).unwrap().saturating_sub(1);
            before == 0 || queued(&status).is_some_and(|(place, _)| place == position)
        })
        .await;
    }
    devices[0].chain(&running.engine).await;
    for turn in 1..4 {
        // Killed without a word, and nobody asks for anything again.
        running.kill().await;
        running = node();
        until("they stand as before", async || {
            let mut stand = Vec::new();
            for device in &devices[turn..] {
                stand.extend(queued(&device.status(&running.engine).await).map(|(place, _)| place));
            }
            stand.into_iter().eq(0..4 - turn as u64)
        })
        .await;
        world.clock.put_forward(HOUR + Duration::from_secs(1));
        devices[turn].chain(&running.engine).await;
        assert_eq!(world.ca.ledger().orders().len(), turn + 1);
    }
    running.end().await;
    world.end().await;
}

/// Counts what concerns orders and budgets.
#[derive(Debug)]
struct Counting {
    inner: MemoryStore,
    calls: AtomicUsize,
    writes: AtomicUsize,
}

impl Counting {
    fn note(&self, collection: Collection) {
        if ["order", "budget", "limit"].contains(&collection.as_str()) {
            self.calls.fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[async_trait]
impl Store for Counting {
    async fn read(&self, collection: Collection, key: &str) -> Result<Option<Record>, StoreError> {
        self.note(collection);
        self.inner.read(collection, key).await
    }

    async fn page(
        &self,
        collection: Collection,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        self.note(collection);
        self.inner.page(collection, after, limit).await
    }

    async fn commit(&self, transaction: Transaction) -> Result<Version, StoreError> {
        self.writes.fetch_add(1, Ordering::SeqCst);
        self.inner.commit(transaction).await
    }

    async fn claim(
        &self,
        collection: Collection,
        now: SystemTime,
        until: SystemTime,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        // The sweeper's, which is there whether anybody waits or not.
        self.inner.claim(collection, now, until, limit).await
    }

    async fn count_due(
        &self,
        collection: Collection,
        time: SystemTime,
        limit: usize,
    ) -> Result<usize, StoreError> {
        self.note(collection);
        self.inner.count_due(collection, time, limit).await
    }
}

/// As many orders more as are wanted, each as the one that is there but for its name.
async fn multiply(store: &dyn Store, device: &Device, count: usize) {
    let all = records(store, "order").await;
    let like = all.iter().find(|order| order.key == device.name.as_str()).unwrap();
    let text = String::from_utf8(like.value.clone()).unwrap();
    let keys: Vec<_> = (0..count).map(|index| format!("m{index}.fleet.test")).collect();
    for some in keys.chunks(200) {
        let write = some.iter().fold(Transaction::new(), |write, key| {
            let value = text.replace(device.name.as_str(), key).into_bytes();
            write.put(Collection::new("order"), key, Expect::Absent, value, like.due)
        });
        store.commit(write).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_orders_before_an_empty_bucket_cost_next_to_nothing() {
    const MOST: usize = 10_000;
    let world = World::start().await;
    let store =
        Arc::new(Counting { inner: MemoryStore::new(), calls: 0.into(), writes: AtomicUsize::default() });
    let parts = || {
        let mut parts = world.parts(store.clone());
        parts.options.limits = Some(orders_of(1, 10 * HOUR));
        parts.options.look_for_orders = Duration::from_secs(10);
        parts
    };
    let front = Engine::new(parts());
    let spends = enrol(&front).await;
    spends.request(&front, &request_for(&spends.name)).await.unwrap();
    let running = Running::start(parts());
    spends.chain(&running.engine).await;
    let first = enrol(&front).await;
    first.request(&front, &request_for(&first.name)).await.unwrap();
    multiply(&*store, &first, MOST).await;
    running.end().await;

    let told = Told::default();
    let mut parts = parts();
    parts.events = Arc::new(told.clone());
    let running = Running::start(parts);
    let engine = &running.engine;
    until("all are known", async || told.about("OrdersHeld") == 1).await;
    // One minute, and a look at the queue in each of its seconds.
    let began = world.clock.now();
    let (calls, writes) = (store.calls.load(Ordering::SeqCst), store.writes.load(Ordering::SeqCst));
    for _ in 0..60 {
        world.clock.put_forward(Duration::from_secs(1));
        // The workers wake at the same interval.
        world.looks.two_more("certificate").await;
    }
    let calls = store.calls.load(Ordering::SeqCst) - calls;
    let writes = store.writes.load(Ordering::SeqCst) - writes;
    println!("{MOST} orders before an empty bucket: {calls} reads and {writes} writes in a minute");
    // A look in ten seconds. On a slow machine it was a long minute.
    let most = 2 + world.clock.now().duration_since(began).unwrap().as_secs() / 10;
    assert!((1..=most).contains(&(calls as u64)) && writes == 0, "{calls} {writes}");

    // Who asks is told where it stands, at the price of a few reads.
    let before = store.calls.load(Ordering::SeqCst);
    let (ahead, expected_at) = queued(&first.status(engine).await).unwrap();
    let reads = store.calls.load(Ordering::SeqCst) - before;
    assert!(reads <= 6, "{reads}");
    let wait = expected_at.duration_since(world.clock.now()).unwrap();
    let tokens = u32::try_from(ahead + 1).unwrap();
    assert!(wait.abs_diff(10 * HOUR * tokens) < HOUR, "{ahead} {wait:?}");

    // The next token is one order, and the others stay as they are.
    let others = async || {
        let orders = records(&store.inner, "order").await;
        orders
            .into_iter()
            .map(|order| (order.key, order.version))
            .collect::<std::collections::BTreeMap<_, _>>()
    };
    let before = others().await;
    world.clock.put_forward(10 * HOUR);
    until("it is sent", async || world.ca.ledger().requests(Resource::NewOrder) == 2).await;
    let time_passes = async {
        for _ in 0..3 {
            world.clock.put_forward(Duration::from_secs(10));
            world.looks.two_more("certificate").await;
        }
    };
    tokio::join!(world.looks.two_more("order"), time_passes);
    let after = others().await;
    let touched = before.iter().filter(|(key, version)| after.get(*key) != Some(*version)).count();
    assert_eq!((touched, world.ca.ledger().requests(Resource::NewOrder)), (1, 2));
    running.end().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_kept_for_urgent_orders_is_not_for_new_devices() {
    let world = World::start().await;
    let store = Arc::new(MemoryStore::new());
    let told = Told::default();
    let mut parts = world.parts(store.clone());
    parts.events = Arc::new(told.clone());
    parts.options.limits = Some(orders_of(10, 10 * DAY));
    let mut reserve = Reserve::default();
    reserve.leave.new = 800;
    parts.options.reserve = reserve;
    let running = Running::start(parts);
    let engine = &running.engine;
    let mut devices = Vec::new();
    for _ in 0..5 {
        let device = enrol(engine).await;
        device.request(engine, &request_for(&device.name)).await.unwrap();
        devices.push(device);
    }
    until("two are issued", async || world.ca.ledger().certificates().len() == 2).await;
    until("the others wait", async || told.about("OrdersHeld") >= 1).await;
    world.looks.two_more("order").await;
    assert_eq!(world.ca.ledger().orders().len(), 2);

    // One of them is for a certificate that has all but expired.
    let urgent = records(&*store, "order").await.remove(0);
    let mut order: serde_json::Value = serde_json::from_slice(&urgent.value).unwrap();
    let queued_at = order["queued_at"].clone();
    order["previous"] = serde_json::json!({
        "not_before": { "secs_since_epoch": 0, "nanos_since_epoch": 0 }, "not_after": queued_at,
        "renew_at": null, "window_end": null,
    });
    let expect = Expect::Version(urgent.version);
    let value = serde_json::to_vec(&order).unwrap();
    let write = Transaction::new().put(Collection::new("order"), &urgent.key, expect, value, urgent.due);
    store.commit(write).await.unwrap();
    until("it is issued", async || world.ca.ledger().certificates().len() == 3).await;
    assert_eq!(world.certificates(&urgent.key.parse().unwrap()), 1);
    world.looks.two_more("order").await;
    assert_eq!(world.ca.ledger().orders().len(), 3);
    running.end().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_read_keeps_no_other_waiting() {
    let world = World::start().await;
    let store = Arc::new(MemoryStore::new());
    let told = Told::default();
    let mut parts = world.parts(store.clone());
    parts.events = Arc::new(told.clone());
    let front = Engine::new(parts.clone());
    let (first, second) = (enrol(&front).await, enrol(&front).await);
    first.request(&front, &request_for(&first.name)).await.unwrap();
    let due = Some(world.clock.now() - DAY);
    let damage = |collection, key: &str| {
        let write = Transaction::new().put(Collection::new(collection), key, Expect::Any, b"?".to_vec(), due);
        store.commit(write)
    };
    damage("order", "broken.fleet.test").await.unwrap();
    damage("certificate", first.name.as_str()).await.unwrap();
    let running = Running::start(parts);
    until("it is told", async || told.mentions("StoreFailed")).await;
    second.request(&running.engine, &request_for(&second.name)).await.unwrap();
    second.chain(&running.engine).await;
    assert_eq!((world.orders(&first.name), world.orders(&second.name)), (0, 1));
    running.end().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ca_that_has_no_time_is_left_alone_until_one_order_succeeds() {
    let world = World::start().await;
    let told = Told::default();
    let mut parts = world.parts(Arc::new(MemoryStore::new()));
    parts.events = Arc::new(told.clone());
    let running = Running::start(parts);
    let engine = &running.engine;
    // An order that the CA has is brought to its end all the same.
    world.ca.faults().hold_validations();
    let placed = enrol(engine).await;
    placed.request(engine, &request_for(&placed.name)).await.unwrap();
    until("the CA has it", async || world.orders(&placed.name) == 1).await;

    let busy = Problem::new(ProblemKind::ServerInternal, "busy").with_status(503);
    world.ca.faults().refuse_next(Resource::NewOrder, 1, busy.with_retry_after(HOUR));
    let first = enrol(engine).await;
    first.request(engine, &request_for(&first.name)).await.unwrap();
    until("the breaker is open", async || told.about("BreakerOpened") == 1).await;
    assert!(told.mentions("BreakerOpened { of: Ca"));
    let second = enrol(engine).await;
    second.request(engine, &request_for(&second.name)).await.unwrap();
    world.ca.faults().release_validations();
    placed.chain(engine).await;
    let asked = world.ca.ledger().requests(Resource::NewOrder);
    world.looks.two_more("order").await;
    assert_eq!(world.ca.ledger().requests(Resource::NewOrder), asked);
    let (_, expected_at) = queued(&second.status(engine).await).unwrap();
    assert!(expected_at > world.clock.now() + HOUR / 2, "{expected_at:?}");
    assert_eq!(told.about("BreakerClosed"), 0);

    world.clock.put_forward(HOUR + Duration::from_secs(60));
    second.chain(engine).await;
    first.chain(engine).await;
    assert_eq!((told.about("BreakerOpened"), told.about("BreakerClosed")), (1, 1));
    running.end().await;
    world.end().await;
}
