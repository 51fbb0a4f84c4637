//! The life of a challenge record over the backend in memory, and over ones that fail on cue.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use fleetcert_ambient::{Clock, SystemClock, timeout};
use fleetcert_names::DomainName;
use tokio::sync::Semaphore;

use super::{ChallengeErrorKind, ChallengeOptions, ChallengeRecord, Challenges, Published};
use crate::{
    BackendError, BackendErrorKind, Capabilities, Change, DnsBackend, MemoryBackend, Operation, Quorum,
    RecordSet, RecordType, ServerVerdict, Sighting, TxtValue, Verdict, Visibility,
};

mod counts;
mod guards;
mod histories;
mod poor_services;
mod publication;
mod visibility;
mod withdrawal;

fn name(text: &str) -> DomainName {
    text.parse().unwrap()
}

fn record(device: &str, value: &str) -> ChallengeRecord {
    record_in("fleet.test", device, value)
}

fn record_in(zone: &str, device: &str, value: &str) -> ChallengeRecord {
    ChallengeRecord {
        zone: name(zone),
        name: name(&format!("_acme-challenge.{device}.{zone}")),
        value: value.parse().unwrap(),
        owner: format!("order of {value}").parse().unwrap(),
        expires: SystemClock.now() + Duration::from_secs(3600),
    }
}

/// What a [`Scripted`] backend does to the next calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Says so, having done nothing.
    Error(BackendErrorKind),
    /// Says that all is well, having done nothing.
    Lie,
    /// Does it, and then never answers.
    Hang,
}

/// The backend in memory, with faults on cue.
#[derive(Debug)]
struct Scripted {
    inner: MemoryBackend,
    max_changes: usize,
    applied: Mutex<Vec<usize>>,
    /// Faults of the next calls to apply, the last first.
    faults: Mutex<Vec<Fault>>,
    /// A name that may not be changed.
    forbidden: Option<DomainName>,
    /// Removals wait for a permit of this.
    removals: Semaphore,
}

impl Scripted {
    fn new() -> Self {
        Self {
            inner: MemoryBackend::new([&name("fleet.test"), &name("other.test")]),
            max_changes: 1000,
            applied: Mutex::default(),
            faults: Mutex::default(),
            forbidden: None,
            removals: Semaphore::new(1000),
        }
    }

    fn failing(faults: &[Fault]) -> Self {
        Self { faults: Mutex::new(faults.iter().rev().copied().collect()), ..Self::new() }
    }

    fn calls(&self) -> usize {
        self.applied.lock().unwrap().len()
    }
}

#[async_trait]
impl DnsBackend for Scripted {
    async fn apply(&self, zone: &DomainName, changes: &[Change]) -> Result<(), BackendError> {
        self.applied.lock().unwrap().push(changes.len());
        if changes.iter().any(|change| matches!(change, Change::RemoveTxt { .. })) {
            self.removals.acquire().await.unwrap().forget();
        }
        if changes.iter().any(|change| Some(change.name()) == self.forbidden.as_ref()) {
            return Err(BackendError::new(BackendErrorKind::Refused, Operation::Apply, zone, "forbidden"));
        }
        let fault = self.faults.lock().unwrap().pop();
        match fault {
            None => self.inner.apply(zone, changes).await,
            Some(Fault::Lie) => Ok(()),
            Some(Fault::Error(kind)) => Err(BackendError::new(kind, Operation::Apply, zone, "on cue")),
            Some(Fault::Hang) => {
                self.inner.apply(zone, changes).await?;
                std::future::pending().await
            }
        }
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
}

fn challenges(backend: &Arc<Scripted>) -> Challenges {
    let seen = Arc::new(backend.inner.clone());
    Challenges::new(backend.clone(), seen, Arc::new(VirtualClock::start()), ChallengeOptions::default())
}

/// The time of the runtime, which a paused test lets pass at once.
#[derive(Clone, Copy, Debug)]
struct VirtualClock {
    began: SystemTime,
    start: tokio::time::Instant,
}

impl VirtualClock {
    fn start() -> Self {
        Self { began: SystemClock.now(), start: tokio::time::Instant::now() }
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> SystemTime {
        self.began + self.start.elapsed()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        SystemClock.sleep(duration)
    }
}

/// What a call that nobody waits for may still do is done by then.
async fn late_changes_are_made() {
    SystemClock.sleep(ChallengeOptions::default().late_changes_within).await;
}
