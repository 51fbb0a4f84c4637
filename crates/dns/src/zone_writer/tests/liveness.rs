//! Liveness: no interleaving leaves a call of the zone writer waiting forever.
//!
//! Shuttle runs callers, cancellations and the driver in thousands of random orders, and fails if all tasks wait for
//! each other. The backend and the clock yield to the scheduler in every call, and the writer itself at
//! `switch_point`, so that tasks are also switched within a poll. The channels are tokio's; each of their operations
//! is one step here.

use std::cell::Cell;
use std::pin::Pin;

use shuttle::future::{JoinHandle, block_on, spawn, yield_now};
use shuttle::rand::{Rng, thread_rng};

use super::*;

thread_local! {
    static IN_SHUTTLE: Cell<bool> = const { Cell::new(false) };
}

/// A point in the writer at which shuttle may switch tasks. Does nothing in other tests.
pub(in crate::zone_writer) fn switch_point() {
    if IN_SHUTTLE.get() {
        shuttle::thread::yield_now();
    }
}

/// Random orders for each scenario.
const ORDERS: usize = 1500;

/// A clock whose waits end after a few steps of the other tasks.
#[derive(Debug)]
struct ShuttleClock(ManualClock);

impl Clock for ShuttleClock {
    fn now(&self) -> SystemTime {
        shuttle::thread::yield_now();
        self.0.now()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move {
            for _ in 0..thread_rng().gen_range(1..6) {
                yield_now().await;
            }
            self.0.advance(duration);
            // A call may arrive between the poll of the channel and that of the timer.
            shuttle::thread::yield_now();
        })
    }
}

/// A backend that takes several steps, and fails in every way at random.
#[derive(Debug)]
struct ShuttleBackend(MemoryBackend);

#[async_trait]
impl DnsBackend for ShuttleBackend {
    async fn apply(&self, zone: &DomainName, changes: &[Change]) -> Result<(), BackendError> {
        for _ in 0..thread_rng().gen_range(0..4) {
            yield_now().await;
        }
        let failure = |kind| Err(BackendError::new(kind, Operation::Apply, zone, "as the test wants"));
        match thread_rng().gen_range(0..8) {
            0 => failure(BackendErrorKind::Unavailable),
            1 => failure(BackendErrorKind::Refused),
            2 => failure(BackendErrorKind::Quota)
                .map_err(|error| error.with_retry_after(Duration::from_secs(30))),
            _ => self.0.apply(zone, changes).await,
        }
    }

    async fn read(
        &self,
        zone: &DomainName,
        name: &DomainName,
        record_type: RecordType,
    ) -> Result<Option<RecordSet>, BackendError> {
        self.0.read(zone, name, record_type).await
    }

    fn capabilities(&self) -> Capabilities {
        shuttle::thread::yield_now();
        Capabilities { max_changes: 2, ..Capabilities::ALL }
    }
}

/// Returns one of two zones, so that loops end and start while calls are on their way.
fn zone_of(number: usize) -> DomainName {
    format!("z{}.test", number % 2).parse().unwrap()
}

fn change(zone: &DomainName, number: usize) -> Change {
    let name = format!("n{}.{zone}", number % 3).parse().unwrap();
    Change::AddTxt { name, value: number.to_string().parse().unwrap(), ttl: Ttl::CHALLENGE }
}

fn writer() -> (Arc<ZoneWriter<ShuttleBackend>>, ZoneWriterDriver) {
    let clock = ShuttleClock(ManualClock::starting_at(SystemTime::UNIX_EPOCH));
    let options = ZoneWriterOptions { max_waiting: 3, batches_in_flight: 2, ..ZoneWriterOptions::default() };
    let backend = ShuttleBackend(MemoryBackend::new(&[zone_of(0), zone_of(1)]));
    let (writer, driver) = ZoneWriter::new(backend, options, ambient(clock));
    (Arc::new(writer), driver)
}

/// Makes the calls of one task. One of two is dropped after a few steps; the other gets the result of the backend,
/// unless the driver may be gone.
async fn call_and_cancel(writer: Arc<ZoneWriter<ShuttleBackend>>, task: usize, may_be_gone: bool) {
    for round in 0..3 {
        let zone = zone_of(thread_rng().gen_range(0..2));
        let changes = [change(&zone, 10 * task + round)];
        let call = writer.apply(&zone, &changes);
        if thread_rng().r#gen() {
            let failure = call.await.err();
            assert!(may_be_gone || !failure.as_ref().is_some_and(is_lost), "{failure:?}");
        } else {
            drop_after(thread_rng().gen_range(1..4), call).await;
        }
    }
}

/// Returns whether the call was lost with the driver.
fn is_lost(error: &BackendError) -> bool {
    error.to_string().contains("the driver of the zone writer has ended")
}

async fn drop_after(steps: usize, mut call: impl Future + Unpin) {
    for _ in 0..steps {
        let polled = std::future::poll_fn(|context| Poll::Ready(call.poll_unpin(context))).await;
        if polled.is_ready() {
            return;
        }
        yield_now().await;
    }
}

fn start_tasks(writer: &Arc<ZoneWriter<ShuttleBackend>>, may_be_gone: bool) -> Vec<JoinHandle<()>> {
    (0..3).map(|task| spawn(call_and_cancel(writer.clone(), task, may_be_gone))).collect()
}

fn in_random_orders(scenario: impl Fn() + Send + Sync + 'static) {
    let scenario = Arc::new(move || {
        IN_SHUTTLE.set(true);
        scenario();
    });
    let same = scenario.clone();
    shuttle::check_random(move || scenario(), ORDERS);
    shuttle::check_pct(move || same(), ORDERS, 3);
    IN_SHUTTLE.set(false);
}

#[test]
fn every_call_and_the_driver_end_in_every_order() {
    let scenario = || {
        let (writer, driver) = writer();
        let driver = spawn(driver);
        let tasks = start_tasks(&writer, false);
        drop(writer);
        block_on(async {
            for task in tasks {
                task.await.unwrap();
            }
            // The last caller drops the writer.
            driver.await.unwrap();
        });
    };
    in_random_orders(scenario);
}

#[test]
fn every_call_ends_when_the_driver_is_dropped_at_any_moment() {
    let scenario = || {
        let (writer, mut driver) = writer();
        let tasks = start_tasks(&writer, true);
        let driver = spawn(async move {
            drop_after(thread_rng().gen_range(1..40), &mut driver).await;
        });
        block_on(async {
            for task in tasks {
                task.await.unwrap();
            }
            driver.await.unwrap();
        });
        drop(writer);
    };
    in_random_orders(scenario);
}

#[test]
fn call_reaches_a_zone_that_becomes_idle_at_the_same_moment() {
    let scenario = || {
        let (writer, driver) = writer();
        let driver = spawn(driver);
        let caller = spawn(async move {
            for number in 0..3 {
                let zone = zone_of(0);
                let error = writer.apply(&zone, &[change(&zone, number)]).await.err();
                assert!(!error.as_ref().is_some_and(is_lost), "{error:?}");
                // The zone's idle timer sometimes expires meanwhile.
                for _ in 0..thread_rng().gen_range(0..8) {
                    yield_now().await;
                }
            }
        });
        block_on(async {
            caller.await.unwrap();
            driver.await.unwrap();
        });
    };
    in_random_orders(scenario);
}
