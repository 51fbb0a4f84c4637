//! Orders that fail, and go on.

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
use fleetcert_nameserver::NameServer;
use fleetcert_protocol::CertificateStatus;
use fleetcert_store::MemoryStore;

use crate::odd_ca::OddCa;
use crate::setting::{InHaste, Running, ShiftedClock, World, enrol, records, request_for, until};

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_ca_refuses_is_told_and_tried_again() {
    let world = World::start().await;
    let running = Running::start(world.parts(Arc::new(MemoryStore::new())));
    let engine = &running.engine;
    let limited = Problem::new(ProblemKind::RateLimited, "too many certificates for fleet.test")
        .with_status(429)
        .with_retry_after(Duration::from_secs(7200));
    // The first waits as long as the CA says, the second as long as nobody says.
    for (problem, least, most) in [
        (limited, 7190, 7210),
        (Problem::new(ProblemKind::ServerInternal, "the CA is being mended").with_status(500), 55, 70),
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
        // Asking again does not make it sooner.
        assert_eq!(failure(&device.request(engine, &csr).await.unwrap()), Some((why, retry_at)));
        assert_eq!(world.orders(&device.name), 0);
        world.clock.put_forward(Duration::from_secs(wait + 1));
        device.chain(engine).await;
        assert_eq!(world.orders(&device.name), 1);
    }
    running.end().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_request_is_no_way_round_the_wait() {
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
    world.looks.two_more("order").await;
    assert_eq!(world.ca.ledger().requests(Resource::NewOrder), before);
    // It need not wait a day for somebody, as the first would have to, but the second failure in a row counts.
    let wait = last.unwrap().1 - seconds(&world.clock);
    assert!(wait <= 66 && first.1 > seconds(&world.clock) + 80_000, "{wait} {first:?}");
    world.clock.put_forward(Duration::from_secs(wait + 1));
    until("it failed again", async || world.ca.ledger().requests(Resource::NewOrder) == before + 1).await;
    let again = device.wait(engine, |status| failure(status).is_some_and(|(_, at)| at > first.1)).await;
    assert!(failure(&again).is_some());
    device.request(engine, &request_for(&device.name)).await.unwrap();
    let (_, retry_at) = failure(&device.status(engine).await).unwrap();
    let wait = retry_at - seconds(&world.clock);
    assert!((590..=660).contains(&wait), "{wait}");
    world.clock.put_forward(Duration::from_secs(wait + 1));
    device.chain(engine).await;
    running.end().await;
    world.end().await;
}

/// A server of a zone that is away, or takes what it is told.
#[derive(Debug)]
struct Away {
    backend: NameServer,
    away: std::sync::atomic::AtomicBool,
}

#[async_trait]
impl DnsBackend for Away {
    async fn apply(&self, zone: &DomainName, changes: &[Change]) -> Result<(), BackendError> {
        self.there(zone, Operation::Apply)?;
        self.backend.apply(zone, changes).await
    }

    async fn read(
        &self,
        zone: &DomainName,
        name: &DomainName,
        record_type: RecordType,
    ) -> Result<Option<RecordSet>, BackendError> {
        self.there(zone, Operation::Read)?;
        self.backend.read(zone, name, record_type).await
    }

    fn capabilities(&self) -> Capabilities {
        self.backend.capabilities()
    }
}

impl Away {
    fn there(&self, zone: &DomainName, operation: Operation) -> Result<(), BackendError> {
        if self.away.load(std::sync::atomic::Ordering::SeqCst) {
            return Err(BackendError::new(BackendErrorKind::Unavailable, operation, zone, "nobody is here"));
        }
        Ok(())
    }

    fn be_away(&self, away: bool) {
        self.away.store(away, std::sync::atomic::Ordering::SeqCst);
    }
}

/// The parts with a zone that can be away, and short patience with it.
fn parts_with_a_zone_that_is_away(world: &World, store: Arc<MemoryStore>) -> (EngineParts, Arc<Away>) {
    let away = Arc::new(Away { backend: world.server.clone(), away: true.into() });
    let options = ChallengeOptions {
        // Long enough for a slow machine to publish in, when it can.
        publish_within: Duration::from_secs(4),
        withdraw_within: Duration::from_millis(100),
        look_interval: Duration::from_millis(10),
        ..ChallengeOptions::default()
    };
    let mut parts = world.parts(store);
    // It answers queries whether it takes changes or not.
    let clock = Arc::new(world.clock.clone());
    let visibility = world.visibility(clock.clone());
    let ambient = Ambient { clock, ..Ambient::system() };
    parts.challenges = Challenges::new(away.clone(), visibility, ambient, options);
    parts.backend = away.clone();
    (parts, away)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_waits_for_its_zone() {
    let world = World::start().await;
    let store = Arc::new(MemoryStore::new());
    let (parts, away) = parts_with_a_zone_that_is_away(&world, store.clone());
    let running = Running::start(parts);
    let engine = &running.engine;
    let device = enrol(engine).await;
    device.request(engine, &request_for(&device.name)).await.unwrap();
    let (why, retry_at) = failure(&device.wait(engine, |status| failure(status).is_some()).await).unwrap();
    assert!(why.contains("nobody is here"), "{why}");
    let wait = retry_at - seconds(&world.clock);
    assert!((50..=70).contains(&wait), "{wait}");
    assert_eq!(world.orders(&device.name), 1);

    away.be_away(false);
    world.clock.put_forward(Duration::from_secs(wait + 1));
    device.chain(engine).await;
    // The order that waited at the CA is the one that was finished.
    assert_eq!((world.orders(&device.name), world.certificates(&device.name)), (1, 1));
    assert!(!world.has_challenge(&device.name).await);
    until("the store has forgotten the challenge", async || records(&*store, "challenge").await.is_empty())
        .await;
    running.end().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_could_not_be_withdrawn_is_swept() {
    let world = World::start().await;
    let store = Arc::new(MemoryStore::new());
    let (parts, away) = parts_with_a_zone_that_is_away(&world, store.clone());
    away.be_away(false);
    let running = Running::start(parts.clone());
    let device = enrol(&running.engine).await;
    world.ca.faults().hold_validations();
    device.request(&running.engine, &request_for(&device.name)).await.unwrap();
    until("the challenge is there", async || world.has_challenge(&device.name).await).await;
    away.be_away(true);
    world.ca.faults().release_validations();
    // The certificate does not depend on it.
    device.chain(&running.engine).await;
    assert!(world.has_challenge(&device.name).await);
    running.kill().await;

    // Nothing but the store knows of it now.
    assert_eq!(records(&*store, "challenge").await.len(), 1);
    away.be_away(false);
    // The old sweeper may have been at it.
    world.clock.put_forward(Duration::from_secs(121));
    let running = Running::start(world.parts(store.clone()));
    until("it is swept", async || !world.has_challenge(&device.name).await).await;
    until("it is forgotten", async || records(&*store, "challenge").await.is_empty()).await;
    running.end().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_is_asked_to_end_leaves_nothing_and_the_next_goes_on_at_once() {
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
    // No clock is put forward: the lease was given back.
    // The CA may have looked while there was nothing to see: then the next try is a new order.
    let ended = |status: &CertificateStatus| {
        failure(status).is_some() || matches!(status, CertificateStatus::Issued { .. })
    };
    device.wait(&running.engine, ended).await;
    assert_eq!(world.orders(&device.name), 1);
    running.end().await;
    world.end().await;
}

/// Panics in the middle of the work on the first order, and notes what is told of that.
#[derive(Debug, Default)]
struct PanicsOnce {
    has_panicked: AtomicBool,
    told: Mutex<Vec<String>>,
}

impl Events for PanicsOnce {
    fn notify(&self, event: &Event<'_>) {
        match event {
            Event::Order { .. } if !self.has_panicked.swap(true, SeqCst) => panic!("as the test wants"),
            Event::WorkPanicked { name, why } => self.told.lock().push(format!("{name}: {why}")),
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_whose_work_panics_is_taken_up_again() {
    let world = World::start().await;
    let events = Arc::new(PanicsOnce::default());
    let parts = EngineParts { events: events.clone(), ..world.parts(Arc::new(MemoryStore::new())) };
    let lease = parts.options.order_deadline + Duration::from_secs(60);
    let running = Running::start(parts);
    let engine = &running.engine;
    let device = enrol(engine).await;
    device.request(engine, &request_for(&device.name)).await.unwrap();
    until("the panic to be told", async || !events.told.lock().is_empty()).await;
    assert_eq!(*events.told.lock(), [format!("{}: as the test wants", device.name)]);
    world.clock.put_forward(lease + Duration::from_secs(1));
    device.chain(engine).await;
    assert_eq!(events.told.lock().len(), 1);
    running.end().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ca_that_never_answers_keeps_no_place_for_ever() {
    let world = World::start().await;
    let mut parts = world.parts(Arc::new(MemoryStore::new()));
    parts.authority = Arc::new(OddCa::without_its_first_order(&world.account));
    parts.ambient.clock = Arc::new(InHaste(world.clock.clone()));
    parts.options.orders_in_flight = 1;
    let running = Running::start(parts);
    let device = enrol(&running.engine).await;
    device.request(&running.engine, &request_for(&device.name)).await.unwrap();
    device.chain(&running.engine).await;
    running.end().await;
    world.end().await;
}
