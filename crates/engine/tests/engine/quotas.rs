//! Quotas of a device, a name and a tenant.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fleetcert_ambient::{Clock, ManualClock};
use fleetcert_engine::{Engine, EngineErrorKind};
use fleetcert_protocol::CertificateStatus;
use fleetcert_schedule::budget::{Limit, LimitKind, Limits, Rule};
use fleetcert_schedule::order_queue::Tenant;
use fleetcert_schedule::quota::CSRS_PER_DEVICE;
use fleetcert_store::MemoryStore;

use crate::setting::{
    DAY, HOUR, Running, World, enrol, enrol_of, parts_without_ca, refused, request_for, until,
};

#[tokio::test(start_paused = true)]
async fn device_may_send_ten_requests_in_an_hour() {
    let clock = ManualClock::starting_at(SystemTime::UNIX_EPOCH + DAY * 20_000);
    let mut parts = parts_without_ca(Arc::new(MemoryStore::new()), clock.clone());
    parts.options.requests_per_device = Some(CSRS_PER_DEVICE);
    let engine = Engine::new(parts);
    let (hostile, other) = (enrol(&engine).await, enrol(&engine).await);
    let mut taken = 0;
    for _ in 0..200 {
        match hostile.request(&engine, &request_for(&hostile.name)).await {
            Ok(_) => taken += 1,
            Err(error) => {
                assert_eq!(error.kind(), EngineErrorKind::RateLimited, "{error}");
                assert_eq!(error.retry_after(), Some(Duration::from_secs(360)));
            }
        }
    }
    assert_eq!(taken, 10);
    // It may ask for its status, and other devices are not affected.
    assert!(matches!(hostile.status(&engine).await, CertificateStatus::Queued { .. }));
    other.request(&engine, &request_for(&other.name)).await.unwrap();
    clock.advance(Duration::from_secs(360));
    hostile.request(&engine, &request_for(&hostile.name)).await.unwrap();
    refused(hostile.request(&engine, &request_for(&hostile.name)).await, EngineErrorKind::RateLimited);
}

#[tokio::test(start_paused = true)]
async fn name_gets_one_certificate_a_day_unless_its_renewal_is_due() {
    let world = World::start().await;
    let mut parts = world.parts(Arc::new(MemoryStore::new()));
    parts.options.between_certificates = DAY;
    let running = Running::start(parts);
    let engine = &running.engine;
    let device = enrol(engine).await;
    device.request(engine, &request_for(&device.name)).await.unwrap();
    device.chain(engine).await;
    world.clock.jump(23 * HOUR);
    let early = device.request(engine, &request_for(&device.name)).await;
    let wait = refused(early, EngineErrorKind::RateLimited).retry_after().unwrap();
    assert!(wait <= HOUR, "{wait:?}");
    world.clock.jump(HOUR);
    device.request(engine, &request_for(&device.name)).await.unwrap();
    until("the second is issued", async || world.certificates(&device.name) == 2).await;
    let chain = device.chain(engine).await;

    // The CA wants it renewed at once.
    world.clock.jump(2 * HOUR);
    let now = world.clock.now();
    world.ca.set_renewal_window(chain.leaf().certificate_id().unwrap(), now - HOUR, now - HOUR / 2);
    engine.look_at_renewal(&device.name).await.unwrap();
    device.wait(engine, |status| matches!(status, CertificateStatus::Issued { due: true, .. })).await;
    device.request(engine, &request_for(&device.name)).await.unwrap();
    until("the third is issued", async || world.certificates(&device.name) == 3).await;
    running.end().await;
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn tenants_share_the_tokens_by_their_weights() {
    const TOKENS: u32 = 8;
    let world = World::start().await;
    for (weight, of_the_second) in [(1, 4), (3, 2)] {
        let mut parts = world.parts(Arc::new(MemoryStore::new()));
        let rule = Rule::Limited(Limit::new(TOKENS, 1, 100 * HOUR).unwrap());
        parts.options.limits = Some(Limits::unknown().with_rule(LimitKind::NewOrdersPerAccount, rule));
        // Here, new devices may use the whole limit.
        parts.options.reserve = fleetcert_schedule::order_queue::Reserve::NONE;
        parts.options.tenant_weights.insert(Tenant(1), weight);
        let front = Engine::new(parts.clone());
        let mut second = Vec::new();
        for (tenant, devices) in [(1, 12), (2, 6)] {
            for _ in 0..devices {
                let device = enrol_of(&front, Tenant(tenant)).await;
                device.request(&front, &request_for(&device.name)).await.unwrap();
                if tenant == 2 {
                    second.push(device);
                }
            }
        }
        let before = world.ca.ledger().certificates().len();
        let running = Running::start(parts);
        let issued = || world.ca.ledger().certificates().len() - before;
        until("all tokens are spent", async || issued() == TOKENS as usize).await;
        let theirs: usize = second.iter().map(|device| world.certificates(&device.name)).sum();
        assert_eq!(theirs, of_the_second, "of {TOKENS} with weights {weight} and 1");
        running.end().await;
    }
    world.end().await;
}
