//! The writer on a backend whose answers are scripted, under virtual time.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, SystemTime};

use fleetcert_ambient::{Clock, ManualClock, SeededEntropy};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};
use tokio::task::unconstrained;

use super::*;
use crate::scripted::{Fault, Scripted};
use crate::{BackendErrorKind, DnsBackendExt, MemoryBackend, Ttl, TxtValue};

mod bounds;
mod cancellation;
mod contract;
mod driver;
pub(super) mod liveness;
mod merging;
mod order;
mod pace;
mod splitting;

const TAKES: Duration = Duration::from_millis(10);
/// Default wait for the callers of the last batch.
const GATHER: Duration = Duration::from_millis(2);

fn zone() -> DomainName {
    "fleet.test".parse().unwrap()
}

fn name(label: &str) -> DomainName {
    format!("{label}.fleet.test").parse().unwrap()
}

fn add(label: &str, value: &str) -> Change {
    Change::AddTxt { name: name(label), value: value.parse().unwrap(), ttl: Ttl::CHALLENGE }
}

fn remove(label: &str, value: &str) -> Change {
    Change::RemoveTxt { name: name(label), value: value.parse().unwrap() }
}

fn scripted() -> Scripted {
    Scripted::new([&zone()]).taking(100)
}

fn ambient(clock: impl Clock + 'static) -> Ambient {
    Ambient { clock: Arc::new(clock), entropy: Arc::new(SeededEntropy::new(1)) }
}

/// A writer, its driver, and its clock.
struct Stage {
    writer: ZoneWriter<Scripted>,
    driver: Mutex<ZoneWriterDriver>,
    clock: ManualClock,
}

impl Stage {
    fn new(backend: Scripted) -> Self {
        Self::with(backend, ZoneWriterOptions::default())
    }

    /// Each call of the backend takes `TAKES`, and panics if the name of a change begins with `panic`.
    fn with(backend: Scripted, options: ZoneWriterOptions) -> Self {
        let clock = ManualClock::starting_at(SystemTime::UNIX_EPOCH);
        let time = clock.clone();
        let backend = backend.after(move |changes| {
            if changes.iter().any(|change| change.name().as_str().starts_with("panic")) {
                panic!("as the test wants");
            }
            let time = time.clone();
            async move { time.sleep(TAKES).await }
        });
        let (writer, driver) = ZoneWriter::new(backend, options, ambient(clock.clone()));
        Self { writer, driver: Mutex::new(driver), clock }
    }

    fn call(&self, changes: Vec<Change>) -> BoxFuture<'_, Result<(), BackendError>> {
        async move { self.writer.apply(&zone(), &changes).await }.boxed()
    }

    /// Polls the work and the driver while they wake each other. The task does not yield to tokio meanwhile, so it
    /// must not have a cooperative budget.
    fn poll<F: Future + Unpin>(&self, work: &mut F) -> Poll<F::Output> {
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(woken.clone());
        let mut context = Context::from_waker(&waker);
        loop {
            woken.0.store(false, SeqCst);
            if let Poll::Ready(done) = unconstrained(&mut *work).poll_unpin(&mut context) {
                return Poll::Ready(done);
            }
            let _ = unconstrained(&mut *self.driver.lock()).poll_unpin(&mut context);
            if !woken.0.load(SeqCst) {
                return Poll::Pending;
            }
        }
    }

    /// Runs the driver alone.
    fn drive(&self) {
        let _ = self.poll(&mut std::future::pending::<()>());
    }

    /// Polls the work until it is done, and advances the clock by a millisecond each time that it waits.
    async fn run<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        for _ in 0..100_000 {
            if let Poll::Ready(done) = self.poll(&mut work) {
                return done;
            }
            self.clock.advance(Duration::from_millis(1));
        }
        panic!("the work does not end");
    }

    fn elapsed(&self) -> Duration {
        self.clock.now().duration_since(SystemTime::UNIX_EPOCH).unwrap()
    }

    /// Returns the number of changes of each call of the backend.
    fn sizes(&self) -> Vec<usize> {
        self.writer.backend().sizes()
    }

    fn calls(&self) -> Vec<Vec<Change>> {
        self.writer.backend().calls()
    }

    async fn values(&self, label: &str) -> usize {
        self.writer.texts(&zone(), &name(label)).await.unwrap().len()
    }
}

fn two_at_a_time() -> ZoneWriterOptions {
    ZoneWriterOptions { batches_in_flight: 2, ..ZoneWriterOptions::default() }
}

/// A waker that records that it was woken.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, SeqCst);
    }
}

fn kinds(results: &[Result<(), BackendError>]) -> Vec<Option<BackendErrorKind>> {
    results.iter().map(|result| result.as_ref().err().map(BackendError::kind)).collect()
}
