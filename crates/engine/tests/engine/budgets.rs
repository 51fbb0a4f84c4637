//! The CA's rate limits: shared by all nodes, and kept through restarts and unknown limits.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fleetcert_acme_server::Resource;
use fleetcert_ambient::Clock;
use fleetcert_protocol::CertificateStatus;
use fleetcert_schedule::budget::{Limit, LimitKind, Limits, Rule};
use fleetcert_store::{Collection, Expect, MemoryStore, SqliteStore, Store, Transaction};
use fleetcert_testkit::limiter::{Bucket, CaLimits, Rate};
use tokio::task::JoinSet;

use crate::setting::{
    DAY, EventLog, HOUR, MINUTE, Running, World, chain_of, enrol, pass, records, request_for, until,
};

/// Time in which one token comes back where tokens are counted.
const YEAR: Duration = Duration::from_secs(365 * 86_400);

/// Returns limits that no test reaches, and whose tokens do not come back during a test.
pub(crate) fn slow_limits() -> Limits {
    let rule = Rule::Limited(Limit::new(100, 100, 100 * YEAR).unwrap());
    LimitKind::ALL.into_iter().fold(Limits::unknown(), |limits, kind| limits.with_rule(kind, rule))
}

/// The state of a bucket with [`slow_limits`] in the store.
#[derive(Debug)]
pub(crate) struct Counted {
    pub(crate) spent: usize,
    pub(crate) held: usize,
}

/// Returns the state of a limit's only bucket.
pub(crate) async fn counted(store: &dyn Store, limit: &str, now: SystemTime) -> Counted {
    let Some((full_at, held)) = row(store, limit).await else { return Counted { spent: 0, held: 0 } };
    let left = full_at.duration_since(now).unwrap_or_default();
    let spent = left.as_secs().div_ceil(YEAR.as_secs());
    Counted { spent: usize::try_from(spent).unwrap(), held }
}

/// Returns the time at which a limit's only bucket is full, and the tokens of it that are held.
async fn row(store: &dyn Store, limit: &str) -> Option<(SystemTime, usize)> {
    let all = records(store, "budget").await;
    let mut found = all.iter().filter(|record| record.key.contains(&format!(" {limit}")));
    let row: serde_json::Value = serde_json::from_slice(&found.next()?.value).unwrap();
    assert!(found.next().is_none(), "{limit} has several buckets");
    let full_at = u64::try_from(row["full_at"].as_i64().unwrap()).unwrap_or_default();
    let full_at = SystemTime::UNIX_EPOCH + Duration::from_nanos(full_at);
    Some((full_at, usize::try_from(row["held"].as_u64().unwrap()).unwrap()))
}

async fn nothing_is_held(store: &dyn Store) {
    until("nothing is held", async || {
        let rows = records(store, "budget").await;
        rows.iter().all(|row| String::from_utf8_lossy(&row.value).contains(r#""held":0"#))
    })
    .await;
}

fn rule(burst: u32, count: u32, period: Duration) -> Rule {
    Rule::Limited(Limit::new(burst, count, period).unwrap())
}

fn waits_for(status: &CertificateStatus) -> Option<&str> {
    match status {
        CertificateStatus::Queued { waits_for, .. } => waits_for.as_deref(),
        _ => None,
    }
}

fn expected_at(status: &CertificateStatus) -> SystemTime {
    match status {
        CertificateStatus::Queued { expected_at, .. } => {
            SystemTime::UNIX_EPOCH + Duration::from_secs(*expected_at)
        }
        other => panic!("not queued: {other:?}"),
    }
}

fn is_issued(status: &CertificateStatus) -> bool {
    matches!(status, CertificateStatus::Issued { .. })
}

fn refusals(world: &World) -> u64 {
    world.ca.ledger().rate_limited().values().sum()
}

/// In real time, because the nodes race on two OS threads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_on_one_store_send_nothing_that_the_ca_would_refuse() {
    const MOST: usize = 5;
    let folder = tempfile::tempdir().unwrap();
    let file =
        || -> Arc<dyn Store> { Arc::new(SqliteStore::open(&folder.path().join("control.db")).unwrap()) };
    let memory: Arc<dyn Store> = Arc::new(MemoryStore::new());
    for stores in [[memory.clone(), memory], [file(), file()]] {
        let limits =
            CaLimits { new_orders_per_account: Rate::of(MOST as u64, 5 * HOUR), ..CaLimits::production() };
        let world = World::start_limited_in_real_time(limits).await;
        let nodes = stores.clone().map(|store| {
            let mut parts = world.parts(store);
            let limits = Limits::lets_encrypt_production();
            let orders = rule(MOST as u32, MOST as u32, 5 * HOUR);
            parts.options.limits = Some(limits.with_rule(LimitKind::NewOrdersPerAccount, orders));
            Running::start(parts)
        });
        let mut devices = Vec::new();
        for index in 0..12 {
            devices.push(Arc::new(enrol(&nodes[index % 2].engine).await));
        }
        let mut requests = JoinSet::new();
        for (index, device) in devices.iter().enumerate() {
            let (engine, device) = (nodes[index % 2].engine.clone(), device.clone());
            let csr = request_for(&device.name);
            requests.spawn(async move { device.request(&engine, &csr).await.unwrap() });
        }
        requests.join_all().await;

        let (mut issued, mut held) = (Vec::new(), Vec::new());
        for device in &devices {
            let settled = |status: &CertificateStatus| is_issued(status) || waits_for(status).is_some();
            let status = device.wait(&nodes[0].engine, settled).await;
            if is_issued(&status) { issued.push(device) } else { held.push(device) }
        }
        assert_eq!(issued.len(), MOST);
        let now = world.clock.now();
        // A token comes back each hour, and each order knows the number of those before it.
        until("each order has its position", async || {
            let mut waits = Vec::new();
            for device in &held {
                let status = device.status(&nodes[0].engine).await;
                // An order that another node was faster with is read again in a second.
                let Some(why) = waits_for(&status) else { return false };
                assert!(why.contains("the CA's limit on new orders of our account"), "{why}");
                waits.push(expected_at(&status).duration_since(now).unwrap());
            }
            waits.sort();
            let mut places = (1..).zip(waits);
            places.all(|(hours, wait)| wait.abs_diff(hours * HOUR) < Duration::from_secs(120))
        })
        .await;
        nothing_is_held(&*stores[0]).await;
        assert_eq!(world.ca.ledger().requests(Resource::NewOrder), MOST as u64);

        // One more each hour, without a refusal.
        for more in 1..=2 {
            world.clock.jump(HOUR + Duration::from_secs(5));
            until("one more is issued", async || world.ca.ledger().certificates().len() == MOST + more).await;
        }
        nothing_is_held(&*stores[1]).await;
        assert_eq!(world.ca.ledger().orders().len(), MOST + 2);
        assert_eq!(refusals(&world), 0);
        mirrors(&world, &*stores[0]).await;
        for node in nodes {
            node.end().await;
        }
        world.end().await;
    }
}

/// Checks that the shared buckets are as the CA has them, and never fuller.
async fn mirrors(world: &World, store: &dyn Store) {
    let account = fleetcert_acme::Authority::account_url(&world.account);
    let (now, domain) = (world.clock.now(), "fleet.test".parse().unwrap());
    for (limit, bucket) in [
        ("NewOrdersPerAccount", Bucket::Orders { account }),
        ("CertificatesPerDomain", Bucket::Certificates { domain: &domain }),
    ] {
        let of_the_ca = world.ca.limiter(|limiter| limiter.bucket(&bucket, now)).unwrap().unwrap();
        let (ours, held) = row(store, limit).await.unwrap();
        let late = ours.duration_since(of_the_ca).unwrap();
        // Ours was spent after theirs.
        assert!(late < Duration::from_secs(10) && held == 0, "{limit} {late:?}");
    }
}

/// Starts an engine that takes `limits` for the CA's, and returns it with its events.
fn node(world: &World, store: &Arc<MemoryStore>, limits: Limits) -> (Running, EventLog) {
    let mut parts = world.parts(store.clone());
    let events = EventLog::default();
    (parts.options.limits, parts.events) = (Some(limits), Arc::new(events.clone()));
    (Running::start(parts), events)
}

#[tokio::test(start_paused = true)]
async fn unknown_limit_is_learned_from_one_refusal() {
    let limits = CaLimits { new_orders_per_account: Rate::of(2, 2 * HOUR), ..CaLimits::production() };
    let world = World::start_limited(limits).await;
    let store = Arc::new(MemoryStore::new());
    let (first, events) = node(&world, &store, Limits::lets_encrypt_production());
    let engine = &first.engine;
    for _ in 0..2 {
        let device = enrol(engine).await;
        device.request(engine, &request_for(&device.name)).await.unwrap();
        device.chain(engine).await;
    }
    let third = enrol(engine).await;
    third.request(engine, &request_for(&third.name)).await.unwrap();
    third.wait(engine, |status| matches!(status, CertificateStatus::Failed { .. })).await;
    assert_eq!((refusals(&world), events.count("LimitReached"), events.count("LimitLearned")), (1, 1, 1));
    nothing_is_held(&*store).await;
    first.end().await;

    // The next process knows it, and sends nothing that would be refused.
    let (second, events) = node(&world, &store, Limits::lets_encrypt_production());
    let engine = &second.engine;
    let mut devices = vec![third];
    for _ in 0..3 {
        let device = enrol(engine).await;
        device.request(engine, &request_for(&device.name)).await.unwrap();
        device.wait(engine, |status| waits_for(status).is_some()).await;
        devices.push(device);
    }
    until("the limit holds them", async || events.count("OrdersHeld") == 1).await;
    assert_eq!(events.count("OrderHeld"), 0);
    for more in 1..=4 {
        world.clock.jump(HOUR + HOUR / 10);
        until("one more is issued", async || world.ca.ledger().certificates().len() == 2 + more).await;
    }
    assert_eq!(refusals(&world), 1);
    nothing_is_held(&*store).await;
    second.end().await;

    // A limit that the operator changes is believed.
    let more =
        Limits::lets_encrypt_production().with_rule(LimitKind::NewOrdersPerAccount, rule(9, 9, 9 * HOUR));
    let (third, _) = node(&world, &store, more);
    let device = enrol(&third.engine).await;
    device.request(&third.engine, &request_for(&device.name)).await.unwrap();
    until("it is refused", async || refusals(&world) == 2).await;
    third.end().await;
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn learned_limit_that_cannot_be_decoded_stops_no_order_and_is_learned_again() {
    let limits = CaLimits { new_orders_per_account: Rate::of(1, 2 * HOUR), ..CaLimits::production() };
    let world = World::start_limited(limits).await;
    let store = Arc::new(MemoryStore::new());
    for run in 1..=2 {
        let (running, events) = node(&world, &store, Limits::lets_encrypt_production());
        let engine = &running.engine;
        // There is a token for the first.
        for _ in run..=2 {
            let device = enrol(engine).await;
            device.request(engine, &request_for(&device.name)).await.unwrap();
        }
        until("the CA refuses one", async || refusals(&world) == run).await;
        until("it is learned", async || events.count("LimitLearned") == 1).await;
        assert_eq!(events.count("StoreFailed") > 0, run == 2);
        running.end().await;
        let mut learned = records(&*store, "limit").await;
        assert_eq!(learned.len(), 1);
        let (key, any) = (learned.remove(0).key, Expect::Any);
        let damage = Transaction::new().put(Collection::new("limit"), key, any, b"{}".to_vec(), None);
        store.commit(damage).await.unwrap();
    }
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn renewals_pass_a_limit_that_holds_new_devices() {
    let limits = CaLimits { new_orders_per_account: Rate::of(1, 10 * DAY), ..CaLimits::production() };
    let world = World::start_limited(limits).await;
    let store = Arc::new(MemoryStore::new());
    let limits = Limits::lets_encrypt_production();
    let orders = rule(1, 1, 10 * DAY);
    let (node, _) = node(&world, &store, limits.with_rule(LimitKind::NewOrdersPerAccount, orders));
    let engine = &node.engine;
    let device = enrol(engine).await;
    device.request(engine, &request_for(&device.name)).await.unwrap();
    let mut last = device.chain(engine).await;
    let other = enrol(engine).await;
    other.request(engine, &request_for(&other.name)).await.unwrap();
    other.wait(engine, |status| waits_for(status).is_some()).await;

    // In the window; outside it, where the same names suffice; and when the CA refuses `replaces`.
    for (index, in_window) in [true, false, true].into_iter().enumerate() {
        if in_window {
            world.clock.jump(HOUR + HOUR / 60);
        }
        let now = world.clock.now();
        let start = if in_window { now - HOUR } else { now + HOUR };
        world.ca.set_renewal_window(last.leaf().certificate_id().unwrap(), start, start + 2 * HOUR);
        engine.look_at_renewal(&device.name).await.unwrap();
        let window = |status: &CertificateStatus| match status {
            CertificateStatus::Issued { renew_at, .. } => renew_at.is_some_and(|at| {
                let at = SystemTime::UNIX_EPOCH + Duration::from_secs(at);
                at + Duration::from_secs(1) >= start && at <= start + 2 * HOUR
            }),
            _ => false,
        };
        device.wait(engine, window).await;
        if index == 2 {
            let gone = fleetcert_acme_server::Problem::new(
                fleetcert_acme_server::ProblemKind::AlreadyReplaced,
                "it is replaced",
            );
            world.ca.faults().refuse_next(Resource::NewOrder, 1, gone.with_status(409));
        }
        device.request(engine, &request_for(&device.name)).await.unwrap();
        let renewed = |status: &CertificateStatus| is_issued(status) && chain_of(status) != last;
        last = chain_of(&device.wait(engine, renewed).await);
    }
    nothing_is_held(&*store).await;
    let orders = world.ca.ledger().orders();
    assert_eq!(
        orders.iter().map(|order| order.replaces.is_some()).collect::<Vec<_>>(),
        [false, true, true, false]
    );
    assert_eq!((refusals(&world), world.ca.ledger().certificates().len()), (0, 4));
    assert!(waits_for(&other.status(engine).await).is_some());
    mirrors(&world, &*store).await;

    // The exact set is spent by each of them, and as at the CA.
    let (now, identifiers) = (world.clock.now(), device.name.clone().into());
    let exact = Bucket::ExactSet { identifiers: &identifiers };
    let of_the_ca = world.ca.limiter(|limiter| limiter.bucket(&exact, now)).unwrap().unwrap();
    let (ours, _) = row(&*store, "CertificatesPerFQDNSet").await.unwrap();
    assert!(ours.duration_since(of_the_ca).unwrap() < Duration::from_secs(10));
    node.end().await;
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn paused_name_is_not_ordered_until_the_operator_lifts_the_pause_or_a_day_has_passed() {
    let world = World::start().await;
    let store = Arc::new(MemoryStore::new());
    let (node, events) = node(&world, &store, Limits::lets_encrypt_production());
    let engine = &node.engine;
    let device = enrol(engine).await;
    let detail = format!(
        "Your account is temporarily prevented from requesting certificates for {} and possibly others. Please \
         visit: https://ca.test/unpause?jwt=SECRET",
        device.name
    );
    let paused = || {
        let kind = fleetcert_acme_server::ProblemKind::RateLimited;
        fleetcert_acme_server::Problem::new(kind, detail.clone()).with_status(429)
    };
    let asked = || world.ca.ledger().requests(Resource::NewOrder);
    world.ca.faults().refuse_next(Resource::NewOrder, 1, paused());
    device.request(engine, &request_for(&device.name)).await.unwrap();
    let status = device.wait(engine, |status| matches!(status, CertificateStatus::Failed { .. })).await;
    assert!(!format!("{status:?}").contains("SECRET"), "{status:?}");
    assert_eq!((asked(), events.count("NamePaused")), (1, 1));

    // Another request does not end it.
    world.clock.jump(HOUR);
    device.request(engine, &request_for(&device.name)).await.unwrap();
    let status = device.wait(engine, |status| waits_for(status).is_some()).await;
    assert!(waits_for(&status).unwrap().contains("paused"), "{status:?}");
    // Other names are not affected.
    let other = enrol(engine).await;
    other.request(engine, &request_for(&other.name)).await.unwrap();
    other.chain(engine).await;
    assert_eq!(asked(), 2);

    engine.name_unpaused(&other.name).await.unwrap();
    engine.name_unpaused(&device.name).await.unwrap();
    device.chain(engine).await;
    assert_eq!((asked(), events.count("NamePaused")), (3, 1));

    // Without the operator the CA is asked again after a day, once.
    let forgotten = enrol(engine).await;
    world.ca.faults().refuse_next(Resource::NewOrder, 2, paused());
    forgotten.request(engine, &request_for(&forgotten.name)).await.unwrap();
    forgotten.wait(engine, |status| matches!(status, CertificateStatus::Failed { .. })).await;
    world.clock.jump(23 * HOUR);
    pass(5 * MINUTE).await;
    assert_eq!(asked(), 4);
    world.clock.jump(HOUR + HOUR / 10);
    until("it is asked for again", async || asked() == 5).await;
    nothing_is_held(&*store).await;
    assert!(!events.mentions("SECRET"), "the URL that lifts the pause is in no log");
    node.end().await;
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn row_of_a_full_bucket_is_deleted() {
    let world = World::start().await;
    let store = Arc::new(MemoryStore::new());
    let (first, _) = node(&world, &store, Limits::lets_encrypt_production());
    let device = enrol(&first.engine).await;
    device.request(&first.engine, &request_for(&device.name)).await.unwrap();
    device.chain(&first.engine).await;
    nothing_is_held(&*store).await;
    assert_eq!(records(&*store, "budget").await.len(), 3);
    first.end().await;
    // A new order is back in 36 seconds, a certificate of the domain in 201.6 minutes, one of the set in 33.6 hours.
    for (by, left) in [(Duration::from_secs(60), 2), (4 * HOUR, 1), (34 * HOUR, 0)] {
        world.clock.jump(by);
        let (next, _) = node(&world, &store, Limits::lets_encrypt_production());
        until("it is swept", async || records(&*store, "budget").await.len() == left).await;
        next.end().await;
    }
    world.end().await;
}
