//! A process that is killed at any write loses nothing, orders nothing twice, and leaves nothing in the zone.

use std::sync::Arc;
use std::time::Duration;

use fleetcert_ambient::Clock;
use fleetcert_protocol::CertificateStatus;
use fleetcert_store::{MemoryStore, SqliteStore, Store};
use tokio::task::JoinSet;

use crate::budgets::{counted, slow_limits};
use crate::setting::{HOUR, Running, World, chain_of, enrol, records, request_for, until};
use crate::stopping_store::{Side, WriteStop};

/// Longer than every lease, and shorter than the expiry of a challenge record: what is left in the zone must be
/// withdrawn by the process that resumes the order, not by the sweeper.
const DOWN: Duration = Duration::from_secs(400);
/// Longer than that expiry, and shorter than the day after which an order is given up.
const EXPIRED: Duration = Duration::from_secs(2 * HOUR.as_secs());

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Memory,
    Sqlite,
}

/// What one kill showed.
#[derive(Debug)]
struct Kill {
    /// Whether the process finished before its `n`-th write.
    survived: bool,
    /// The order's state that the kill left.
    left: Option<String>,
    orders: usize,
}

#[tokio::test(start_paused = true)]
async fn process_killed_at_any_write_is_resumed_with_one_order_and_one_certificate() {
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
    // The answer to newOrder was lost: only that may cost an order, and nothing does at a CA that returns pending orders.
    let twice = kills.iter().filter(|seen| seen.orders > 1);
    assert!(twice.clone().all(|seen| seen.left.as_deref() == Some("ordering")), "{kills:?}");
    assert_eq!(twice.count(), 2, "one for each store: {kills:?}");
    assert!(kills.len() >= 52, "{}", kills.len());
    Arc::into_inner(world).unwrap().end().await;
}

#[tokio::test(start_paused = true)]
async fn kill_costs_no_order_at_a_ca_that_returns_pending_orders() {
    let world = Arc::new(World::start_with(|options| options.acme.reuse_orders = true).await);
    let kills = every_kill(&world, Kind::Memory, Side::Before, DOWN).await;
    assert!(kills.len() >= 12 && kills.iter().all(|seen| seen.orders == 1), "{kills:?}");
    Arc::into_inner(world).unwrap().end().await;
}

#[tokio::test(start_paused = true)]
async fn process_killed_at_any_write_is_resumed_after_the_challenge_records_have_expired() {
    let world = Arc::new(World::start().await);
    // The sweeper and the worker that resumes the order start at the same time.
    let kills = every_kill(&world, Kind::Memory, Side::After, EXPIRED).await;
    assert!(kills.len() >= 13 && kills.iter().all(|seen| seen.orders == 1), "{kills:?}");
    Arc::into_inner(world).unwrap().end().await;
}

/// Kills one process at each write, until one finishes.
async fn every_kill(world: &Arc<World>, kind: Kind, side: Side, down: Duration) -> Vec<Kill> {
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

async fn kill_and_go_on(world: &World, kind: Kind, n: usize, side: Side, down: Duration) -> Kill {
    let folder = tempfile::tempdir().unwrap();
    let open =
        || -> Arc<dyn Store> { Arc::new(SqliteStore::open(&folder.path().join("control.db")).unwrap()) };
    let memory: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let store = if kind == Kind::Memory { memory.clone() } else { open() };
    let clock = world.clock.unshifted();
    let parts = |store: Arc<dyn Store>| {
        let mut parts = world.parts_at(store, &clock);
        parts.options.limits = Some(slow_limits());
        parts
    };

    let (stopping, stop) = WriteStop::before(store);
    let first = Running::start(parts(stopping));
    let device = enrol(&first.engine).await;
    let csr = request_for(&device.name);
    stop.arm(n, side);
    let finished = async {
        device.request(&first.engine, &csr).await.unwrap();
        let settled = |status: &CertificateStatus| {
            matches!(status, CertificateStatus::Issued { renew_at: Some(_), .. })
        };
        device.wait(&first.engine, settled).await;
    };
    let survived = tokio::select! {
        () = finished => true,
        () = stop.stopped() => false,
    };
    first.kill().await;

    let store = if kind == Kind::Memory { memory } else { open() };
    let left = records(&*store, "order").await.first().map(|record| state_of(&record.value));
    // The budgets count what the CA counts, whatever was written last.
    let (orders, certificates) = (world.orders(&device.name), world.certificates(&device.name));
    let now = clock.now();
    for (limit, spent) in [("NewOrders", orders), ("CertificatesPerDomain", certificates)] {
        let row = counted(&*store, limit, now).await;
        assert!(row.spent + row.held >= spent, "{kind:?}, {side:?} write {n}: {limit} {row:?}, {spent}");
    }
    clock.jump(down);
    let second = Running::start(parts(store.clone()));
    // The device has lost the answer and repeats its request.
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
    // A newOrder counts as sent if it is not known whether it was.
    let sent = counted(&*store, "NewOrders", clock.now()).await;
    assert!(sent.spent >= orders && sent.held == 0, "{about}: {sent:?}, {orders} orders");
    assert!(sent.spent == 1 + usize::from(left.as_deref() == Some("ordering")), "{about}: {sent:?}");
    for limit in ["CertificatesPerDomain", "CertificatesPerFQDNSet"] {
        let row = counted(&*store, limit, clock.now()).await;
        assert_eq!((row.spent, row.held), (1, 0), "{about}: {limit}");
    }
    assert_eq!(records(&*store, "budget").await.len(), 3, "{about}: rows of full buckets are deleted");
    let validations = world.ca.ledger().validations();
    let failed = validations
        .iter()
        .filter(|one| *one.identifier.base() == device.name && one.outcome.is_err())
        .count();
    assert_eq!(failed, 0, "{about}");
    assert!(!world.has_challenge(&device.name).await, "{about}");
    assert!(records(&*store, "challenge").await.is_empty(), "{about}");
    assert!(records(&*store, "order").await.is_empty(), "{about}");
    assert_eq!(records(&*store, "certificate").await.len(), 1, "{about}");
    Kill { survived, left, orders }
}

fn state_of(order: &[u8]) -> String {
    let order: serde_json::Value = serde_json::from_slice(order).unwrap();
    order["state"]["state"].as_str().unwrap().to_owned()
}
