//! The CA's limits: kept by all nodes together, and over everything that may happen to one.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fleetcert_acme_server::Resource;
use fleetcert_ambient::Clock;
use fleetcert_protocol::CertificateStatus;
use fleetcert_schedule::budget::{Limit, LimitKind, Limits, Rule};
use fleetcert_store::{MemoryStore, SqliteStore, Store};
use fleetcert_testkit::limiter::{Bucket, CaLimits, Rate};
use tokio::task::JoinSet;

use crate::setting::{Running, World, enrol, records, request_for, until};

const HOUR: Duration = Duration::from_secs(3600);
/// So slowly tokens come back where they are to be counted.
const YEAR: Duration = Duration::from_secs(365 * 86_400);

/// Limits that no test reaches, and of which nothing comes back meanwhile.
pub(crate) fn slow_limits() -> Limits {
    let rule = Rule::Limited(Limit::new(100, 100, 100 * YEAR).unwrap());
    LimitKind::ALL.into_iter().fold(Limits::unknown(), |limits, kind| limits.with_rule(kind, rule))
}

/// What the store says of a bucket with [`slow_limits`].
#[derive(Debug)]
pub(crate) struct Counted {
    pub(crate) spent: usize,
    pub(crate) held: usize,
}

/// The only bucket of a limit.
pub(crate) async fn counted(store: &dyn Store, limit: &str, now: SystemTime) -> Counted {
    let Some((full_at, held)) = row(store, limit).await else { return Counted { spent: 0, held: 0 } };
    let left = full_at.duration_since(now).unwrap_or_default();
    let spent = left.as_secs().div_ceil(YEAR.as_secs());
    Counted { spent: usize::try_from(spent).unwrap(), held }
}

/// When the only bucket of a limit is full, and how much of it is held.
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_on_one_store_never_send_what_the_ca_would_refuse() {
    const MOST: usize = 5;
    let folder = tempfile::tempdir().unwrap();
    let file =
        || -> Arc<dyn Store> { Arc::new(SqliteStore::open(&folder.path().join("control.db")).unwrap()) };
    let memory: Arc<dyn Store> = Arc::new(MemoryStore::new());
    for stores in [[memory.clone(), memory], [file(), file()]] {
        let limits =
            CaLimits { new_orders_per_account: Rate::of(MOST as u64, 5 * HOUR), ..CaLimits::production() };
        let world = World::start_limited(limits).await;
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
            if is_issued(&status) { issued.push(device) } else { held.push(status) }
        }
        assert_eq!(issued.len(), MOST);
        let now = world.clock.now();
        for status in &held {
            let why = waits_for(status).unwrap();
            assert!(why.contains("the CA's limit on new orders of our account"), "{why}");
            let wait = expected_at(status).duration_since(now).unwrap();
            assert!(wait <= HOUR + Duration::from_secs(60), "{wait:?}");
        }
        nothing_is_held(&*stores[0]).await;
        assert_eq!(world.ca.ledger().requests(Resource::NewOrder), MOST as u64);

        // Each hour one more, and nobody asks in vain.
        for more in 1..=2 {
            world.clock.put_forward(HOUR + Duration::from_secs(5));
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

/// The buckets that all share are as the CA has them, and never fuller.
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
        // Ours was spent a moment after theirs.
        assert!(late < Duration::from_secs(10) && held == 0, "{limit} {late:?}");
    }
}
