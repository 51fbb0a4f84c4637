//! Renewals that the CA wants at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fleetcert_acme::{AcmeError, RenewalInfo};
use fleetcert_acme_server::Resource;
use fleetcert_ambient::Clock;
use fleetcert_engine::{Engine, EngineErrorKind};
use fleetcert_protocol::CertificateStatus;
use fleetcert_store::MemoryStore;

use crate::odd_ca::OddCa;
use crate::setting::{DAY, Device, Running, World, enrol, records, refused, request_for, until};

const HOUR: Duration = Duration::from_secs(3600);
const DEVICES: usize = 200;
/// Pace of the test. Four fifths of it go to the certificates in the order of their deadlines.
const PER_HOUR: u32 = 100;

fn unix(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

async fn renew_at(device: &Device, engine: &Engine) -> u64 {
    match device.status(engine).await {
        CertificateStatus::Issued { renew_at: Some(at), .. } => at,
        other => panic!("{other:?}"),
    }
}

/// Returns the renewal times of all devices but the first, and whose they are.
async fn plan_of(devices: &[Device], engine: &Engine) -> BTreeMap<u64, usize> {
    let mut planned = BTreeMap::new();
    for (i, device) in devices.iter().enumerate().skip(1) {
        planned.insert(renew_at(device, engine).await, i);
    }
    planned
}

async fn is_due(device: &Device, engine: &Engine) -> bool {
    matches!(device.status(engine).await, CertificateStatus::Issued { due: true, .. })
}

#[tokio::test(start_paused = true)]
async fn mass_revocation_is_ordered_at_its_pace_by_deadline_also_after_a_restart() {
    let world = World::start().await;
    let store = Arc::new(MemoryStore::new());
    let parts = || {
        let mut parts = world.parts(store.clone());
        parts.options.urgent_renewals_per_hour = PER_HOUR;
        parts.options.requests_per_device = None;
        parts
    };
    let running = Running::start(parts());
    let engine = &running.engine;
    let mut devices = Vec::new();
    for _ in 0..DEVICES {
        let device = enrol(engine).await;
        device.request(engine, &request_for(&device.name)).await.unwrap();
        devices.push(device);
    }
    let mut ids = Vec::new();
    for device in &devices {
        ids.push(device.chain(engine).await.leaf().certificate_id().unwrap());
        device
            .wait(engine, |status| matches!(status, CertificateStatus::Issued { renew_at: Some(_), .. }))
            .await;
    }

    // One certificate does not wait. Its neighbour's window ends before those of all others.
    world.clock.jump(DAY);
    let now = world.clock.now();
    world.ca.set_renewal_window(ids[0].clone(), now - 2 * HOUR, now - HOUR);
    engine.look_at_renewal(&devices[0].name).await.unwrap();
    until("it is due", async || is_due(&devices[0], engine).await).await;

    // All others at once. The deadlines are in no order of names or issuance.
    let deadline_of = |i: usize| now + 10 * DAY + HOUR * u32::try_from(i * 77 % DEVICES).unwrap();
    for (i, id) in ids.iter().enumerate().skip(1) {
        world.ca.set_renewal_window(id.clone(), now - 2 * HOUR, deadline_of(i));
    }
    world.clock.jump(7 * HOUR);
    let start = unix(world.clock.now());
    let planned = async || {
        let planned = plan_of(&devices, engine).await;
        (planned.len() == DEVICES - 1 && planned.keys().all(|at| *at < start + 86_400)).then_some(planned)
    };
    until("all are planned", async || planned().await.is_some()).await;
    let planned = planned().await.unwrap();
    let order: Vec<usize> = planned.values().copied().collect();
    let mut by_deadline = order.clone();
    by_deadline.sort_by_key(|i| deadline_of(*i));
    assert_eq!(order, by_deadline);
    let times: Vec<u64> = planned.keys().copied().collect();
    assert!(times[0] <= start + 60, "the first starts at once");
    for pair in times.windows(2) {
        assert!((44..=46).contains(&(pair[1] - pair[0])), "{pair:?}");
    }

    // A restart keeps the plan, and so does another poll.
    running.end().await;
    let running = Running::start(parts());
    let engine = &running.engine;
    let last = &devices[order[order.len() - 1]];
    let polls = || world.ca.ledger().requests(Resource::RenewalInfo);
    let before = polls();
    engine.look_at_renewal(&last.name).await.unwrap();
    until("it is polled", async || polls() > before).await;
    assert_eq!(plan_of(&devices, engine).await, planned);

    // The devices order when they are due.
    let mut renewed = 0;
    for hour in 1..=3 {
        world.clock.jump(HOUR);
        let mut due = Vec::new();
        for i in &order[renewed..] {
            if is_due(&devices[*i], engine).await {
                devices[*i].request(engine, &request_for(&devices[*i].name)).await.unwrap();
                due.push(&devices[*i]);
            }
        }
        for device in &due {
            until("it is renewed", async || world.certificates(&device.name) == 2).await;
        }
        renewed += due.len();
        let left = times.iter().filter(|at| **at > unix(world.clock.now())).count();
        assert!(renewed <= order.len() - left, "in hour {hour}");
        assert!(due.len() <= 82 && (due.len() >= 78 || left == 0), "{} in hour {hour}", due.len());
    }
    assert_eq!(renewed, order.len());
    assert_eq!(records(&*store, "renewal-plan").await.len(), 1);
    running.end().await;
    world.end().await;
}

/// A window that was over before any certificate of this test was issued.
fn long_over() -> Result<RenewalInfo, AcmeError> {
    let end = SystemTime::UNIX_EPOCH + 10_000 * DAY;
    Ok(RenewalInfo { start: end - DAY, end, explanation_url: None, poll_after: 6 * HOUR })
}

/// Requests certificates as often as the engine says that one is due, and once more. Returns how many there are.
async fn renew_while_due(world: &World, device: &Device, engine: &Engine) -> usize {
    for _ in 0..6 {
        device
            .wait(engine, |status| matches!(status, CertificateStatus::Issued { renew_at: Some(_), .. }))
            .await;
        if !is_due(device, engine).await {
            break;
        }
        let before = world.certificates(&device.name);
        device.request(engine, &request_for(&device.name)).await.unwrap();
        until("it is renewed", async || world.certificates(&device.name) > before).await;
    }
    world.certificates(&device.name)
}

#[tokio::test(start_paused = true)]
async fn window_that_stays_in_the_past_costs_one_certificate_in_a_third_of_a_life() {
    let world = World::start().await;
    let mut parts = world.parts(Arc::new(MemoryStore::new()));
    parts.authority = Arc::new(OddCa::with(&world.account, long_over));
    parts.options.between_certificates = DAY;
    let running = Running::start(parts);
    let engine = &running.engine;
    let device = enrol(engine).await;
    device.request(engine, &request_for(&device.name)).await.unwrap();
    let leaf = device.chain(engine).await;
    assert_eq!(renew_while_due(&world, &device, engine).await, 1);
    let early = device.request(engine, &request_for(&device.name)).await;
    refused(early, EngineErrorKind::RateLimited);
    let life = leaf.leaf().not_after().duration_since(world.clock.now()).unwrap();
    let at = renew_at(&device, engine).await;
    let third = unix(world.clock.now() + life / 3);
    assert!(at + 3600 >= third && at <= third + life.as_secs() / 50, "{at} {third}");
    world.clock.jump(life / 3 + life / 50);
    assert_eq!(renew_while_due(&world, &device, engine).await, 2);
    running.end().await;
    world.end().await;
}
