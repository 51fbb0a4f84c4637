//! Orders that fail and are retried.

use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use async_trait::async_trait;
use fleetcert_acme_server::{Problem, ProblemKind, Resource};
use fleetcert_ambient::{Ambient, Clock};
use fleetcert_dns::challenge::{ChallengeOptions, Challenges};
use fleetcert_dns::{
    BackendError, BackendErrorKind, Capabilities, Change, DnsBackend, Operation, RecordSet, RecordType,
};
use fleetcert_engine::{EngineParts, Event, Events};
use fleetcert_names::DomainName;
use fleetcert_protocol::CertificateStatus;
use fleetcert_store::MemoryStore;

use crate::odd_ca::OddCa;
use crate::setting::{MINUTE, Running, ShiftedClock, World, enrol, pass, records, request_for, until};

fn failure(status: &CertificateStatus) -> Option<(String, u64)> {
    match status {
        CertificateStatus::Failed { problem, retry_at, .. } => {
            Some((problem.detail.clone(), retry_at.expect("every failure is tried again")))
        }
        _ => None,
    }
}

fn seconds(clock: &ShiftedClock) -> u64 {
    clock.now().duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

#[tokio::test(start_paused = true)]
async fn refusal_of_the_ca_is_shown_to_the_device_and_retried_after_its_wait() {
    let world = World::start().await;
    let running = Running::start(world.parts(Arc::new(MemoryStore::new())));
    let engine = &running.engine;
    let limited = Problem::new(ProblemKind::RateLimited, "too many certificates for fleet.test")
        .with_status(429)
        .with_retry_after(Duration::from_secs(7200));
    // The first waits as long as the CA asks, the second for the default back-off.
    for (problem, least, most) in [
        (limited, 7190, 7210),
        (Problem::new(ProblemKind::ServerInternal, "maintenance").with_status(500), 55, 70),
    ] {
        let device = enrol(engine).await;
        let detail = problem.detail().to_owned();
        world.ca.faults().refuse_next(Resource::NewOrder, 1, problem);
        let csr = request_for(&device.name);
        device.request(engine, &csr).await.unwrap();
        let (why, retry_at) =
            failure(&device.wait(engine, |status| failure(status).is_some()).await).unwrap();
        assert!(why.contains(&detail), "{why}");
        let wait = retry_at.saturating_sub(seconds(&world.clock));
        assert!((least..=most).contains(&wait), "{wait}");
        // Another request does not make it sooner.
        assert_eq!(failure(&device.request(engine, &csr).await.unwrap()), Some((why, retry_at)));
        assert_eq!(world.orders(&device.name), 0);
        world.clock.jump(Duration::from_secs(wait + 1));
        device.chain(engine).await;
        assert_eq!(world.orders(&device.name), 1);
    }
    running.end().await;
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn new_request_after_a_failure_waits_for_the_back_off() {
    let world = World::start().await;
    let running = Running::start(world.parts(Arc::new(MemoryStore::new())));
    let engine = &running.engine;
    let device = enrol(engine).await;
    let caa = || Problem::new(ProblemKind::Caa, "no").with_status(403);
    world.ca.faults().refuse_next(Resource::NewOrder, 2, caa());
    device.request(engine, &request_for(&device.name)).await.unwrap();
    let first = failure(&device.wait(engine, |status| failure(status).is_some()).await).unwrap();
    let before = world.ca.ledger().requests(Resource::NewOrder);
    let mut last = None;
    for _ in 0..20 {
        let answer = device.request(engine, &request_for(&device.name)).await.unwrap();
        last = failure(&answer);
        assert!(last.is_some(), "{answer:?}");
    }
    pass(MINUTE / 2).await;
    assert_eq!(world.ca.ledger().requests(Resource::NewOrder), before);
    // A new request need not wait a day, as the first would have to, but failures in a row count.
    let wait = last.unwrap().1 - seconds(&world.clock);
    assert!(wait <= 66 && first.1 > seconds(&world.clock) + 80_000, "{wait} {first:?}");
    world.clock.jump(Duration::from_secs(wait + 1));
    until("it failed again", async || world.ca.ledger().requests(Resource::NewOrder) == before + 1).await;
    let again = device.wait(engine, |status| failure(status).is_some_and(|(_, at)| at > first.1)).await;
    assert!(failure(&again).is_some());
    device.request(engine, &request_for(&device.name)).await.unwrap();
    let (_, retry_at) = failure(&device.status(engine).await).unwrap();
    let wait = retry_at - seconds(&world.clock);
    assert!((590..=660).contains(&wait), "{wait}");
    world.clock.jump(Duration::from_secs(wait + 1));
    device.chain(engine).await;
    running.end().await;
    world.end().await;
}

/// A backend that can be unavailable.
#[derive(Debug)]
struct UnavailableZone {
    backend: Arc<dyn DnsBackend>,
    unavailable: AtomicBool,
}

#[async_trait]
impl DnsBackend for UnavailableZone {
    async fn apply(&self, zone: &DomainName, changes: &[Change]) -> Result<(), BackendError> {
        self.available(zone, Operation::Apply)?;
        self.backend.apply(zone, changes).await
    }

    async fn read(
        &self,
        zone: &DomainName,
        name: &DomainName,
        record_type: RecordType,
    ) -> Result<Option<RecordSet>, BackendError> {
        self.available(zone, Operation::Read)?;
        self.backend.read(zone, name, record_type).await
    }

    fn capabilities(&self) -> Capabilities {
        self.backend.capabilities()
    }
}

impl UnavailableZone {
    fn available(&self, zone: &DomainName, operation: Operation) -> Result<(), BackendError> {
        if self.unavailable.load(SeqCst) {
            return Err(BackendError::new(BackendErrorKind::Unavailable, operation, zone, "no server"));
        }
        Ok(())
    }

    fn set_unavailable(&self, unavailable: bool) {
        self.unavailable.store(unavailable, SeqCst);
    }
}

/// Returns parts with a zone that is unavailable.
fn parts_with_unavailable_zone(
    world: &World,
    store: Arc<MemoryStore>,
) -> (EngineParts, Arc<UnavailableZone>) {
    let backend = Arc::clone(&world.backend);
    let zone = Arc::new(UnavailableZone { backend, unavailable: true.into() });
    let options = ChallengeOptions {
        publish_within: Duration::from_secs(4),
        withdraw_within: Duration::from_secs(1),
        ..ChallengeOptions::default()
    };
    let mut parts = world.parts(store);
    // Its servers answer queries whether it takes changes or not.
    let clock = Arc::new(world.clock.clone());
    let ambient = Ambient { clock, ..Ambient::system() };
    parts.challenges = Challenges::new(zone.clone(), Arc::clone(&world.visibility), ambient, options);
    parts.backend = zone.clone();
    (parts, zone)
}

#[tokio::test(start_paused = true)]
async fn order_waits_while_the_zone_is_unavailable_and_is_then_finished() {
    let world = World::start().await;
    let store = Arc::new(MemoryStore::new());
    let (parts, zone) = parts_with_unavailable_zone(&world, store.clone());
    let running = Running::start(parts);
    let engine = &running.engine;
    let device = enrol(engine).await;
    device.request(engine, &request_for(&device.name)).await.unwrap();
    let (why, retry_at) = failure(&device.wait(engine, |status| failure(status).is_some()).await).unwrap();
    assert!(why.contains("no server"), "{why}");
    let wait = retry_at - seconds(&world.clock);
    assert!((50..=70).contains(&wait), "{wait}");
    assert_eq!(world.orders(&device.name), 1);

    zone.set_unavailable(false);
    world.clock.jump(Duration::from_secs(wait + 1));
    device.chain(engine).await;
    // The order that the CA had was finished.
    assert_eq!((world.orders(&device.name), world.certificates(&device.name)), (1, 1));
    assert!(!world.has_challenge(&device.name).await);
    until("the store has forgotten the challenge", async || records(&*store, "challenge").await.is_empty())
        .await;
    running.end().await;
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn challenge_that_could_not_be_withdrawn_is_swept_by_the_next_process() {
    let world = World::start().await;
    let store = Arc::new(MemoryStore::new());
    let (parts, zone) = parts_with_unavailable_zone(&world, store.clone());
    zone.set_unavailable(false);
    let running = Running::start(parts.clone());
    let device = enrol(&running.engine).await;
    world.ca.faults().hold_validations();
    device.request(&running.engine, &request_for(&device.name)).await.unwrap();
    until("the challenge is there", async || world.has_challenge(&device.name).await).await;
    zone.set_unavailable(true);
    world.ca.faults().release_validations();
    // The certificate does not depend on the withdrawal.
    device.chain(&running.engine).await;
    assert!(world.has_challenge(&device.name).await);
    running.kill().await;

    // Only the store knows of it now.
    assert_eq!(records(&*store, "challenge").await.len(), 1);
    zone.set_unavailable(false);
    // The old sweeper may have leased it.
    world.clock.jump(2 * MINUTE + Duration::from_secs(1));
    let running = Running::start(world.parts(store.clone()));
    until("it is swept", async || !world.has_challenge(&device.name).await).await;
    until("it is forgotten", async || records(&*store, "challenge").await.is_empty()).await;
    running.end().await;
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn process_that_shuts_down_leaves_no_challenge_and_the_next_resumes_its_order_at_once() {
    let world = World::start().await;
    let store = Arc::new(MemoryStore::new());
    let running = Running::start(world.parts(store.clone()));
    let device = enrol(&running.engine).await;
    world.ca.faults().hold_validations();
    device.request(&running.engine, &request_for(&device.name)).await.unwrap();
    until("the challenge is there", async || world.has_challenge(&device.name).await).await;
    running.end().await;
    assert!(!world.has_challenge(&device.name).await);
    assert_eq!(world.orders(&device.name), 1);

    world.ca.faults().release_validations();
    let running = Running::start(world.parts(store));
    // The clock does not jump, because the lease was given back. The CA may have validated while no record was there:
    // then the next attempt is a new order.
    let ended = |status: &CertificateStatus| {
        failure(status).is_some() || matches!(status, CertificateStatus::Issued { .. })
    };
    device.wait(&running.engine, ended).await;
    assert_eq!(world.orders(&device.name), 1);
    running.end().await;
    world.end().await;
}

/// Panics during the first attempt at an order, and records the events of it.
#[derive(Debug, Default)]
struct PanicsOnce {
    has_panicked: AtomicBool,
    panics: Mutex<Vec<String>>,
}

impl Events for PanicsOnce {
    fn notify(&self, event: &Event<'_>) {
        match event {
            Event::Order { .. } if !self.has_panicked.swap(true, SeqCst) => panic!("as the test wants"),
            Event::WorkPanicked { name, why } => self.panics.lock().push(format!("{name}: {why}")),
            _ => {}
        }
    }
}

#[tokio::test(start_paused = true)]
async fn order_whose_attempt_panics_is_resumed_when_its_lease_has_expired() {
    let world = World::start().await;
    let events = Arc::new(PanicsOnce::default());
    let parts = EngineParts { events: events.clone(), ..world.parts(Arc::new(MemoryStore::new())) };
    let lease = parts.options.order_deadline + Duration::from_secs(60);
    let running = Running::start(parts);
    let engine = &running.engine;
    let device = enrol(engine).await;
    device.request(engine, &request_for(&device.name)).await.unwrap();
    until("the panic is an event", async || !events.panics.lock().is_empty()).await;
    assert_eq!(*events.panics.lock(), [format!("{}: as the test wants", device.name)]);
    world.clock.jump(lease + Duration::from_secs(1));
    device.chain(engine).await;
    assert_eq!(events.panics.lock().len(), 1);
    running.end().await;
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn order_without_an_answer_of_the_ca_frees_its_slot_at_the_deadline() {
    let world = World::start().await;
    let mut parts = world.parts(Arc::new(MemoryStore::new()));
    parts.authority = Arc::new(OddCa::without_its_first_order(&world.account));
    parts.options.orders_in_flight = 1;
    let running = Running::start(parts);
    let device = enrol(&running.engine).await;
    device.request(&running.engine, &request_for(&device.name)).await.unwrap();
    device.chain(&running.engine).await;
    running.end().await;
    world.end().await;
}
