//! The order queue: over two nodes, over restarts, before an empty bucket and an unavailable CA.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use fleetcert_acme_server::{Problem, ProblemKind, Resource};
use fleetcert_ambient::Clock;
use fleetcert_engine::Engine;
use fleetcert_protocol::CertificateStatus;
use fleetcert_schedule::budget::{Limit, LimitKind, Limits, Rule};
use fleetcert_schedule::order_queue::Reserve;
use fleetcert_store::{
    Collection, Expect, InterceptedStore, Interceptor, MemoryStore, Store, StoreCall, StoreError, Transaction,
};

use crate::setting::{
    DAY, Device, EventLog, HOUR, MINUTE, Running, World, both_stores, enrol, pass, records, request_for,
    until,
};

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

/// In real time, because the nodes race on two OS threads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_drive_each_order_once() {
    let world = World::start_in_real_time().await;
    let folder = tempfile::tempdir().unwrap();
    for store in both_stores(folder.path()) {
        // A process that takes requests and runs no worker.
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
        // A later order is found, too.
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

#[tokio::test(start_paused = true)]
async fn restart_finds_all_waiting_orders_and_keeps_their_positions() {
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
        // Orders of the same time have no order of their own.
        pass(Duration::from_secs(1)).await;
        let device = enrol(&running.engine).await;
        device.request(&running.engine, &request_for(&device.name)).await.unwrap();
        devices.push(device);
        let before = devices.len() - 1;
        until("its position is known", async || {
            let status = devices[before].status(&running.engine).await;
            let position = u64::try_from(before).unwrap().saturating_sub(1);
            before == 0 || queued(&status).is_some_and(|(place, _)| place == position)
        })
        .await;
    }
    devices[0].chain(&running.engine).await;
    for turn in 1..4 {
        // No device repeats its request after the kill.
        running.kill().await;
        running = node();
        until("the positions are as before", async || {
            let mut positions = Vec::new();
            for device in &devices[turn..] {
                positions.extend(queued(&device.status(&running.engine).await).map(|(place, _)| place));
            }
            positions.into_iter().eq(0..4 - turn as u64)
        })
        .await;
        world.clock.jump(HOUR + Duration::from_secs(1));
        devices[turn].chain(&running.engine).await;
        assert_eq!(world.ca.ledger().orders().len(), turn + 1);
    }
    running.end().await;
    world.end().await;
}

/// Counts reads of orders and budgets, and all commits. Claims are not counted: the sweeper makes them whether an order
/// waits or not.
#[derive(Debug, Default)]
struct CallCounter {
    reads: AtomicUsize,
    commits: AtomicUsize,
}

impl CallCounter {
    fn counts(&self) -> (usize, usize) {
        (self.reads.load(SeqCst), self.commits.load(SeqCst))
    }
}

#[async_trait]
impl Interceptor for CallCounter {
    async fn before(&self, call: StoreCall<'_>) -> Result<(), StoreError> {
        match call {
            StoreCall::Commit { .. } => {
                self.commits.fetch_add(1, SeqCst);
            }
            StoreCall::Read { collection, .. }
            | StoreCall::Page { collection }
            | StoreCall::CountDue { collection } => {
                let counts = ["order", "budget", "limit"].contains(&collection.as_str());
                self.reads.fetch_add(usize::from(counts), SeqCst);
            }
            _ => {}
        }
        Ok(())
    }
}

/// Adds `count` orders, each as the device's own except for its name.
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

#[tokio::test(start_paused = true)]
async fn ten_thousand_orders_before_an_empty_bucket_cost_one_read_in_ten_seconds() {
    const ORDERS: usize = 10_000;
    let world = World::start().await;
    let (inner, counter) = (Arc::new(MemoryStore::new()), Arc::new(CallCounter::default()));
    let store = Arc::new(InterceptedStore::new(inner.clone(), counter.clone()));
    let parts = || {
        let mut parts = world.parts(store.clone());
        parts.options.limits = Some(orders_of(1, 10 * HOUR));
        parts
    };
    let front = Engine::new(parts());
    let spends = enrol(&front).await;
    spends.request(&front, &request_for(&spends.name)).await.unwrap();
    let running = Running::start(parts());
    spends.chain(&running.engine).await;
    let first = enrol(&front).await;
    first.request(&front, &request_for(&first.name)).await.unwrap();
    multiply(&*store, &first, ORDERS).await;
    running.end().await;

    let events = EventLog::default();
    let mut parts = parts();
    parts.events = Arc::new(events.clone());
    let running = Running::start(parts);
    let engine = &running.engine;
    until("all orders are known", async || events.count("OrdersHeld") == 1).await;
    let before = counter.counts();
    pass(MINUTE).await;
    let (calls, writes) = (counter.counts().0 - before.0, counter.counts().1 - before.1);
    println!("{ORDERS} orders before an empty bucket: {calls} reads and {writes} writes in a minute");
    // The worker wakes each second, and reads a page of orders each ten.
    assert!((1..=8).contains(&calls) && writes == 0, "{calls} {writes}");

    // A device's question for its position costs a few reads.
    let before = counter.counts().0;
    let (ahead, expected_at) = queued(&first.status(engine).await).unwrap();
    let reads = counter.counts().0 - before;
    assert!(reads <= 6, "{reads}");
    let wait = expected_at.duration_since(world.clock.now()).unwrap();
    let tokens = u32::try_from(ahead + 1).unwrap();
    assert!(wait.abs_diff(10 * HOUR * tokens) < HOUR, "{ahead} {wait:?}");

    // The next token starts one order, and the others stay as they are.
    let others = async || {
        let orders = records(&*inner, "order").await;
        orders
            .into_iter()
            .map(|order| (order.key, order.version))
            .collect::<std::collections::BTreeMap<_, _>>()
    };
    let before = others().await;
    world.clock.jump(10 * HOUR);
    until("it is sent", async || world.ca.ledger().requests(Resource::NewOrder) == 2).await;
    pass(MINUTE).await;
    let after = others().await;
    let touched = before.iter().filter(|(key, version)| after.get(*key) != Some(*version)).count();
    assert_eq!((touched, world.ca.ledger().requests(Resource::NewOrder)), (1, 2));
    running.end().await;
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn reserve_for_urgent_orders_is_not_spent_on_new_devices() {
    let world = World::start().await;
    let store = Arc::new(MemoryStore::new());
    let events = EventLog::default();
    let mut parts = world.parts(store.clone());
    parts.events = Arc::new(events.clone());
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
    until("the others wait", async || events.count("OrdersHeld") >= 1).await;
    pass(5 * MINUTE).await;
    assert_eq!(world.ca.ledger().orders().len(), 2);

    // One of them becomes an order for a certificate that is about to expire.
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
    pass(5 * MINUTE).await;
    assert_eq!(world.ca.ledger().orders().len(), 3);
    running.end().await;
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn record_that_cannot_be_decoded_holds_up_no_other_order() {
    let world = World::start().await;
    let store = Arc::new(MemoryStore::new());
    let events = EventLog::default();
    let mut parts = world.parts(store.clone());
    parts.events = Arc::new(events.clone());
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
    until("the failure is an event", async || events.mentions("StoreFailed")).await;
    second.request(&running.engine, &request_for(&second.name)).await.unwrap();
    second.chain(&running.engine).await;
    assert_eq!((world.orders(&first.name), world.orders(&second.name)), (0, 1));
    running.end().await;
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn busy_ca_gets_no_new_order_until_its_retry_after_has_passed() {
    let world = World::start().await;
    let events = EventLog::default();
    let mut parts = world.parts(Arc::new(MemoryStore::new()));
    parts.events = Arc::new(events.clone());
    let running = Running::start(parts);
    let engine = &running.engine;
    // An order that the CA has is finished all the same.
    world.ca.faults().hold_validations();
    let placed = enrol(engine).await;
    placed.request(engine, &request_for(&placed.name)).await.unwrap();
    until("the CA has it", async || world.orders(&placed.name) == 1).await;

    let busy = Problem::new(ProblemKind::ServerInternal, "busy").with_status(503);
    world.ca.faults().refuse_next(Resource::NewOrder, 1, busy.with_retry_after(HOUR));
    let first = enrol(engine).await;
    first.request(engine, &request_for(&first.name)).await.unwrap();
    until("the breaker is open", async || events.count("BreakerOpened") == 1).await;
    assert!(events.mentions("BreakerOpened { of: Ca"));
    let second = enrol(engine).await;
    second.request(engine, &request_for(&second.name)).await.unwrap();
    world.ca.faults().release_validations();
    placed.chain(engine).await;
    let asked = world.ca.ledger().requests(Resource::NewOrder);
    pass(5 * MINUTE).await;
    assert_eq!(world.ca.ledger().requests(Resource::NewOrder), asked);
    let (_, expected_at) = queued(&second.status(engine).await).unwrap();
    assert!(expected_at > world.clock.now() + HOUR / 2, "{expected_at:?}");
    assert_eq!(events.count("BreakerClosed"), 0);

    world.clock.jump(HOUR + Duration::from_secs(60));
    second.chain(engine).await;
    first.chain(engine).await;
    assert_eq!((events.count("BreakerOpened"), events.count("BreakerClosed")), (1, 1));
    running.end().await;
    world.end().await;
}
