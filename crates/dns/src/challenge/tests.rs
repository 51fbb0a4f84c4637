//! The life of a challenge record over the backend in memory, and over ones that fail on cue.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use fleetcert_ambient::{Clock, SystemClock, timeout};
use fleetcert_names::DomainName;
use tokio::sync::Semaphore;

use super::{ChallengeErrorKind, ChallengeOptions, ChallengeRecord, Challenges, Published};
use crate::scripted::{Fault, Scripted};
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

fn scripted() -> Scripted {
    Scripted::new([&name("fleet.test"), &name("other.test")])
}

/// A backend each of whose removals waits for a permit.
fn removing_by_permit() -> (Arc<Scripted>, Arc<Semaphore>) {
    let permits = Arc::new(Semaphore::new(0));
    let semaphore = permits.clone();
    let backend = scripted().after(move |changes| {
        let removes = changes.iter().any(|change| matches!(change, Change::RemoveTxt { .. }));
        let semaphore = semaphore.clone();
        async move {
            if removes {
                semaphore.acquire().await.unwrap().forget();
            }
        }
    });
    (Arc::new(backend), permits)
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
