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
mod histories;
mod poor_services;

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

#[test]
fn all_of_it_can_go_to_another_task() {
    fn is_send<T: Send>(_: T) {}
    let all = challenges(&Arc::new(Scripted::new()));
    is_send(all.publish(vec![]));
    is_send(all.withdraw(&[]));
    is_send(all.sweep());
    let guard = all.adopt(vec![]);
    is_send(guard.wait_until_visible());
    is_send(guard.withdraw());
}

#[tokio::test]
async fn published_seen_withdrawn() {
    let backend = Arc::new(Scripted::new());
    let all = challenges(&backend);
    let records = vec![record("a", "1"), record("a", "2"), record("b", "3"), record("a", "1")];
    let published = all.publish(records).await.unwrap();
    assert_eq!(published.records().len(), 3, "the same record twice is one");
    assert_eq!(published.wait_until_visible().await.unwrap().len(), 3);
    assert_eq!(backend.inner.record_sets(), 2);
    published.withdraw().await.unwrap();
    assert_eq!((backend.inner.record_sets(), all.orphans()), (0, 0));
    assert_eq!(*backend.applied.lock().unwrap(), [3, 3]);
}

#[tokio::test]
async fn changes_are_made_in_batches() {
    let backend = Arc::new(Scripted { max_changes: 10, ..Scripted::new() });
    let records =
        (0..25).map(|number| record("a", &number.to_string())).chain([record_in("other.test", "a", "1")]);
    let published = challenges(&backend).publish(records.collect()).await.unwrap();
    let mut calls = backend.applied.lock().unwrap().clone();
    calls.sort_unstable();
    assert_eq!(calls, [1, 5, 10, 10]);
    published.withdraw().await.unwrap();
    assert_eq!(backend.inner.record_sets(), 0);
}

#[tokio::test]
async fn a_dropped_guard_leaves_orphans_to_the_sweep() {
    let backend = Arc::new(Scripted::new());
    let all = challenges(&backend);
    drop(all.publish(vec![record("a", "1"), record("b", "2")]).await.unwrap());
    assert_eq!((backend.inner.record_sets(), all.orphans()), (2, 2));
    assert_eq!(all.sweep().await.unwrap(), 2);
    assert_eq!((backend.inner.record_sets(), all.orphans()), (0, 0));
    assert_eq!(all.sweep().await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_publication_leaves_orphans() {
    let backend = Arc::new(Scripted::failing(&[Fault::Hang]));
    let all = challenges(&backend);
    let cancelled = timeout(&SystemClock, Duration::from_secs(1), all.publish(vec![record("a", "1")])).await;
    assert!(cancelled.is_err());
    assert_eq!((backend.inner.record_sets(), all.orphans()), (1, 1));
    assert_eq!(all.sweep().await.unwrap(), 0);
    assert_eq!((backend.inner.record_sets(), all.orphans()), (0, 1), "it may come yet");
    // And so it does.
    let (name, value, ttl) = (record("a", "1").name, "1".parse().unwrap(), crate::Ttl::CHALLENGE);
    backend
        .inner
        .apply(&"fleet.test".parse().unwrap(), &[Change::AddTxt { name, value, ttl }])
        .await
        .unwrap();
    late_changes_are_made().await;
    assert_eq!(all.sweep().await.unwrap(), 1);
    assert_eq!((backend.inner.record_sets(), all.orphans()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_is_withdrawn_soon_after_a_try_that_failed_is_withdrawn_again() {
    let unavailable = Fault::Error(BackendErrorKind::Unavailable);
    let backend = Arc::new(Scripted::failing(&[unavailable]));
    let all = challenges(&backend);
    let published = all.publish(vec![record("a", "1")]).await.unwrap();
    let start = tokio::time::Instant::now();
    published.withdraw().await.unwrap();
    let late = ChallengeOptions::default().late_changes_within;
    assert!(start.elapsed() > late - Duration::from_secs(1) && start.elapsed() <= late);
    // A try that failed, one that did not, and two removals.
    assert_eq!((backend.calls(), backend.inner.record_sets(), all.orphans()), (4, 0, 0));

    // A withdrawal that is cut short leaves the rest to a sweep.
    *backend.faults.lock().unwrap() = vec![unavailable];
    let published = all.publish(vec![record("a", "1")]).await.unwrap();
    assert!(timeout(&SystemClock, Duration::from_secs(1), published.withdraw()).await.is_err());
    assert_eq!((backend.inner.record_sets(), all.orphans(), all.records_out()[0].records), (0, 1, 1));
    late_changes_are_made().await;
    assert_eq!((all.sweep().await.unwrap(), all.records_out().len()), (1, 0));

    // After that time nothing is in doubt any more.
    *backend.faults.lock().unwrap() = vec![unavailable];
    let published = all.publish(vec![record("a", "1")]).await.unwrap();
    late_changes_are_made().await;
    let start = tokio::time::Instant::now();
    published.withdraw().await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(1));
    assert_eq!((backend.inner.record_sets(), all.orphans()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_publication_that_fails_half_way_leaves_orphans() {
    let backend = Arc::new(Scripted { max_changes: 1, ..Scripted::new() });
    *backend.faults.lock().unwrap() = vec![Fault::Error(BackendErrorKind::Refused), Fault::Lie];
    let all = challenges(&backend);
    let error = all.publish(vec![record("a", "1"), record("b", "2")]).await.unwrap_err();
    assert_eq!(error.kind(), ChallengeErrorKind::NotPublished);
    assert_eq!(error.backend_error().unwrap().kind(), BackendErrorKind::Refused);
    assert_eq!(error.retry_after(), None);
    assert_eq!(all.orphans(), 2);
    late_changes_are_made().await;
    assert_eq!(all.sweep().await.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_cannot_now_is_asked_again() {
    let unavailable = Fault::Error(BackendErrorKind::Unavailable);
    let backend = Arc::new(Scripted::failing(&[unavailable, Fault::Error(BackendErrorKind::Quota)]));
    let all = challenges(&backend);
    let published = all.publish(vec![record("a", "1")]).await.unwrap();
    assert_eq!(backend.calls(), 3);

    *backend.faults.lock().unwrap() = vec![unavailable; 1000];
    let error = all.publish(vec![record("b", "2")]).await.unwrap_err();
    assert_eq!(error.backend_error().unwrap().kind(), BackendErrorKind::Unavailable);
    let error = published.withdraw().await.unwrap_err();
    assert_eq!(error.kind(), ChallengeErrorKind::NotWithdrawn);
    assert_eq!(error.unfinished()[0].record.value, "1".parse().unwrap());
    // The value at `b` never came to be, but nobody can know that of a server that did not answer.
    assert_eq!(all.orphans(), 2);

    backend.faults.lock().unwrap().clear();
    late_changes_are_made().await;
    assert_eq!(all.sweep().await.unwrap(), 2);
    assert_eq!((backend.inner.record_sets(), all.orphans()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_withdrawal_is_proved_by_reading() {
    let backend = Arc::new(Scripted::new());
    let all = challenges(&backend);
    let published = all.publish(vec![record("a", "1")]).await.unwrap();
    *backend.faults.lock().unwrap() = vec![Fault::Lie; 3];
    published.withdraw().await.unwrap();
    assert_eq!((backend.inner.record_sets(), backend.calls()), (0, 5));
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_withdrawal_leaves_orphans() {
    let backend = Arc::new(Scripted { removals: Semaphore::new(0), ..Scripted::new() });
    let all = challenges(&backend);
    let published = all.publish(vec![record("a", "1")]).await.unwrap();
    assert!(timeout(&SystemClock, Duration::from_secs(1), published.withdraw()).await.is_err());
    assert_eq!(all.orphans(), 1);
    let error = all.sweep().await.unwrap_err();
    assert_eq!((error.kind(), error.retry_after()), (ChallengeErrorKind::NotWithdrawn, Some(Duration::ZERO)));
    assert_eq!(all.orphans(), 1);
    backend.removals.add_permits(1);
    assert_eq!(all.sweep().await.unwrap(), 1);
}

#[tokio::test]
async fn one_record_that_cannot_be_withdrawn_does_not_keep_the_others() {
    let mut scripted = Scripted::new();
    scripted.forbidden = Some(record("b", "2").name);
    let backend = Arc::new(scripted);
    let all = challenges(&backend);
    let records = vec![record("a", "1"), record("b", "2"), record("c", "3")];
    for record in &records {
        let (name, value, ttl) = (record.name.clone(), record.value.clone(), crate::Ttl::CHALLENGE);
        backend.inner.apply(&record.zone, &[Change::AddTxt { name, value, ttl }]).await.unwrap();
    }
    drop(all.adopt(records));
    let error = all.sweep().await.unwrap_err();
    assert_eq!(error.unfinished().len(), 1);
    assert_eq!(error.to_string().matches("_acme-challenge.b.fleet.test").count(), 1, "{error}");
    assert_eq!((backend.inner.record_sets(), all.orphans()), (1, 1));
}

#[tokio::test]
async fn a_name_outside_its_zone_is_never_published() {
    let all = challenges(&Arc::new(Scripted::new()));
    let stray = ChallengeRecord { zone: name("other.test"), ..record("a", "1") };
    let error = all.publish(vec![record("a", "1"), stray.clone()]).await.unwrap_err();
    assert_eq!(error.backend_error().unwrap().kind(), BackendErrorKind::NotInZone);
    assert_eq!(all.orphans(), 0);
    all.withdraw(&[stray]).await.unwrap();
}

#[tokio::test]
async fn what_a_journal_knows_is_taken_over_and_withdrawn() {
    let backend = Arc::new(Scripted::new());
    let before = challenges(&backend);
    let published = before.publish(vec![record("a", "1")]).await.unwrap();
    std::mem::forget(published); // as a crash does

    let all = challenges(&backend);
    let adopted: Published = all.adopt(vec![record("a", "1")]);
    assert_eq!(adopted.wait_until_visible().await.unwrap().len(), 1);
    drop(adopted);
    assert_eq!(all.orphans(), 1);
    all.withdraw(&[record("a", "1")]).await.unwrap();
    all.withdraw(&[record("a", "1")]).await.unwrap();
    assert_eq!((backend.inner.record_sets(), all.orphans()), (0, 0));
}

#[tokio::test]
async fn the_last_of_two_guards_withdraws() {
    let backend = Arc::new(Scripted::new());
    let all = challenges(&backend);
    let old = all.publish(vec![record("a", "1")]).await.unwrap();
    let new = all.adopt(vec![record("a", "1")]);
    let newest = all.adopt(vec![record("a", "1")]);
    drop(old);
    assert_eq!(all.orphans(), 0);
    new.withdraw().await.unwrap();
    assert_eq!(backend.inner.record_sets(), 1);
    newest.withdraw().await.unwrap();
    assert_eq!(backend.inner.record_sets(), 0);
}

#[tokio::test]
async fn a_withdrawal_gives_back_what_was_taken_up_again() {
    let backend = Arc::new(Scripted { removals: Semaphore::new(0), ..Scripted::new() });
    let all = challenges(&backend);
    let old = all.publish(vec![record("a", "1"), record("b", "2")]).await.unwrap();
    let withdrawing = tokio::spawn(old.withdraw());
    while backend.calls() < 2 {
        tokio::task::yield_now().await;
    }
    let taken_up = all.adopt(vec![record("a", "1")]);
    backend.removals.add_permits(100);
    withdrawing.await.unwrap().unwrap();
    assert_eq!((backend.inner.record_sets(), all.orphans()), (1, 0));
    taken_up.wait_until_visible().await.unwrap();
    taken_up.withdraw().await.unwrap();
    assert_eq!(backend.inner.record_sets(), 0);
}

#[tokio::test]
async fn all_names_of_all_orders_are_one_call_for_each_zone() {
    let backend = Arc::new(Scripted::new());
    let all = challenges(&backend);
    let of_zone =
        |zone: &'static str| (0..300).map(move |number| record_in(zone, &format!("d{number}"), "1"));
    let published = all.publish(of_zone("fleet.test").chain(of_zone("other.test")).collect()).await.unwrap();
    assert_eq!(published.wait_until_visible().await.unwrap().len(), 600);
    published.withdraw().await.unwrap();
    assert_eq!(*backend.applied.lock().unwrap(), [300, 300, 300, 300]);
    assert_eq!(backend.inner.record_sets(), 0);
}

#[tokio::test]
async fn a_sweep_gives_back_what_was_taken_up_again() {
    let backend = Arc::new(Scripted { removals: Semaphore::new(0), ..Scripted::new() });
    let all = challenges(&backend);
    drop(all.publish(vec![record("a", "1"), record("b", "2")]).await.unwrap());
    let sweep = tokio::spawn({
        let all = all.clone();
        async move { all.sweep().await }
    });
    while backend.calls() < 2 {
        tokio::task::yield_now().await;
    }
    let taken_up = all.adopt(vec![record("a", "1")]);
    backend.removals.add_permits(100);
    sweep.await.unwrap().unwrap();
    assert_eq!((backend.inner.record_sets(), all.orphans()), (1, 0));
    taken_up.wait_until_visible().await.unwrap();
    taken_up.withdraw().await.unwrap();
    assert_eq!(backend.inner.record_sets(), 0);
}

/// Shows a value after so many looks, on one server; another shows it at once.
#[derive(Debug, Default)]
struct Lagging {
    looks: Mutex<BTreeMap<DomainName, usize>>,
    shows_after: usize,
    under_way: AtomicUsize,
    most_under_way: AtomicUsize,
}

#[async_trait]
impl Visibility for Lagging {
    async fn look(&self, _: &DomainName, name: &DomainName, _: &TxtValue) -> Result<Sighting, BackendError> {
        let now = self.under_way.fetch_add(1, SeqCst) + 1;
        self.most_under_way.fetch_max(now, SeqCst);
        SystemClock.sleep(Duration::from_millis(10)).await;
        self.under_way.fetch_sub(1, SeqCst);
        let looks =
            *self.looks.lock().unwrap().entry(name.clone()).and_modify(|looks| *looks += 1).or_insert(1);
        let second = if looks > self.shows_after { Verdict::Seen } else { Verdict::NotSeen };
        let server = |server: &str, verdict| ServerVerdict { server: server.to_owned(), verdict };
        Ok(Sighting { servers: vec![server("one", Verdict::Seen), server("two", second)] })
    }
}

fn seen_by(visibility: Arc<dyn Visibility>, options: ChallengeOptions) -> Challenges {
    Challenges::new(Arc::new(Scripted::new()), visibility, Arc::new(SystemClock), options)
}

fn forty() -> Vec<ChallengeRecord> {
    (0..40).map(|number| record(&format!("d{number}"), "1")).collect()
}

#[tokio::test(start_paused = true)]
async fn many_records_are_looked_at_side_by_side_until_all_are_seen() {
    let servers = Arc::new(Lagging { shows_after: 3, ..Lagging::default() });
    let all = seen_by(servers.clone(), ChallengeOptions::default());
    let start = tokio::time::Instant::now();
    let published = all.publish(forty()).await.unwrap();
    assert_eq!(published.wait_until_visible().await.unwrap().len(), 40);
    assert!(servers.looks.lock().unwrap().values().all(|looks| *looks == 4));
    assert_eq!(servers.most_under_way.load(SeqCst), 16);
    // Four rounds of three times 10 ms, and pauses of 100, 200 and 400 ms.
    assert_eq!(start.elapsed().as_millis(), 4 * 30 + 700);
    published.withdraw().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_value_that_is_not_seen_in_time_is_told_with_the_last_sighting() {
    let servers = Arc::new(Lagging { shows_after: usize::MAX, ..Lagging::default() });
    let all = seen_by(servers.clone(), ChallengeOptions::default());
    let published = all.publish(vec![record("a", "1")]).await.unwrap();
    let start = tokio::time::Instant::now();
    let error = published.wait_until_visible().await.unwrap_err();
    assert_eq!(start.elapsed(), Duration::from_secs(120));
    assert_eq!(error.kind(), ChallengeErrorKind::NotVisible);
    assert_eq!(
        error.to_string(),
        "the challenge record at _acme-challenge.a.fleet.test is not visible on the servers of the zone; \
         _acme-challenge.a.fleet.test at one: seen, two: not there"
    );
    published.withdraw().await.unwrap();

    let options = ChallengeOptions { quorum: Quorum::AtLeastOne, ..ChallengeOptions::default() };
    let published = seen_by(servers, options).publish(vec![record("a", "1")]).await.unwrap();
    published.wait_until_visible().await.unwrap();
    published.withdraw().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_expired_record_is_not_waited_for() {
    let servers = Arc::new(Lagging { shows_after: usize::MAX, ..Lagging::default() });
    let all = seen_by(servers, ChallengeOptions::default());
    let expired = ChallengeRecord { expires: SystemTime::UNIX_EPOCH, ..record("a", "1") };
    let published = all.publish(vec![expired]).await.unwrap();
    let start = tokio::time::Instant::now();
    assert!(published.wait_until_visible().await.is_err());
    assert!(start.elapsed() < Duration::from_millis(50));
    published.withdraw().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_look_that_cannot_succeed_ends_the_wait() {
    let nothing = Arc::new(MemoryBackend::new([]));
    let all = seen_by(nothing, ChallengeOptions::default());
    let published = all.publish(vec![record("a", "1")]).await.unwrap();
    let start = tokio::time::Instant::now();
    let error = published.wait_until_visible().await.unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(1));
    assert_eq!(error.backend_error().unwrap().operation(), Operation::Look);
    published.withdraw().await.unwrap();
}
