//! The writer on a backend whose answers are scripted, under virtual time.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::pin;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use fleetcert_ambient::{ManualClock, SystemClock};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};

use super::*;
use crate::{DnsBackendExt, MemoryBackend, Ttl, TxtValue};

mod bounds;
mod cancellation;
mod contract;
mod merging;
mod order;
mod pace;
mod splitting;

/// Takes a time for each call, writes down what it was asked, and fails as it is told.
#[derive(Debug)]
struct Scripted {
    inner: MemoryBackend,
    clock: ManualClock,
    takes: Duration,
    max_changes: usize,
    calls: Mutex<Vec<Vec<Change>>>,
    /// Names that are not taken, and how that is said.
    forbidden: BTreeSet<DomainName>,
    forbidden_kind: BackendErrorKind,
    /// How the next calls fail, the last first.
    failures: Mutex<Vec<(BackendErrorKind, Option<Duration>)>>,
}

#[async_trait]
impl DnsBackend for Scripted {
    async fn apply(&self, zone: &DomainName, changes: &[Change]) -> Result<(), BackendError> {
        self.calls.lock().unwrap().push(changes.to_vec());
        if changes.iter().any(|change| change.name().as_str().starts_with("panic")) {
            panic!("as the test wants");
        }
        self.clock.sleep(self.takes).await;
        let error = |kind| BackendError::new(kind, Operation::Apply, zone, "as the test wants");
        if let Some((kind, wait)) = self.failures.lock().unwrap().pop() {
            return Err(wait.into_iter().fold(error(kind), BackendError::with_retry_after));
        }
        if changes.iter().any(|change| self.forbidden.contains(change.name())) {
            return Err(error(self.forbidden_kind));
        }
        self.inner.apply(zone, changes).await
    }

    async fn read(
        &self,
        zone: &DomainName,
        name: &DomainName,
        record_type: RecordType,
    ) -> Result<Option<RecordSet>, BackendError> {
        self.inner.read(zone, name, record_type).await
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { max_changes: self.max_changes, ..self.inner.capabilities() }
    }

    async fn advice(&self, _: &DomainName) -> Result<Vec<Advice>, BackendError> {
        Ok(vec![Advice { finding: "It is scripted.".to_owned(), remedy: "None.".to_owned() }])
    }
}

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
    Scripted {
        inner: MemoryBackend::new([&zone()]),
        clock: ManualClock::starting_at(SystemTime::UNIX_EPOCH),
        takes: TAKES,
        max_changes: 100,
        calls: Mutex::default(),
        forbidden: BTreeSet::new(),
        forbidden_kind: BackendErrorKind::Refused,
        failures: Mutex::default(),
    }
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

    fn with(backend: Scripted, options: ZoneWriterOptions) -> Self {
        let clock = backend.clock.clone();
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
        self.writer.backend().calls.lock().unwrap().iter().map(Vec::len).collect()
    }

    fn calls(&self) -> Vec<Vec<Change>> {
        self.writer.backend().calls.lock().unwrap().clone()
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
