//! A clock that jumps starts nothing new, and nothing starts more than so many.

use std::sync::Arc;
use std::time::Duration;

use fleetcert_schedule::budget::Limit;
use fleetcert_schedule::clock_guard::ClockRule;
use fleetcert_store::MemoryStore;

use crate::setting::{DAY, Running, Told, World, enrol, request_for, until};

const HOUR: Duration = Duration::from_secs(3600);

fn rule(starts: u32) -> ClockRule {
    ClockRule::new(Limit::new(starts, 1, 10 * HOUR).unwrap())
}

fn node(world: &World, rule: ClockRule) -> (Running, Told) {
    let told = Told::default();
    let mut parts = world.parts(Arc::new(MemoryStore::new()));
    parts.events = Arc::new(told.clone());
    parts.options.clock_rule = Some(rule);
    // Its own deadline is no clock's affair here.
    parts.options.order_deadline = DAY;
    (Running::start(parts), told)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_jump_starts_nothing_new_and_leaves_alone_what_is_under_way() {
    let world = World::start().await;
    let (running, told) = node(&world, rule(100));
    let engine = &running.engine;
    world.ca.faults().hold_validations();
    let placed = enrol(engine).await;
    placed.request(engine, &request_for(&placed.name)).await.unwrap();
    until("the CA has it", async || world.orders(&placed.name) == 1).await;

    world.clock.put_forward(HOUR);
    let waits = enrol(engine).await;
    waits.request(engine, &request_for(&waits.name)).await.unwrap();
    until("it is told", async || told.about("ClockDoubted") == 1).await;
    world.ca.faults().release_validations();
    placed.chain(engine).await;
    world.looks.two_more("order").await;
    assert_eq!((world.orders(&waits.name), told.about("ClockBelieved")), (0, 0));
    running.end().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_went_on_evenly_is_believed() {
    let world = World::start().await;
    let (running, told) = node(&world, ClockRule { agreement: Duration::from_secs(3), ..rule(100) });
    let engine = &running.engine;
    // What passes before it runs is no jump.
    let first = enrol(engine).await;
    first.request(engine, &request_for(&first.name)).await.unwrap();
    first.chain(engine).await;
    for jump in 1..=2 {
        world.clock.put_forward(HOUR);
        let device = enrol(engine).await;
        device.request(engine, &request_for(&device.name)).await.unwrap();
        until("it is told", async || told.about("ClockDoubted") == jump).await;
        device.chain(engine).await;
        assert_eq!(told.about("ClockBelieved"), jump);
    }
    running.end().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_passes_between_two_runs_is_no_jump() {
    let world = World::start().await;
    let (running, told) = node(&world, rule(100));
    let engine = running.engine.clone();
    running.end().await;
    world.clock.put_forward(HOUR);
    let running = Running::of(engine);
    let device = enrol(&running.engine).await;
    device.request(&running.engine, &request_for(&device.name)).await.unwrap();
    device.chain(&running.engine).await;
    assert_eq!(told.about("ClockDoubted"), 0);
    running.end().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_start_than_were_set_whatever_the_clock_says() {
    let world = World::start().await;
    let (running, told) = node(&world, ClockRule { agreement: Duration::from_secs(3), ..rule(2) });
    let engine = &running.engine;
    for _ in 0..4 {
        let device = enrol(engine).await;
        device.request(engine, &request_for(&device.name)).await.unwrap();
    }
    until("two are issued", async || world.ca.ledger().certificates().len() == 2).await;
    // By the clock there would be plenty.
    world.clock.put_forward(100 * HOUR);
    until("the clock is doubted, and believed", async || told.about("ClockBelieved") == 1).await;
    world.looks.two_more("order").await;
    assert_eq!(world.ca.ledger().orders().len(), 2);
    running.end().await;
    world.end().await;
}
