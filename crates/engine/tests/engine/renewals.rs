//! When certificates are due.

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
use crate::setting::{DAY, Device, InHaste, Running, Told, World, enrol, records, request_for, until};

const HOUR: Duration = Duration::from_secs(3600);

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
    told: Told,
    device: Device,
    chain: Chain,
    id: CertificateId,
}

/// A device with a certificate whose window is known.
async fn issued(world: &World, change: impl FnOnce(&mut EngineParts)) -> Issued {
    let (told, store) = (Told::default(), Arc::new(MemoryStore::new()));
    let mut parts = world.parts(store.clone());
    parts.events = Arc::new(told.clone());
    change(&mut parts);
    let running = Running::start(parts);
    let device = enrol(&running.engine).await;
    device.request(&running.engine, &request_for(&device.name)).await.unwrap();
    let chain = device.chain(&running.engine).await;
    device.wait(&running.engine, |status| renew_at(status).is_some()).await;
    let id = chain.leaf().certificate_id().unwrap();
    Issued { store, running, told, device, chain, id }
}

/// Makes the engine look, and waits until the CA was asked once more.
async fn ask(world: &World, Issued { running, device, .. }: &Issued) {
    let before = world.ca.ledger().requests(Resource::RenewalInfo);
    running.engine.look_at_renewal(&device.name).await.unwrap();
    until("the CA was asked", async || world.ca.ledger().requests(Resource::RenewalInfo) > before).await;
}

/// Makes the engine look, and waits until it has noted the window that the CA named.
async fn look(world: &World, issued: &Issued) {
    ask(world, issued).await;
    until("the answer is noted", async || {
        // While it is asked, the lease ends in minutes; the next question is hours away.
        let noted = records(&*issued.store, "certificate").await.remove(0).due;
        noted.is_some_and(|next| next > world.clock.now() + HOUR)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_moment_is_kept_as_long_as_the_window_is() {
    let world = World::start().await;
    let issued = issued(&world, |_| {}).await;
    let Issued { running, told, device, id, .. } = &issued;
    let engine = &running.engine;
    let first = renew_at(&device.status(engine).await).unwrap();
    for _ in 0..5 {
        look(&world, &issued).await;
        assert_eq!(renew_at(&device.status(engine).await), Some(first));
    }
    assert_eq!(told.about("RenewalWindow"), 1);

    let start = world.clock.now() + 3 * DAY;
    world.ca.set_renewal_window(id.clone(), start, start + DAY);
    look(&world, &issued).await;
    let second = renew_at(&device.wait(engine, |status| renew_at(status) != Some(first)).await).unwrap();
    assert!((unix(start)..=unix(start + DAY)).contains(&second));
    look(&world, &issued).await;
    assert_eq!(renew_at(&device.status(engine).await), Some(second));
    assert_eq!(told.about("RenewalWindow"), 2);

    // An answer that fails changes nothing.
    let away = Problem::new(ProblemKind::ServerInternal, "not now").with_status(503);
    world.ca.faults().refuse_next(Resource::RenewalInfo, 1, away);
    ask(&world, &issued).await;
    until("it is told", async || told.about("RenewalUnknown") == 1).await;
    assert_eq!(renew_at(&device.status(engine).await), Some(second));
    assert_eq!(told.about("RenewalWindow"), 2);
    // A name without a certificate is no error.
    engine.look_at_renewal(&"nobody.fleet.test".parse().unwrap()).await.unwrap();
    issued.running.end().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ca_is_asked_when_it_said_so_and_not_after_the_end() {
    let world = World::start().await;
    let Issued { running, device, chain, .. } = issued(&world, |_| {}).await;
    let asked = || world.ca.ledger().requests(Resource::RenewalInfo);
    assert_eq!(asked(), 1);
    // Six hours, says the CA.
    world.clock.put_forward(5 * HOUR);
    assert_eq!(world.looks.two_more("certificate").await, 0);
    assert_eq!(asked(), 1);
    world.clock.put_forward(HOUR + Duration::from_secs(60));
    until("it is asked again", async || asked() == 2).await;

    let left = chain.leaf().not_after().duration_since(world.clock.now()).unwrap();
    world.clock.put_forward(left + HOUR);
    // The poll that is due finds it expired, and there is none after it.
    world.looks.two_more("certificate").await;
    assert_eq!(asked(), 2);
    for _ in 0..5 {
        world.clock.put_forward(DAY);
        assert_eq!(world.looks.two_more("certificate").await, 0);
    }
    assert_eq!(asked(), 2, "what has expired is not asked about");
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_window_that_can_be_two_thirds_of_the_life_count() {
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
        world.clock.put_forward(Duration::from_secs(at + 1 - unix(world.clock.now())));
        let status = device.status(&running.engine).await;
        assert!(matches!(status, CertificateStatus::Issued { due: true, .. }));
        running.end().await;
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewal_leaves_room_for_an_outage_unless_the_window_is_open() {
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
        // What the CA wants at once it gets.
        world.clock.put_forward(2 * HOUR);
        let now = world.clock.now();
        world.ca.set_renewal_window(id.clone(), now - HOUR, now + HOUR);
        look(&world, &issued).await;
        let open = |status: &CertificateStatus| renew_at(status).is_some_and(|at| at <= unix(now + HOUR));
        let at = renew_at(&device.wait(&running.engine, open).await).unwrap();
        assert!(at >= unix(now - HOUR), "{at}");
        issued.running.end().await;
    }
    world.end().await;
}

/// The first hour of the day sixty days from now.
fn one_hour() -> Result<RenewalInfo, AcmeError> {
    let today = unix(fleetcert_ambient::SystemClock.now()) / DAY.as_secs();
    let start = SystemTime::UNIX_EPOCH + DAY * u32::try_from(today + 60).unwrap();
    Ok(RenewalInfo { start, end: start + HOUR, explanation_url: None, poll_after: 6 * HOUR })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_would_come_in_one_hour_is_spread_also_after_a_restart() {
    let world = World::start().await;
    for (unnoticed, at_once) in [(Some(1), 1..=2), (None, 12..=12)] {
        let store = Arc::new(MemoryStore::new());
        let node = || {
            let mut parts = world.parts(store.clone());
            parts.authority = Arc::new(OddCa::with(&world.account, one_hour));
            parts.options.unnoticed_renewals = unnoticed;
            Running::start(parts)
        };
        let mut moments = Vec::new();
        for _ in 0..2 {
            let running = node();
            for _ in 0..6 {
                let device = enrol(&running.engine).await;
                device.request(&running.engine, &request_for(&device.name)).await.unwrap();
                let status = device.wait(&running.engine, |status| renew_at(status).is_some()).await;
                moments.push(renew_at(&status).unwrap());
            }
            running.end().await;
        }
        let in_the_hour_of = |at: u64| moments.iter().filter(|other| **other / 3600 == at / 3600).count();
        let most = moments.iter().map(|at| in_the_hour_of(*at)).max().unwrap();
        assert!(at_once.contains(&most), "{most}: {moments:?}");
        let now = unix(world.clock.now());
        assert!(moments.iter().all(|at| *at > now + 29 * DAY.as_secs() && *at < now + 61 * DAY.as_secs()));
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_run_of_an_engine_counts_no_renewal_twice() {
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_does_not_come_holds_up_no_other() {
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
    for _ in 0..20 {
        let device = enrol(&running.engine).await;
        device.request(&running.engine, &request_for(&device.name)).await.unwrap();
        device.wait(&running.engine, |status| renew_at(status).is_some()).await;
    }
    assert_eq!(renew_at(&slow.status(&running.engine).await), None);
    running.end().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_does_not_come_is_not_waited_for_for_ever() {
    let world = World::start().await;
    let told = Told::default();
    let mut parts = world.parts(Arc::new(MemoryStore::new()));
    parts.authority = Arc::new(OddCa::silent_about_the_first(&world.account));
    parts.ambient.clock = Arc::new(InHaste(world.clock.clone()));
    parts.events = Arc::new(told.clone());
    let running = Running::start(parts);
    let device = enrol(&running.engine).await;
    device.request(&running.engine, &request_for(&device.name)).await.unwrap();
    device.wait(&running.engine, |status| renew_at(status).is_some()).await;
    assert!(told.mentions("the CA did not answer within 120 s"));
    running.end().await;
    world.end().await;
}
