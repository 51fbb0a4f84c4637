//! Certificates, from the request to the chain.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fleetcert_engine::{Action, DeviceState, Engine, EngineErrorKind};
use fleetcert_jose::{Algorithm, KeyPair, Signer};
use fleetcert_protocol::{CertificateRequest, CertificateStatus, CsrBytes, EnrolRequest};
use fleetcert_store::{Collection, Expect, MemoryStore, Store, Transaction};
use fleetcert_x509::{BlocklistUnavailable, CsrPolicy, KeyBlocklist, KeyKind};
use tokio::task::JoinSet;

use crate::setting::{
    DAY, Device, EventLog, HOUR, MINUTE, Running, ShiftedClock, World, both_stores, chain_of, enrol,
    parts_without_ca, pass, records, refused, request_for, request_with, until,
};

fn is_issued(status: &CertificateStatus) -> bool {
    matches!(status, CertificateStatus::Issued { .. })
}

#[tokio::test(start_paused = true)]
async fn request_gets_a_chain_and_the_same_request_the_same_chain() {
    let world = World::start().await;
    let folder = tempfile::tempdir().unwrap();
    for store in both_stores(folder.path()) {
        let clock = world.clock.unshifted();
        let running = Running::start(world.parts_at(store.clone(), &clock));
        let engine = &running.engine;
        let device = enrol(engine).await;
        assert_eq!(device.status(engine).await, CertificateStatus::None);
        let csr = request_for(&device.name);
        let accepted = device.request(engine, &csr).await.unwrap();
        assert!(matches!(accepted, CertificateStatus::Queued { .. }), "{accepted:?}");
        let chain = device.chain(engine).await;
        assert_eq!(chain.leaf().identifiers(), [device.name.clone().into()]);
        assert!(!world.has_challenge(&device.name).await);
        assert!(records(&*store, "challenge").await.is_empty() && records(&*store, "order").await.is_empty());

        for _ in 0..5 {
            assert_eq!(chain_of(&device.request(engine, &csr).await.unwrap()), chain);
        }
        clock.jump(30 * DAY);
        assert_eq!(chain_of(&device.request(engine, &csr).await.unwrap()), chain, "also after a month");
        assert_eq!((world.orders(&device.name), world.certificates(&device.name)), (1, 1));
        running.end().await;
    }
    world.end().await;
}

/// In real time, because the requests race on two OS threads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_requests_make_one_order() {
    let world = World::start_in_real_time().await;
    let folder = tempfile::tempdir().unwrap();
    for store in both_stores(folder.path()) {
        let running = Running::start(world.parts(store));
        let device = Arc::new(enrol(&running.engine).await);
        let csr = request_for(&device.name);
        let mut race = JoinSet::new();
        for index in 0..40 {
            let (engine, device) = (running.engine.clone(), device.clone());
            // Half of them have keys of their own: one order at a time, for the first that comes.
            let csr = if index % 2 == 0 { csr.clone() } else { request_for(&device.name) };
            race.spawn(async move { device.request(&engine, &csr).await.unwrap() });
        }
        race.join_all().await;
        device.wait(&running.engine, is_issued).await;
        assert_eq!((world.orders(&device.name), world.certificates(&device.name)), (1, 1));
        running.end().await;
    }
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn same_request_inside_the_renewal_window_is_a_renewal() {
    let world = World::start().await;
    let running = Running::start(world.parts(Arc::new(MemoryStore::new())));
    let engine = &running.engine;
    let device = enrol(engine).await;
    let csr = request_for(&device.name);
    device.request(engine, &csr).await.unwrap();
    let first = device.chain(engine).await;
    let id = first.leaf().certificate_id().unwrap();

    world.clock.jump(2 * HOUR);
    let now = fleetcert_ambient::Clock::now(&world.clock);
    world.ca.set_renewal_window(id.clone(), now - HOUR, now - HOUR / 2);
    engine.look_at_renewal(&device.name).await.unwrap();
    device.wait(engine, |status| matches!(status, CertificateStatus::Issued { due: true, .. })).await;
    let renewing = device.request(engine, &csr).await.unwrap();
    assert!(matches!(renewing, CertificateStatus::Queued { .. }), "{renewing:?}");
    let second =
        chain_of(&device.wait(engine, |status| is_issued(status) && chain_of(status) != first).await);
    assert_eq!(second.leaf().spki(), first.leaf().spki());

    let orders = world.ca.ledger().orders();
    let replaced: Vec<_> = orders.iter().map(|order| order.replaces.clone()).collect();
    assert_eq!(replaced, [None, Some(id)]);
    running.end().await;
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn fifth_certificate_within_seven_days_waits() {
    let world = World::start().await;
    let running = Running::start(world.parts(Arc::new(MemoryStore::new())));
    let engine = &running.engine;
    let device = enrol(engine).await;
    let mut last = None;
    for _ in 0..4 {
        device.request(engine, &request_for(&device.name)).await.unwrap();
        let new = device.wait(engine, |status| is_issued(status) && Some(status) != last.as_ref()).await;
        last = Some(until_window(engine, &device, new).await);
        world.clock.jump(DAY);
    }
    let fifth = request_for(&device.name);
    let error = refused(device.request(engine, &fifth).await, EngineErrorKind::RateLimited);
    // Four days have passed since the first.
    let wait = error.retry_after().unwrap();
    assert!(wait <= 3 * DAY && wait > 3 * DAY - HOUR, "{wait:?}");
    assert_eq!(world.orders(&device.name), 4);
    // Other names have limits of their own.
    let other = enrol(engine).await;
    other.request(engine, &request_for(&other.name)).await.unwrap();
    other.chain(engine).await;

    world.clock.jump(wait);
    device.request(engine, &fifth).await.unwrap();
    device.wait(engine, |status| is_issued(status) && Some(status) != last.as_ref()).await;
    assert_eq!(world.certificates(&device.name), 5);
    running.end().await;
    world.end().await;
}

/// Returns the status when the window is known, after which it does not change.
async fn until_window(engine: &Engine, device: &Device, issued: CertificateStatus) -> CertificateStatus {
    let chain = chain_of(&issued);
    device
        .wait(engine, |status| match status {
            CertificateStatus::Issued { renew_at, .. } => renew_at.is_some() && chain_of(status) == chain,
            _ => false,
        })
        .await
}

/// In real time, because the requests race on two OS threads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn key_that_several_devices_use_belongs_to_one_of_them() {
    let folder = tempfile::tempdir().unwrap();
    for store in both_stores(folder.path()) {
        let engine = Engine::new(parts_without_ca(store, ShiftedClock::in_real_time()));
        let key = fleetcert_x509::KeyPair::generate(KeyKind::P256).unwrap();
        // One image on many devices, which all request at once.
        let mut devices = Vec::new();
        for _ in 0..20 {
            devices.push(enrol(&engine).await);
        }
        let mut race = JoinSet::new();
        for device in devices {
            let (engine, csr) = (engine.clone(), request_with(&device.name, &key));
            race.spawn(async move { device.request(&engine, &csr).await });
        }
        let (won, lost): (Vec<_>, Vec<_>) = race.join_all().await.into_iter().partition(Result::is_ok);
        assert_eq!(won.len(), 1);
        for outcome in lost {
            assert_eq!(refused(outcome, EngineErrorKind::CsrRefused).code(), Some("key_reused"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn refused_csr_names_the_rule() {
    let store = Arc::new(MemoryStore::new());
    let engine = Engine::new(parts_without_ca(store, ShiftedClock::in_virtual_time()));
    let identity = KeyPair::generate(Algorithm::Es256).unwrap();
    let request = EnrolRequest::new(engine.issue_token(DAY).await.unwrap());
    let answer = engine.enrol(&request, identity.jwk(), &Default::default()).await.unwrap();
    let enrolled = answer.enrolled().unwrap();
    let as_tls = fleetcert_x509::KeyPair::from_pkcs8_der(&identity.to_pkcs8_der().unwrap()).unwrap();
    let device = Device { id: enrolled.device, name: enrolled.name, key: identity };
    let bytes = |bytes: &[u8]| CertificateRequest { csr: CsrBytes::new(bytes.to_vec()).unwrap() };
    let mut flipped = request_for(&device.name).csr.as_bytes().to_vec();
    *flipped.last_mut().unwrap() ^= 1;
    let mut trailing = request_for(&device.name).csr.as_bytes().to_vec();
    trailing.extend([0x30, 0]);
    let parent = "fleet.test".parse().unwrap();
    let below = format!("a.{}", device.name).parse().unwrap();
    for (csr, code) in [
        (request_with(&device.name, &as_tls), "key_is_identity"),
        (request_for(&parent), "name_not_granted"),
        (request_for(&below), "name_not_granted"),
        (bytes(&flipped), "csr_bad_signature"),
        (bytes(&trailing), "csr_trailing_data"),
        (bytes(b"hello"), "csr_not_pem"),
    ] {
        let error = refused(device.request(&engine, &csr).await, EngineErrorKind::CsrRefused);
        assert_eq!(error.code(), Some(code), "{error}");
    }
    assert_eq!(device.status(&engine).await, CertificateStatus::None);
}

#[tokio::test(start_paused = true)]
async fn key_of_the_acme_account_is_refused() {
    let world = World::start().await;
    let engine = Engine::new(world.parts(Arc::new(MemoryStore::new())));
    let device = enrol(&engine).await;
    let secret = world.account.credentials().key().to_pkcs8_der();
    let account = fleetcert_x509::KeyPair::from_pkcs8_der(&secret).unwrap();
    let asked = device.request(&engine, &request_with(&device.name, &account)).await;
    assert_eq!(refused(asked, EngineErrorKind::CsrRefused).code(), Some("key_is_account"));
    device.request(&engine, &request_for(&device.name)).await.unwrap();
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn second_certificate_with_the_same_key_is_refused_if_the_policy_requires_new_keys() {
    let world = World::start().await;
    let mut parts = world.parts(Arc::new(MemoryStore::new()));
    parts.options.csr_policy = CsrPolicy::device().with_new_key_each_time(true);
    let running = Running::start(parts);
    let engine = &running.engine;
    let device = enrol(engine).await;
    let key = fleetcert_x509::KeyPair::generate(KeyKind::P256).unwrap();
    let (csr, again) = (request_with(&device.name, &key), request_with(&device.name, &key));
    device.request(engine, &csr).await.unwrap();
    let chain = device.chain(engine).await;
    // The same request still gets its certificate; another one with that key gets none.
    assert_eq!(chain_of(&device.request(engine, &csr).await.unwrap()), chain);
    let asked = device.request(engine, &again).await;
    assert_eq!(refused(asked, EngineErrorKind::CsrRefused).code(), Some("key_not_rotated"));
    device.request(engine, &request_for(&device.name)).await.unwrap();
    device.wait(engine, |status| is_issued(status) && chain_of(status) != chain).await;
    running.end().await;
    world.end().await;
}

/// A list of blocked keys that can be unavailable.
#[derive(Debug, Default)]
struct List(AtomicBool);

impl KeyBlocklist for List {
    fn contains(&self, _: &[u8; 32]) -> Result<bool, BlocklistUnavailable> {
        if self.0.load(Ordering::SeqCst) {
            Ok(false)
        } else {
            Err(BlocklistUnavailable::because("the list is being updated"))
        }
    }
}

#[tokio::test(start_paused = true)]
async fn request_is_refused_for_now_while_the_list_of_blocked_keys_is_unavailable() {
    let list = Arc::new(List::default());
    let mut parts = parts_without_ca(Arc::new(MemoryStore::new()), ShiftedClock::in_virtual_time());
    parts.options.csr_policy = CsrPolicy::device().with_blocklist(list.clone());
    let engine = Engine::new(parts);
    let device = enrol(&engine).await;
    let csr = request_for(&device.name);
    let error = refused(device.request(&engine, &csr).await, EngineErrorKind::Unavailable);
    assert!(error.retry_after().is_some(), "{error}");
    assert_eq!(device.status(&engine).await, CertificateStatus::None);
    list.0.store(true, Ordering::SeqCst);
    device.request(&engine, &csr).await.unwrap();
}

/// Rule 31: only a CSR that passed the gate is sent to the CA.
#[tokio::test(start_paused = true)]
async fn csr_that_was_exchanged_in_the_store_is_not_sent() {
    let world = World::start().await;
    let store = Arc::new(MemoryStore::new());
    let engine = Engine::new(world.parts(store.clone()));
    let [device, other] = [enrol(&engine).await, enrol(&engine).await];
    for device in [&device, &other] {
        device.request(&engine, &request_for(&device.name)).await.unwrap();
    }
    let orders = Collection::new("order");
    let read = async |device: &Device| {
        let record = store.read(orders, device.name.as_str()).await.unwrap().unwrap();
        (serde_json::from_slice::<serde_json::Value>(&record.value).unwrap(), record)
    };
    let (of_other, _) = read(&other).await;
    let (mut order, record) = read(&device).await;
    order["csr"] = of_other["csr"].clone();
    let write = Transaction::new().put(
        orders,
        record.key,
        Expect::Version(record.version),
        serde_json::to_vec(&order).unwrap(),
        record.due,
    );
    store.commit(write).await.unwrap();

    let running = Running::start(world.parts(store.clone()));
    let failed = |status: &CertificateStatus| match status {
        CertificateStatus::Failed { problem, .. } => problem.code.as_deref() == Some("internal_csr_mismatch"),
        _ => false,
    };
    device.wait(&running.engine, failed).await;
    other.chain(&running.engine).await;
    assert_eq!((world.orders(&device.name), world.orders(&other.name)), (0, 1));
    running.end().await;
    world.end().await;
}

/// A certificate that was not ordered is delivered to no device.
#[tokio::test(start_paused = true)]
async fn wrong_certificate_raises_an_alarm_and_is_not_delivered() {
    let world = World::start_with(|options| options.life = 92 * DAY).await;
    let events = EventLog::default();
    let mut parts = world.parts(Arc::new(MemoryStore::new()));
    parts.options.lifetime = Some(90 * DAY);
    parts.events = Arc::new(events.clone());
    let running = Running::start(parts);
    let device = enrol(&running.engine).await;
    device.request(&running.engine, &request_for(&device.name)).await.unwrap();
    let failed = |status: &CertificateStatus| matches!(status, CertificateStatus::Failed { .. });
    let status = device.wait(&running.engine, failed).await;
    let CertificateStatus::Failed { problem, .. } = status else { unreachable!() };
    assert_eq!(problem.code.as_deref(), Some("ca_returned_wrong_certificate"));
    assert!(problem.detail.contains("is valid for"), "{}", problem.detail);
    assert_eq!(events.count("WrongCertificate"), 1);
    assert_eq!((events.count("Issued"), world.certificates(&device.name)), (0, 1));
    // It is not ordered again.
    pass(5 * MINUTE).await;
    assert_eq!(world.orders(&device.name), 1);
    running.end().await;
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn certificate_that_begins_ahead_of_our_clock_is_delivered_when_it_begins() {
    let clock = ShiftedClock::in_virtual_time();
    let ahead = clock.unshifted();
    ahead.jump(Duration::from_secs(600));
    let world = World::start_at(clock, ahead, |options| {
        options.backdate = Duration::ZERO;
    })
    .await;
    let running = Running::start(world.parts(Arc::new(MemoryStore::new())));
    let device = enrol(&running.engine).await;
    device.request(&running.engine, &request_for(&device.name)).await.unwrap();
    let failed = |status: &CertificateStatus| matches!(status, CertificateStatus::Failed { .. });
    let status = device.wait(&running.engine, failed).await;
    let CertificateStatus::Failed { problem, retry_at: Some(_), .. } = status else {
        panic!("no time of the next attempt: {status:?}")
    };
    assert!(problem.detail.contains("not valid yet"), "{}", problem.detail);
    pass(5 * MINUTE).await;
    world.clock.jump(Duration::from_secs(601));
    device.chain(&running.engine).await;
    assert_eq!((world.orders(&device.name), world.certificates(&device.name)), (1, 1));
    running.end().await;
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn order_of_a_suspended_device_is_not_finalized_until_the_device_is_active() {
    let world = World::start().await;
    let store = Arc::new(MemoryStore::new());
    let events = EventLog::default();
    let mut parts = world.parts(store.clone());
    parts.events = Arc::new(events.clone());
    let running = Running::start(parts);
    let engine = &running.engine;
    let device = enrol(engine).await;
    world.ca.faults().hold_validations();
    device.request(engine, &request_for(&device.name)).await.unwrap();
    until("the challenge is answered", async || {
        let orders = records(&*store, "order").await;
        orders.iter().any(|order| String::from_utf8_lossy(&order.value).contains(r#""state":"answered""#))
    })
    .await;
    engine.set_device_state(&device.id, DeviceState::Suspended).await.unwrap();
    world.ca.faults().release_validations();
    until("the CA has validated it", async || !world.ca.ledger().validations().is_empty()).await;
    // The attempt ends when its next journal entry is refused.
    until("the attempt has ended", async || events.count("StoreFailed") == 1).await;
    assert_eq!(world.certificates(&device.name), 0, "nothing is finalized after the suspension");
    assert_eq!(world.ca.ledger().requests(fleetcert_acme_server::Resource::Finalize), 0);
    world.clock.jump(HOUR / 2);
    until("the order is postponed", async || {
        let orders = records(&*store, "order").await;
        orders.iter().any(|order| String::from_utf8_lossy(&order.value).contains("suspended"))
    })
    .await;
    running.end().await;
    assert!(!world.has_challenge(&device.name).await);

    let running = Running::start(world.parts(store.clone()));
    let engine = &running.engine;
    until("the store has forgotten the challenge", async || records(&*store, "challenge").await.is_empty())
        .await;
    engine.set_device_state(&device.id, DeviceState::Active).await.unwrap();
    world.clock.jump(HOUR);
    device.grant(engine, Action::ReadCertificate).await.unwrap();
    device.chain(engine).await;
    assert_eq!((world.orders(&device.name), world.certificates(&device.name)), (1, 1));
    running.end().await;
    world.end().await;
}
