//! The clock guard: no new order starts after a jump, and the number of starts is limited.

use std::sync::Arc;
use std::time::Duration;

use fleetcert_schedule::budget::Limit;
use fleetcert_schedule::clock_guard::ClockRule;
use fleetcert_store::MemoryStore;

use crate::setting::{DAY, EventLog, HOUR, MINUTE, Running, World, enrol, pass, request_for, until};

fn rule(starts: u32) -> ClockRule {
    ClockRule::new(Limit::new(starts, 1, 10 * HOUR).unwrap())
}

fn node(world: &World, rule: ClockRule) -> (Running, EventLog) {
    let events = EventLog::default();
    let mut parts = world.parts(Arc::new(MemoryStore::new()));
    parts.events = Arc::new(events.clone());
    parts.options.clock_rule = Some(rule);
    // The jumps are longer than the default.
    parts.options.order_deadline = DAY;
    (Running::start(parts), events)
}

#[tokio::test(start_paused = true)]
async fn jump_of_the_clock_stops_new_orders_and_leaves_those_in_flight_alone() {
    let world = World::start().await;
    let (running, events) = node(&world, rule(100));
    let engine = &running.engine;
    world.ca.faults().hold_validations();
    let placed = enrol(engine).await;
    placed.request(engine, &request_for(&placed.name)).await.unwrap();
    until("the CA has it", async || world.orders(&placed.name) == 1).await;

    world.clock.jump(HOUR);
    let waits = enrol(engine).await;
    waits.request(engine, &request_for(&waits.name)).await.unwrap();
    until("the clock is doubted", async || events.count("ClockDoubted") == 1).await;
    world.ca.faults().release_validations();
    placed.chain(engine).await;
    pass(5 * MINUTE).await;
    assert_eq!((world.orders(&waits.name), events.count("ClockBelieved")), (0, 0));
    running.end().await;
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn clock_that_runs_evenly_after_a_jump_is_believed() {
    let world = World::start().await;
    let (running, events) = node(&world, ClockRule { agreement: Duration::from_secs(3), ..rule(100) });
    let engine = &running.engine;
    // Time that passes before the run is no jump.
    let first = enrol(engine).await;
    first.request(engine, &request_for(&first.name)).await.unwrap();
    first.chain(engine).await;
    for jump in 1..=2 {
        world.clock.jump(HOUR);
        let device = enrol(engine).await;
        device.request(engine, &request_for(&device.name)).await.unwrap();
        until("the clock is doubted", async || events.count("ClockDoubted") == jump).await;
        device.chain(engine).await;
        assert_eq!(events.count("ClockBelieved"), jump);
    }
    running.end().await;
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn time_that_passes_between_two_runs_is_no_jump() {
    let world = World::start().await;
    let (running, events) = node(&world, rule(100));
    let engine = running.engine.clone();
    running.end().await;
    world.clock.jump(HOUR);
    let running = Running::of(engine);
    let device = enrol(&running.engine).await;
    device.request(&running.engine, &request_for(&device.name)).await.unwrap();
    device.chain(&running.engine).await;
    assert_eq!(events.count("ClockDoubted"), 0);
    running.end().await;
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn number_of_starts_is_limited_whatever_the_clock_shows() {
    let world = World::start().await;
    let (running, events) = node(&world, ClockRule { agreement: Duration::from_secs(3), ..rule(2) });
    let engine = &running.engine;
    for _ in 0..4 {
        let device = enrol(engine).await;
        device.request(engine, &request_for(&device.name)).await.unwrap();
    }
    until("two are issued", async || world.ca.ledger().certificates().len() == 2).await;
    // By the clock, ten more could start.
    world.clock.jump(100 * HOUR);
    until("the clock is doubted, and believed", async || events.count("ClockBelieved") == 1).await;
    pass(5 * MINUTE).await;
    assert_eq!(world.ca.ledger().orders().len(), 2);
    running.end().await;
    world.end().await;
}
