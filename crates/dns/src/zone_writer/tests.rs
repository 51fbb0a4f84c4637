//! The writer on a backend whose answers are scripted, under virtual time.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use fleetcert_ambient::{ManualClock, SystemClock};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};

use super::*;
use crate::scripted::{Fault, Scripted};
use crate::{BackendErrorKind, DnsBackendExt, MemoryBackend, Ttl, TxtValue};

mod bounds;
mod cancellation;
mod contract;
mod merging;
mod order;
mod pace;
mod splitting;
mod wakers;

const TAKES: Duration = Duration::from_millis(10);
/// The default: how long is waited for who may come back.
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

/// A writer and its time.
struct Stage {
    writer: ZoneWriter<Scripted>,
    clock: ManualClock,
}

impl Stage {
    fn new(backend: Scripted) -> Self {
        Self::with(backend, ZoneWriterOptions::default())
    }

    /// Each call of the backend takes its time, and panics when the name of a change wants it.
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
        Self { writer: ZoneWriter::new(backend, Arc::new(clock.clone()), options), clock }
    }

    fn call(&self, changes: Vec<Change>) -> BoxFuture<'_, Result<(), BackendError>> {
        async move { self.writer.apply(&zone(), &changes).await }.boxed()
    }

    /// Polls the work until it is done, and lets a millisecond pass each time that it waits.
    async fn run<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        for _ in 0..100_000 {
            if let Poll::Ready(done) = poll_once(&mut work) {
                return done;
            }
            self.clock.advance(Duration::from_millis(1));
        }
        panic!("the work hangs");
    }

    fn elapsed(&self) -> Duration {
        self.clock.now().duration_since(SystemTime::UNIX_EPOCH).unwrap()
    }

    /// How many changes each call of the backend had.
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

fn poll_once<F: Future + Unpin>(work: &mut F) -> Poll<F::Output> {
    work.poll_unpin(&mut Context::from_waker(Waker::noop()))
}

fn kinds(results: &[Result<(), BackendError>]) -> Vec<Option<BackendErrorKind>> {
    results.iter().map(|result| result.as_ref().err().map(BackendError::kind)).collect()
}
