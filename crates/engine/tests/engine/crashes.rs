//! Killed at every step: nothing is lost, nothing is ordered twice, nothing stays in the zone.

use std::sync::Arc;
use std::time::Duration;

use fleetcert_ambient::Clock;
use fleetcert_protocol::CertificateStatus;
use fleetcert_store::{MemoryStore, SqliteStore, Store};
use tokio::task::JoinSet;

use crate::budgets::{counted, slow_limits};
use crate::setting::{Running, ShiftedClock, World, chain_of, enrol, records, request_for, until, zone};
use crate::stopping_store::{Side, StoppingStore};
use fleetcert_dns::{DnsBackend, RecordType};

/// Beyond every lease, and short of the expiry of a challenge record: what is left in the zone must be withdrawn by
/// who goes on with the order, not by the sweeper.
const DOWN: Duration = Duration::from_secs(400);
/// Beyond that expiry, and short of the day after which an order is given up.
const EXPIRED: Duration = Duration::from_secs(2 * 3600);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Memory,
    Sqlite,
}

/// What was seen of one kill.
#[derive(Debug)]
struct Seen {
    /// The process ended before its `n`-th write.
    survived: bool,
    /// The order's state as the kill left it.
    left: Option<String>,
    orders: usize,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_every_write() {
    let world = Arc::new(World::start().await);
    let mut kills = Vec::new();
    for kind in [Kind::Memory, Kind::Sqlite] {
        for side in [Side::Before, Side::After] {
            kills.extend(every_kill(&world, kind, side, DOWN).await);
        }
    }

    let states: std::collections::BTreeSet<_> =
        kills.iter().filter_map(|seen| seen.left.as_deref()).collect();
    let every_state = [
        "answered",
        "done",
        "downloaded",
        "finalized",
        "finalizing",
        "ordered",
        "ordering",
        "publishing",
        "visible",
        "wanted",
        "withdrawing",
    ];
    assert!(states.iter().copied().eq(every_state), "{states:?}");
    // The answer to newOrder was lost: that alone may cost an order, and at a CA that gives pending orders back not
    // even that.
    let twice = kills.iter().filter(|seen| seen.orders > 1);
    assert!(twice.clone().all(|seen| seen.left.as_deref() == Some("ordering")), "{kills:?}");
    assert_eq!(twice.count(), 2, "one for each store: {kills:?}");
    assert!(kills.len() >= 52, "{}", kills.len());
    Arc::into_inner(world).unwrap().end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_every_write_at_a_ca_that_gives_pending_orders_back() {
    let world = Arc::new(World::start_with(|options| options.acme.reuse_orders = true).await);
    let kills = every_kill(&world, Kind::Memory, Side::Before, DOWN).await;
    assert!(kills.len() >= 12 && kills.iter().all(|seen| seen.orders == 1), "{kills:?}");
    Arc::into_inner(world).unwrap().end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_every_write_and_started_when_the_challenge_records_have_expired() {
    let world = Arc::new(World::start().await);
    // The sweeper and who goes on with the order start at the same moment.
    let kills = every_kill(&world, Kind::Memory, Side::After, EXPIRED).await;
    assert!(kills.len() >= 13 && kills.iter().all(|seen| seen.orders == 1), "{kills:?}");
    Arc::into_inner(world).unwrap().end().await;
}

/// One process for each write, killed there, until one lives to the end.
async fn every_kill(world: &Arc<World>, kind: Kind, side: Side, down: Duration) -> Vec<Seen> {
    const AT_A_TIME: usize = 4;
    let mut seen = Vec::new();
    for first in (1..).step_by(AT_A_TIME) {
        let mut kills = JoinSet::new();
        for n in first..first + AT_A_TIME {
            let world = world.clone();
            kills.spawn(async move { kill_and_go_on(&world, kind, n, side, down).await });
        }
        let results = kills.join_all().await;
        let survived = results.iter().any(|result| result.survived);
        seen.extend(results.into_iter().filter(|result| !result.survived));
        if survived {
            return seen;
        }
    }
    seen
}

async fn kill_and_go_on(world: &World, kind: Kind, n: usize, side: Side, down: Duration) -> Seen {
    let folder = tempfile::tempdir().unwrap();
    let open =
        || -> Arc<dyn Store> { Arc::new(SqliteStore::open(&folder.path().join("control.db")).unwrap()) };
    let memory: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let store = if kind == Kind::Memory { memory.clone() } else { open() };
    let clock = ShiftedClock::default();
    let parts = |store| {
        let mut parts = world.parts_at(store, &clock);
        parts.options.limits = Some(slow_limits());
        parts
    };

    let stopping = Arc::new(StoppingStore::new(store));
    let first = Running::start(parts(stopping.clone()));
    let device = enrol(&first.engine).await;
    let csr = request_for(&device.name);
    stopping.arm(n, side);
    let finished = async {
        device.request(&first.engine, &csr).await.unwrap();
        let settled = |status: &CertificateStatus| {
            matches!(status, CertificateStatus::Issued { renew_at: Some(_), .. })
        };
        device.wait(&first.engine, settled).await;
    };
    let survived = tokio::select! {
        () = finished => true,
        () = stopping.stopped() => false,
    };
    first.kill().await;
    drop(stopping);

    let store = if kind == Kind::Memory { memory } else { open() };
    let left = records(&*store, "order").await.first().map(|record| state_of(&record.value));
    // What the CA counts is counted here, whatever was written last.
    let (orders, certificates) = (world.orders(&device.name), world.certificates(&device.name));
    let now = clock.now();
    for (limit, spent) in [("NewOrders", orders), ("CertificatesPerDomain", certificates)] {
        let row = counted(&*store, limit, now).await;
        assert!(row.spent + row.held >= spent, "{kind:?}, {side:?} write {n}: {limit} {row:?}, {spent}");
    }
    clock.put_forward(down);
    let second = Running::start(parts(store.clone()));
    // As a device does that has lost the answer.
    let status = device.request(&second.engine, &csr).await.unwrap();
    assert!(!matches!(status, CertificateStatus::Failed { .. }), "{status:?}");
    let status =
        device.wait(&second.engine, |status| matches!(status, CertificateStatus::Issued { .. })).await;
    assert_eq!(chain_of(&status).leaf().identifiers(), [device.name.clone().into()]);
    until("the window is known", async || {
        matches!(device.status(&second.engine).await, CertificateStatus::Issued { renew_at: Some(_), .. })
    })
    .await;
    second.end().await;

    let about = format!("{kind:?}, {side:?} write {n}, left {left:?}");
    let orders = world.orders(&device.name);
    assert!(orders == 1 || (orders == 2 && left.as_deref() == Some("ordering")), "{about}: {orders} orders");
    assert_eq!(world.certificates(&device.name), 1, "{about}");
    // The newOrder of which it is not known whether it was sent counts as sent.
    let sent = counted(&*store, "NewOrders", clock.now()).await;
    assert!(sent.spent >= orders && sent.held == 0, "{about}: {sent:?}, {orders} orders");
    assert!(sent.spent == 1 + usize::from(left.as_deref() == Some("ordering")), "{about}: {sent:?}");
    for limit in ["CertificatesPerDomain", "CertificatesPerFQDNSet"] {
        let row = counted(&*store, limit, clock.now()).await;
        assert_eq!((row.spent, row.held), (1, 0), "{about}: {limit}");
    }
    assert_eq!(records(&*store, "budget").await.len(), 3, "{about}: what is full again is forgotten");
    let validations = world.ca.ledger().validations();
    let failed = validations
        .iter()
        .filter(|one| *one.identifier.base() == device.name && one.outcome.is_err())
        .count();
    assert_eq!(failed, 0, "{about}");
    let text = world.server.read(&zone(), &device.name.challenge_name(), RecordType::Txt).await.unwrap();
    assert_eq!(text, None, "{about}");
    assert!(records(&*store, "challenge").await.is_empty(), "{about}");
    assert!(records(&*store, "order").await.is_empty(), "{about}");
    assert_eq!(records(&*store, "certificate").await.len(), 1, "{about}");
    Seen { survived, left, orders }
}

fn state_of(order: &[u8]) -> String {
    let order: serde_json::Value = serde_json::from_slice(order).unwrap();
    order["state"]["state"].as_str().unwrap().to_owned()
}
