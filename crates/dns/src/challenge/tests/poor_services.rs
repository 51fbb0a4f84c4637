//! Services that cannot be read, remove nothing, or have servers that nobody can ask.

use super::*;
use crate::{DnsBackendExt, Ttl};

/// The backend in memory as a service that can only be written.
#[derive(Debug)]
struct WriteOnly {
    inner: MemoryBackend,
    removes: bool,
    /// So many removals do nothing, and say that all is well.
    lies: AtomicUsize,
}

impl WriteOnly {
    fn new(removes: bool, lies: usize) -> Arc<Self> {
        let inner = MemoryBackend::new([&name("fleet.test")]);
        Arc::new(Self { inner, removes, lies: lies.into() })
    }
}

#[async_trait]
impl DnsBackend for WriteOnly {
    async fn apply(&self, zone: &DomainName, changes: &[Change]) -> Result<(), BackendError> {
        let removes = changes.iter().any(|change| matches!(change, Change::RemoveTxt { .. }));
        if removes && !self.removes {
            let kind = BackendErrorKind::InvalidInput;
            return Err(BackendError::new(kind, Operation::Apply, zone, "it removes nothing"));
        }
        if removes && self.lies.fetch_update(SeqCst, SeqCst, |lies| lies.checked_sub(1)).is_ok() {
            return Ok(());
        }
        self.inner.apply(zone, changes).await
    }

    async fn read(
        &self,
        zone: &DomainName,
        _: &DomainName,
        _: RecordType,
    ) -> Result<Option<RecordSet>, BackendError> {
        Err(BackendError::new(BackendErrorKind::InvalidInput, Operation::Read, zone, "it cannot be read"))
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { reads: false, removes: self.removes, ..Capabilities::ALL }
    }
}

/// Servers that nobody can ask.
#[derive(Debug)]
struct Unreachable;

#[async_trait]
impl Visibility for Unreachable {
    async fn look(&self, zone: &DomainName, _: &DomainName, _: &TxtValue) -> Result<Sighting, BackendError> {
        Err(BackendError::new(BackendErrorKind::Unavailable, Operation::Look, zone, "port 53 is closed"))
    }
}

fn over(backend: &Arc<WriteOnly>, visibility: Arc<dyn Visibility>, quorum: Quorum) -> Challenges {
    let options = ChallengeOptions { quorum, ..ChallengeOptions::default() };
    Challenges::new(backend.clone(), visibility, Arc::new(SystemClock), options)
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_back_is_looked_for_at_the_servers() {
    let backend = WriteOnly::new(true, 2);
    let all = over(&backend, Arc::new(backend.inner.clone()), Quorum::All);
    let published = all.publish(vec![record("a", "1"), record("a", "2")]).await.unwrap();
    published.wait_until_visible().await.unwrap();
    published.withdraw().await.unwrap();
    assert_eq!((backend.inner.record_sets(), backend.lies.load(SeqCst), all.orphans()), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_no_server_can_be_asked_for_is_not_called_withdrawn() {
    let backend = WriteOnly::new(true, 0);
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
async fn a_backend_that_is_trusted_is_enough() {
    let backend = WriteOnly::new(true, 0);
    let mut options = ChallengeOptions { quorum: Quorum::TrustBackend, ..ChallengeOptions::default() };
    options.first_look_after = Duration::from_secs(30);
    let all = Challenges::new(backend.clone(), Arc::new(Unreachable), Arc::new(SystemClock), options);
    let start = tokio::time::Instant::now();
    let published = all.publish(vec![record("a", "1"), record("b", "2")]).await.unwrap();
    let sightings = published.wait_until_visible().await.unwrap();
    assert_eq!(start.elapsed(), Duration::from_secs(30));
    assert!(sightings.len() == 2 && sightings.iter().all(|sighting| sighting.servers.is_empty()));
    published.withdraw().await.unwrap();
    assert_eq!((backend.inner.record_sets(), all.orphans()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_trusted_backend_that_refuses_a_removal_has_not_made_it() {
    let backend = Arc::new(Scripted { forbidden: Some(record("b", "2").name), ..Scripted::new() });
    let trusting = ChallengeOptions { quorum: Quorum::TrustBackend, ..ChallengeOptions::default() };
    let blind = Arc::new(Blind(backend.clone()));
    let all = Challenges::new(blind, Arc::new(Unreachable), Arc::new(SystemClock), trusting);
    let records = [record("a", "1"), record("b", "2")];
    for record in &records {
        let stored = backend.inner.add_txt(&record.zone, &record.name, &record.value, Ttl::CHALLENGE);
        stored.await.unwrap();
    }
    let error = all.withdraw(&records).await.unwrap_err();
    assert_eq!(error.unfinished().iter().map(|left| &left.record).collect::<Vec<_>>(), [&records[1]]);
    assert_eq!(backend.inner.record_sets(), 1);
}

/// A backend that cannot be read.
#[derive(Debug)]
struct Blind(Arc<Scripted>);

#[async_trait]
impl DnsBackend for Blind {
    async fn apply(&self, zone: &DomainName, changes: &[Change]) -> Result<(), BackendError> {
        self.0.apply(zone, changes).await
    }

    async fn read(
        &self,
        _: &DomainName,
        _: &DomainName,
        _: RecordType,
    ) -> Result<Option<RecordSet>, BackendError> {
        panic!("nobody reads what cannot be read")
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { reads: false, ..self.0.capabilities() }
    }
}

#[tokio::test]
async fn a_service_that_removes_nothing_is_not_asked_to() {
    let backend = WriteOnly::new(false, 0);
    let all = over(&backend, Arc::new(backend.inner.clone()), Quorum::All);
    let published = all.publish(vec![record("a", "1")]).await.unwrap();
    published.wait_until_visible().await.unwrap();
    published.withdraw().await.unwrap();
    drop(all.adopt(vec![record("a", "2")]));
    assert_eq!(all.sweep().await.unwrap(), 1);
    assert_eq!((backend.inner.record_sets(), all.orphans()), (1, 0));
}
