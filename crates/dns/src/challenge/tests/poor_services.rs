//! Services that cannot be read, cannot remove values, or have unreachable servers.

use super::*;
use crate::{DnsBackendExt, Ttl};

/// Returns a service that can only be written.
fn write_only(removes: bool) -> Arc<Scripted> {
    let mut backend = scripted();
    backend.capabilities = Capabilities { reads: false, removes, ..backend.capabilities };
    Arc::new(backend)
}

/// Servers that cannot be reached.
#[derive(Debug)]
struct Unreachable;

#[async_trait]
impl Visibility for Unreachable {
    async fn look(&self, zone: &DomainName, _: &DomainName, _: &TxtValue) -> Result<Sighting, BackendError> {
        Err(BackendError::new(BackendErrorKind::Unavailable, Operation::Look, zone, "port 53 is closed"))
    }
}

fn over(backend: &Arc<Scripted>, visibility: Arc<dyn Visibility>, quorum: Quorum) -> Challenges {
    let options = ChallengeOptions { quorum, ..ChallengeOptions::default() };
    Challenges::new(backend.clone(), visibility, Ambient::system(), options)
}

#[tokio::test(start_paused = true)]
async fn withdrawal_from_a_write_only_service_is_verified_at_the_servers() {
    let backend = write_only(true);
    let all = over(&backend, Arc::new(backend.inner.clone()), Quorum::All);
    let published = all.publish(vec![record("a", "1"), record("a", "2")]).await.unwrap();
    published.wait_until_visible().await.unwrap();
    *backend.faults.lock() = vec![Fault::Lie; 2];
    published.withdraw().await.unwrap();
    let lies_left = backend.faults.lock().len();
    assert_eq!((backend.inner.record_sets(), lies_left, all.orphans()), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn withdrawal_that_cannot_be_verified_fails() {
    let backend = write_only(true);
    let all = over(&backend, Arc::new(Unreachable), Quorum::All);
    let published = all.publish(vec![record("a", "1")]).await.unwrap();
    let error = published.wait_until_visible().await.unwrap_err();
    assert_eq!(error.kind(), ChallengeErrorKind::NotVisible);
    let error = published.withdraw().await.unwrap_err();
    assert_eq!(error.kind(), ChallengeErrorKind::NotWithdrawn);
    assert_eq!(error.backend_error().unwrap().operation(), Operation::Look);
    assert_eq!(all.orphans(), 1);
}

#[tokio::test(start_paused = true)]
async fn trusted_backend_needs_no_servers() {
    let backend = write_only(true);
    let mut options = ChallengeOptions { quorum: Quorum::TrustBackend, ..ChallengeOptions::default() };
    options.first_look_after = Duration::from_secs(30);
    let all = Challenges::new(backend.clone(), Arc::new(Unreachable), Ambient::system(), options);
    let start = tokio::time::Instant::now();
    let published = all.publish(vec![record("a", "1"), record("b", "2")]).await.unwrap();
    let sightings = published.wait_until_visible().await.unwrap();
    assert_eq!(start.elapsed(), Duration::from_secs(30));
    assert!(sightings.len() == 2 && sightings.iter().all(|sighting| sighting.servers.is_empty()));
    published.withdraw().await.unwrap();
    assert_eq!((backend.inner.record_sets(), all.orphans()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn rejected_removal_of_a_trusted_backend_is_an_error() {
    let mut backend = scripted().forbidding([(record("b", "2").name, BackendErrorKind::Refused)]);
    backend.capabilities.reads = false;
    let backend = Arc::new(backend);
    let trusting = ChallengeOptions { quorum: Quorum::TrustBackend, ..ChallengeOptions::default() };
    let all = Challenges::new(backend.clone(), Arc::new(Unreachable), Ambient::system(), trusting);
    let records = [record("a", "1"), record("b", "2")];
    for record in &records {
        let stored = backend.inner.add_txt(&record.zone, &record.name, &record.value, Ttl::CHALLENGE);
        stored.await.unwrap();
    }
    let error = all.withdraw(&records).await.unwrap_err();
    assert_eq!(error.unfinished().iter().map(|left| &left.record).collect::<Vec<_>>(), [&records[1]]);
    assert_eq!(backend.inner.record_sets(), 1);
}

#[tokio::test]
async fn service_without_removals_is_not_called_to_remove() {
    let backend = write_only(false);
    let all = over(&backend, Arc::new(backend.inner.clone()), Quorum::All);
    let published = all.publish(vec![record("a", "1")]).await.unwrap();
    published.wait_until_visible().await.unwrap();
    published.withdraw().await.unwrap();
    drop(all.adopt(vec![record("a", "2")]));
    assert_eq!(all.sweep().await.unwrap(), 1);
    assert_eq!((backend.inner.record_sets(), all.orphans()), (1, 0));
}
