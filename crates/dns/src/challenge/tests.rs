//! Challenges over the backend in memory, and over backends with scripted failures.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use async_trait::async_trait;
use fleetcert_ambient::{Ambient, Clock, SystemClock, TokioClock, timeout};
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

/// Returns a backend whose removals each wait for a permit.
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
    Challenges::new(backend.clone(), seen, virtual_time(), ChallengeOptions::default())
}

/// The time of the runtime, which passes at once in a paused test.
fn virtual_time() -> Ambient {
    Ambient { clock: Arc::new(TokioClock::starting_at(SystemClock.now())), ..Ambient::system() }
}

/// Waits until abandoned calls can no longer have an effect.
async fn wait_for_late_changes() {
    SystemClock.sleep(ChallengeOptions::default().late_changes_within).await;
}
