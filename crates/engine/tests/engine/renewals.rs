//! Renewal times of certificates.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fleetcert_acme::{AcmeError, AcmeErrorKind, Operation, RenewalInfo};
use fleetcert_acme_server::{Problem, ProblemKind, Resource};
use fleetcert_ambient::Clock;
use fleetcert_engine::{Engine, EngineParts};
use fleetcert_protocol::CertificateStatus;
use fleetcert_store::MemoryStore;
use fleetcert_x509::{CertificateId, Chain};

use crate::odd_ca::OddCa;
use crate::setting::{
    DAY, Device, EventLog, HOUR, MINUTE, Running, START, World, enrol, pass, records, request_for, until,
};

fn unix(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

fn renew_at(status: &CertificateStatus) -> Option<u64> {
    match status {
        CertificateStatus::Issued { renew_at, .. } => *renew_at,
        _ => None,
    }
}

struct Issued {
    store: Arc<MemoryStore>,
    running: Running,
    events: EventLog,
    device: Device,
    chain: Chain,
    id: CertificateId,
}

/// Returns a device with a certificate whose window is known.
async fn issued(world: &World, change: impl FnOnce(&mut EngineParts)) -> Issued {
    let (events, store) = (EventLog::default(), Arc::new(MemoryStore::new()));
    let mut parts = world.parts(store.clone());
    parts.events = Arc::new(events.clone());
    change(&mut parts);
    let running = Running::start(parts);
    let device = enrol(&running.engine).await;
    device.request(&running.engine, &request_for(&device.name)).await.unwrap();
    let chain = device.chain(&running.engine).await;
    device.wait(&running.engine, |status| renew_at(status).is_some()).await;
    let id = chain.leaf().certificate_id().unwrap();
    Issued { store, running, events, device, chain, id }
}

/// Makes the engine poll, and waits until the CA was asked.
async fn ask(world: &World, Issued { running, device, .. }: &Issued) {
    let before = world.ca.ledger().requests(Resource::RenewalInfo);
    running.engine.look_at_renewal(&device.name).await.unwrap();
    until("the CA was asked", async || world.ca.ledger().requests(Resource::RenewalInfo) > before).await;
}

/// Makes the engine poll, and waits until it has stored the window that the CA named.
async fn poll(world: &World, issued: &Issued) {
    ask(world, issued).await;
    until("the answer is stored", async || {
        // During the poll the record is leased for minutes; the next poll is hours away.
        let next = records(&*issued.store, "certificate").await.remove(0).due;
        next.is_some_and(|next| next > world.clock.now() + HOUR)
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn renewal_time_is_kept_while_the_window_is_the_same() {
    let world = World::start().await;
    let issued = issued(&world, |_| {}).await;
    let Issued { running, events, device, id, .. } = &issued;
    let engine = &running.engine;
    let first = renew_at(&device.status(engine).await).unwrap();
    for _ in 0..5 {
        poll(&world, &issued).await;
        assert_eq!(renew_at(&device.status(engine).await), Some(first));
    }
    assert_eq!(events.count("RenewalWindow"), 1);

    let start = world.clock.now() + 3 * DAY;
    world.ca.set_renewal_window(id.clone(), start, start + DAY);
    poll(&world, &issued).await;
    let second = renew_at(&device.wait(engine, |status| renew_at(status) != Some(first)).await).unwrap();
    assert!((unix(start)..=unix(start + DAY)).contains(&second));
    poll(&world, &issued).await;
    assert_eq!(renew_at(&device.status(engine).await), Some(second));
    assert_eq!(events.count("RenewalWindow"), 2);

    // A poll that fails changes nothing.
    let away = Problem::new(ProblemKind::ServerInternal, "not now").with_status(503);
    world.ca.faults().refuse_next(Resource::RenewalInfo, 1, away);
    ask(&world, &issued).await;
    until("the failure is an event", async || events.count("RenewalUnknown") == 1).await;
    assert_eq!(renew_at(&device.status(engine).await), Some(second));
    assert_eq!(events.count("RenewalWindow"), 2);
    // A name without a certificate is no error.
    engine.look_at_renewal(&"nobody.fleet.test".parse().unwrap()).await.unwrap();
    issued.running.end().await;
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn ca_is_polled_when_it_asked_to_be_and_not_after_the_certificate_expired() {
    let world = World::start().await;
    let Issued { store, running, device, chain, .. } = issued(&world, |_| {}).await;
    let asked = || world.ca.ledger().requests(Resource::RenewalInfo);
    assert_eq!(asked(), 1);
    // The CA asks for a poll in six hours.
    world.clock.jump(5 * HOUR);
    pass(5 * MINUTE).await;
    assert_eq!(asked(), 1);
    world.clock.jump(HOUR + Duration::from_secs(60));
    until("it is polled again", async || asked() == 2).await;

    let left = chain.leaf().not_after().duration_since(world.clock.now()).unwrap();
    world.clock.jump(left + HOUR);
    let record = async || records(&*store, "certificate").await.remove(0);
    until("no poll is planned for the expired certificate", async || record().await.due.is_none()).await;
    let before = record().await;
    for _ in 0..5 {
        world.clock.jump(DAY);
        pass(5 * MINUTE).await;
    }
    assert_eq!(asked(), 2, "an expired certificate is not asked about");
    assert_eq!(record().await, before, "an expired certificate is not claimed");
    let status = device.status(&running.engine).await;
    assert!(matches!(status, CertificateStatus::Issued { due: true, .. }), "{status:?}");
    running.end().await;
    world.end().await;
}

fn none() -> Result<RenewalInfo, AcmeError> {
    Err(AcmeError::new(
        AcmeErrorKind::InvalidInput,
        Operation::RenewalInfo,
        "the CA has no renewal information",
    ))
}

fn backwards() -> Result<RenewalInfo, AcmeError> {
    let start = SystemTime::UNIX_EPOCH + DAY * 30_000;
    Ok(RenewalInfo { start, end: start - DAY, explanation_url: None, poll_after: HOUR })
}

#[tokio::test(start_paused = true)]
async fn without_a_possible_window_renewal_is_at_two_thirds_of_the_lifetime() {
    for answer in [none, backwards] {
        let world = World::start().await;
        let authority = Arc::new(OddCa::with(&world.account, answer));
        let Issued { running, device, chain, .. } = issued(&world, |parts| parts.authority = authority).await;
        let leaf = chain.leaf();
        let life = leaf.not_after().duration_since(leaf.not_before()).unwrap();
        let (start, end) = (life / 3 * 2 - life / 100, life / 3 * 2 + life / 100);
        let at = renew_at(&device.status(&running.engine).await).unwrap();
        let window = unix(leaf.not_before() + start)..=unix(leaf.not_before() + end);
        assert!(window.contains(&at), "{at} not in {window:?}");
        assert_eq!(world.ca.ledger().requests(Resource::RenewalInfo), 0);

        let status = device.status(&running.engine).await;
        assert!(matches!(status, CertificateStatus::Issued { due: false, .. }));
        world.clock.jump(Duration::from_secs(at + 1 - unix(world.clock.now())));
        let status = device.status(&running.engine).await;
        assert!(matches!(status, CertificateStatus::Issued { due: true, .. }));
        running.end().await;
        world.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn renewal_leaves_the_margin_for_an_outage_unless_the_window_is_open() {
    let world = World::start_with(|options| options.life = 45 * DAY).await;
    for (margin, earliest, latest) in [(true, 26, 28), (false, 29, 31)] {
        let change = |parts: &mut EngineParts| {
            if !margin {
                parts.options.margin = None;
            }
        };
        let issued = issued(&world, change).await;
        let Issued { running, device, chain, id, .. } = &issued;
        let at = renew_at(&device.status(&running.engine).await).unwrap();
        let days = |days: u32| unix(chain.leaf().not_before() + DAY * days);
        assert!((days(earliest)..days(latest)).contains(&at), "{margin}: {at}");
        // A window that is open is used at once.
        world.clock.jump(2 * HOUR);
        let now = world.clock.now();
        world.ca.set_renewal_window(id.clone(), now - HOUR, now + HOUR);
        poll(&world, &issued).await;
        let open = |status: &CertificateStatus| renew_at(status).is_some_and(|at| at <= unix(now + HOUR));
        let at = renew_at(&device.wait(&running.engine, open).await).unwrap();
        assert!(at >= unix(now - HOUR), "{at}");
        issued.running.end().await;
    }
    world.end().await;
}

/// The first hour of the day sixty days from the start.
fn one_hour() -> Result<RenewalInfo, AcmeError> {
    let today = START.as_secs() / DAY.as_secs();
    let start = SystemTime::UNIX_EPOCH + DAY * u32::try_from(today + 60).unwrap();
    Ok(RenewalInfo { start, end: start + HOUR, explanation_url: None, poll_after: 6 * HOUR })
}

#[tokio::test(start_paused = true)]
async fn renewals_of_one_hour_are_spread_also_after_a_restart() {
    let world = World::start().await;
    for (unnoticed, at_once) in [(Some(1), 1..=2), (None, 12..=12)] {
        let store = Arc::new(MemoryStore::new());
        let node = || {
            let mut parts = world.parts(store.clone());
            parts.authority = Arc::new(OddCa::with(&world.account, one_hour));
            parts.options.unnoticed_renewals = unnoticed;
            Running::start(parts)
        };
        let mut times = Vec::new();
        for _ in 0..2 {
            let running = node();
            for _ in 0..6 {
                let device = enrol(&running.engine).await;
                device.request(&running.engine, &request_for(&device.name)).await.unwrap();
                let status = device.wait(&running.engine, |status| renew_at(status).is_some()).await;
                times.push(renew_at(&status).unwrap());
            }
            running.end().await;
        }
        let in_the_hour_of = |at: u64| times.iter().filter(|other| **other / 3600 == at / 3600).count();
        let most = times.iter().map(|at| in_the_hour_of(*at)).max().unwrap();
        assert!(at_once.contains(&most), "{most}: {times:?}");
        let now = unix(world.clock.now());
        assert!(times.iter().all(|at| *at > now + 29 * DAY.as_secs() && *at < now + 61 * DAY.as_secs()));
    }
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn second_run_of_an_engine_counts_no_renewal_twice() {
    let world = World::start().await;
    let mut parts = world.parts(Arc::new(MemoryStore::new()));
    parts.authority = Arc::new(OddCa::with(&world.account, one_hour));
    // There is room for two in the hour.
    parts.options.unnoticed_renewals = Some(2);
    let engine = Engine::new(parts);
    let window = one_hour().unwrap();
    for _ in 0..2 {
        let running = Running::of(engine.clone());
        let device = enrol(&engine).await;
        device.request(&engine, &request_for(&device.name)).await.unwrap();
        let status = device.wait(&engine, |status| renew_at(status).is_some()).await;
        let at = renew_at(&status).unwrap();
        assert!((unix(window.start)..unix(window.end)).contains(&at), "{at}");
        running.end().await;
    }
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn poll_without_an_answer_holds_up_no_other() {
    let world = World::start().await;
    let authority = Arc::new(OddCa::silent_about_the_first(&world.account));
    let mut parts = world.parts(Arc::new(MemoryStore::new()));
    parts.authority = authority.clone();
    let running = Running::start(parts);
    let slow = enrol(&running.engine).await;
    slow.request(&running.engine, &request_for(&slow.name)).await.unwrap();
    let chain = slow.chain(&running.engine).await;
    let id = chain.leaf().certificate_id().unwrap();
    until("it is asked about", async || authority.asked_first() == Some(&id)).await;
    let mut devices = Vec::new();
    for _ in 0..20 {
        let device = enrol(&running.engine).await;
        device.request(&running.engine, &request_for(&device.name)).await.unwrap();
        devices.push(device);
    }
    for device in &devices {
        device.wait(&running.engine, |status| renew_at(status).is_some()).await;
    }
    assert_eq!(renew_at(&slow.status(&running.engine).await), None);
    running.end().await;
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn poll_without_an_answer_times_out_and_the_window_is_computed() {
    let world = World::start().await;
    let events = EventLog::default();
    let mut parts = world.parts(Arc::new(MemoryStore::new()));
    parts.authority = Arc::new(OddCa::silent_about_the_first(&world.account));
    parts.events = Arc::new(events.clone());
    let running = Running::start(parts);
    let device = enrol(&running.engine).await;
    device.request(&running.engine, &request_for(&device.name)).await.unwrap();
    device.wait(&running.engine, |status| renew_at(status).is_some()).await;
    assert!(events.mentions("the CA did not answer within 120 s"));
    running.end().await;
    world.end().await;
}
