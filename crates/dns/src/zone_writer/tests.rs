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
use crate::conformance::{Subject, check};
use crate::{DnsBackendExt, MemoryBackend, Ttl, TxtValue};

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

#[tokio::test]
async fn the_first_call_goes_at_once_and_the_others_together() {
    let stage = Stage::new(scripted());
    let calls = (0..64).map(|number| stage.call(vec![add(&format!("n{number}"), "1")]));
    let results = stage.run(join_all(calls)).await;
    assert!(results.iter().all(Result::is_ok));
    assert_eq!(stage.sizes(), [1, 63]);
    assert_eq!(stage.elapsed(), 2 * TAKES + GATHER);
    assert_eq!(stage.writer.backend().inner.record_sets(), 64);
}

#[tokio::test]
async fn who_comes_back_at_once_is_waited_for() {
    let stage = Stage::new(scripted());
    // Each comes back a millisecond after its result.
    let task = async |number: usize| {
        for round in 0..4 {
            stage.call(vec![add(&format!("n{number}"), &round.to_string())]).await.unwrap();
            stage.clock.sleep(Duration::from_millis(1)).await;
        }
    };
    stage.run(join_all((0..16).map(task))).await;
    assert_eq!(stage.sizes(), [1, 16, 16, 16, 15]);
}

#[tokio::test]
async fn who_does_not_come_back_is_not_waited_for_long() {
    let stage = Stage::new(scripted());
    stage.run(join_all((0..16).map(|number| stage.call(vec![add(&format!("n{number}"), "1")])))).await;
    let before = stage.elapsed();
    stage.run(stage.call(vec![add("n0", "2")])).await.unwrap();
    assert_eq!(stage.elapsed() - before, TAKES + GATHER);

    // One after the other is never waited for.
    let before = stage.elapsed();
    stage.run(stage.call(vec![add("n0", "3")])).await.unwrap();
    assert_eq!(stage.elapsed() - before, TAKES);
}

#[tokio::test]
async fn a_second_batch_goes_only_when_it_is_full() {
    let stage = Stage::with(Scripted { max_changes: 4, ..scripted() }, two_at_a_time());
    let calls = (0..6)
        .map(|number| stage.call(vec![add(&format!("n{number}"), "1"), add(&format!("n{number}"), "2")]));
    let results = stage.run(join_all(calls)).await;
    assert!(results.iter().all(Result::is_ok));
    // The first and a full one; a full one, while what is left waits; what is left.
    assert_eq!(stage.sizes(), [2, 4, 4, 2]);
    assert_eq!(stage.elapsed(), 3 * TAKES + GATHER);

    let one_at_a_time = ZoneWriterOptions { batches_in_flight: 1, ..ZoneWriterOptions::default() };
    let stage = Stage::with(Scripted { max_changes: 2, ..scripted() }, one_at_a_time);
    stage.run(join_all((0..5).map(|number| stage.call(vec![add(&format!("n{number}"), "1")])))).await;
    assert_eq!(stage.sizes(), [1, 2, 2]);
    assert_eq!(stage.elapsed(), 3 * TAKES);

    // A list is never cut: two of three changes do not fit into five.
    let stage = Stage::new(Scripted { max_changes: 5, ..scripted() });
    let three = |number| (0..3).map(move |part| add(&format!("n{number}-{part}"), "1")).collect();
    stage.run(join_all((0..4).map(|number| stage.call(three(number))))).await;
    assert_eq!(stage.sizes(), [3; 4]);
}

#[tokio::test]
async fn octets_bound_a_batch() {
    let options = ZoneWriterOptions { max_octets: 4000, ..ZoneWriterOptions::default() };
    let stage = Stage::with(scripted(), options);
    let long = TxtValue::new(&[b'a'; TxtValue::MAX_LEN]).unwrap();
    let calls = (0..7).map(|number| {
        let change =
            Change::AddTxt { name: name(&format!("n{number}")), value: long.clone(), ttl: Ttl::CHALLENGE };
        stage.call(vec![change])
    });
    stage.run(join_all(calls)).await;
    assert_eq!(stage.sizes(), [1, 3, 3]);
}

#[tokio::test]
async fn only_the_guilty_fail() {
    for kind in [
        BackendErrorKind::Refused,
        BackendErrorKind::InvalidInput,
        BackendErrorKind::NotInZone,
        BackendErrorKind::Conflict,
        BackendErrorKind::Quota,
    ] {
        let forbidden = [name("n7"), name("n20")].into();
        let stage = Stage::new(Scripted { forbidden, forbidden_kind: kind, ..scripted() });
        let calls = (0..33).map(|number| stage.call(vec![add(&format!("n{number}"), "1")]));
        let results = stage.run(join_all(calls)).await;
        let guilty: Vec<_> = (0..33)
            .filter(|number| results[*number].as_ref().is_err_and(|error| error.kind() == kind))
            .collect();
        assert_eq!(guilty, [7, 20], "{kind:?}");
        assert_eq!(stage.writer.backend().inner.record_sets(), 31);
        // 32 in one, and then twice five halvings, one of which both share.
        assert_eq!(stage.sizes().len(), 1 + 1 + 2 * (1 + 4 + 4), "{:?}", stage.sizes());
    }
}

#[tokio::test]
async fn what_is_wrong_on_the_face_of_it_is_not_sent() {
    let stage = Stage::new(Scripted { max_changes: 2, ..scripted() });
    let stray = Change::RemoveTxt { name: "a.other.test".parse().unwrap(), value: "1".parse().unwrap() };
    let error = stage.run(stage.call(vec![stray])).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::NotInZone);
    let error = stage.run(stage.call(vec![add("a", "1"); 3])).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::InvalidInput);
    stage.run(stage.call(Vec::new())).await.unwrap();
    assert!(stage.sizes().is_empty());
}

#[tokio::test]
async fn what_the_server_refuses_to_all_is_told_to_all_and_not_split() {
    for kind in [BackendErrorKind::Unauthenticated, BackendErrorKind::Unavailable] {
        let failures = Mutex::new(vec![(kind, None); 2]);
        let stage = Stage::new(Scripted { failures, ..scripted() });
        let results =
            stage.run(join_all((0..8).map(|number| stage.call(vec![add(&format!("n{number}"), "1")])))).await;
        assert_eq!(kinds(&results), [Some(kind); 8]);
        assert_eq!(stage.sizes(), [1, 7]);
        assert!(results[7].as_ref().unwrap_err().to_string().contains("as the test wants"));
    }
}

#[tokio::test]
async fn a_split_ends_when_the_server_is_gone() {
    let failures = [(BackendErrorKind::Unavailable, None), (BackendErrorKind::Refused, None)];
    let stage = Stage::new(Scripted { failures: Mutex::new(failures.to_vec()), ..scripted() });
    let mut first = stage.call(vec![add("first", "1")]);
    assert!(poll_once(&mut first).is_pending());
    stage.writer.backend().failures.lock().unwrap().clear();
    let others = (0..8).map(|number| stage.call(vec![add(&format!("n{number}"), "1")]));
    let script = async {
        let result = first.await;
        stage.writer.backend().failures.lock().unwrap().extend(failures);
        result
    };
    let (result, results) = stage.run(async { tokio::join!(script, join_all(others)) }).await;
    result.unwrap();
    assert_eq!(kinds(&results), [Some(BackendErrorKind::Unavailable); 8]);
    assert_eq!(stage.sizes(), [1, 8, 4]);
}

#[tokio::test]
async fn it_rests_longer_after_each_failure_and_not_after_a_success() {
    let failures = Mutex::new(vec![(BackendErrorKind::Unavailable, None); 10]);
    let stage = Stage::new(Scripted { failures, ..scripted() });
    let mut waits = Vec::new();
    for _ in 0..12 {
        let before = stage.elapsed();
        let _ = stage.run(stage.call(vec![add("a", "1")])).await;
        waits.push((stage.elapsed() - before - TAKES).as_millis());
    }
    assert_eq!(waits, [0, 10, 20, 40, 80, 160, 320, 640, 1000, 1000, 1000, 0]);
}

#[tokio::test]
async fn after_a_failure_one_batch_goes_at_a_time() {
    let failures = Mutex::new(vec![(BackendErrorKind::Unavailable, None)]);
    let stage = Stage::with(Scripted { failures, max_changes: 1, ..scripted() }, two_at_a_time());
    let results =
        stage.run(join_all((0..5).map(|number| stage.call(vec![add(&format!("n{number}"), "1")])))).await;
    assert_eq!(results.iter().filter(|result| result.is_err()).count(), 1);
    // Two at once; a rest of 10 ms; the second's success ends it, and two go at once again.
    assert_eq!(stage.sizes(), [1; 5]);
    assert_eq!(stage.elapsed(), 3 * TAKES);
}

#[tokio::test]
async fn a_server_that_wants_to_be_left_alone_is() {
    let minute = Duration::from_secs(60);
    let failures = Mutex::new(vec![(BackendErrorKind::Quota, Some(minute))]);
    let stage = Stage::new(Scripted { failures, ..scripted() });
    let results =
        stage.run(join_all((0..3).map(|number| stage.call(vec![add(&format!("n{number}"), "1")])))).await;
    assert_eq!(kinds(&results), [Some(BackendErrorKind::Quota); 3]);
    stage.clock.advance(Duration::from_secs(20));
    let error = stage.run(stage.call(vec![add("a", "1")])).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.retry_after()),
        (BackendErrorKind::Quota, Some(minute - Duration::from_secs(20)))
    );
    assert_eq!(stage.sizes(), [1]);
    stage.clock.advance(Duration::from_secs(40));
    stage.run(stage.call(vec![add("a", "1")])).await.unwrap();
    assert_eq!(stage.sizes(), [1, 1]);
}

#[tokio::test]
async fn a_short_time_to_wait_is_waited_for() {
    let failures = Mutex::new(vec![(BackendErrorKind::Quota, Some(Duration::from_millis(300)))]);
    let stage = Stage::new(Scripted { failures, ..scripted() });
    let results =
        stage.run(join_all((0..3).map(|number| stage.call(vec![add(&format!("n{number}"), "1")])))).await;
    assert_eq!(kinds(&results), [Some(BackendErrorKind::Quota), None, None]);
    assert_eq!(stage.elapsed(), 2 * TAKES + Duration::from_millis(300));
}

#[tokio::test]
async fn a_dropped_call_takes_no_others_with_it() {
    let stage =
        Stage::with(scripted(), ZoneWriterOptions { gather: Duration::ZERO, ..ZoneWriterOptions::default() });
    let mut first = stage.call(vec![add("first", "1")]);
    assert!(poll_once(&mut first).is_pending());
    let mut others: Vec<_> = (0..8).map(|number| stage.call(vec![add(&format!("n{number}"), "1")])).collect();
    for other in &mut others {
        assert!(poll_once(other).is_pending());
    }
    // The first one drives its own batch. It is dropped in the middle, and so are a waiting one and, later, one of
    // the batch that is under way.
    stage.clock.advance(TAKES / 2);
    drop(first);
    drop(others.remove(3));
    stage.clock.advance(TAKES / 2);
    assert!(poll_once(&mut others[0]).is_pending());
    assert_eq!(stage.sizes(), [1, 7]);
    drop(others.remove(0));
    let results = stage.run(join_all(others)).await;
    assert!(results.iter().all(Result::is_ok));
    // Nothing was sent again. The call that waited was never made; the one under way was.
    assert_eq!(stage.sizes(), [1, 7]);
    assert_eq!((stage.values("first").await, stage.values("n3").await, stage.values("n0").await), (1, 0, 1));
}

#[tokio::test]
async fn a_call_that_nobody_polls_holds_nobody_up() {
    let stage = Stage::new(scripted());
    let mut first = stage.call(vec![add("first", "1")]);
    let mut second = stage.call(vec![add("second", "1")]);
    assert!(poll_once(&mut first).is_pending() && poll_once(&mut second).is_pending());
    // `first` has the batch under way; whoever holds it does something else.
    stage.run(stage.call(vec![add("third", "1")])).await.unwrap();
    assert_eq!(stage.sizes(), [1, 2]);
    assert!(poll_once(&mut first).is_ready() && poll_once(&mut second).is_ready());
}

#[tokio::test]
async fn when_nobody_waits_what_is_under_way_is_given_up() {
    let stage = Stage::new(scripted());
    let mut first = stage.call(vec![add("a", "1")]);
    let mut second = stage.call(vec![add("b", "1")]);
    assert!(poll_once(&mut first).is_pending() && poll_once(&mut second).is_pending());
    drop((first, second));
    stage.clock.advance(10 * TAKES);
    stage.run(stage.call(vec![remove("a", "1"), add("c", "1")])).await.unwrap();
    assert_eq!(stage.sizes(), [1, 2]);
    assert_eq!(stage.writer.backend().inner.record_sets(), 1);
    let lanes = stage.writer.lanes.lock().unwrap();
    assert!(lanes.values().all(|lane| !lane.is_needed(stage.clock.now())));
}

#[tokio::test]
async fn the_queue_is_bounded() {
    let options = ZoneWriterOptions { max_waiting: 4, ..ZoneWriterOptions::default() };
    let stage = Stage::with(scripted(), options);
    let mut first = stage.call(vec![add("first", "1")]);
    assert!(poll_once(&mut first).is_pending());
    // An empty queue takes a list that is longer than it.
    let mut long = stage.call((0..6).map(|number| add(&format!("n{number}"), "1")).collect());
    assert!(poll_once(&mut long).is_pending());
    let error = stage.run(stage.call(vec![add("late", "1")])).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.retry_after()),
        (BackendErrorKind::Quota, Some(Duration::from_millis(100)))
    );
    assert!(error.to_string().contains("6 changes of the zone wait already, and at most 4 may"), "{error}");
    // A dropped call makes room.
    drop(long);
    let results =
        stage.run(join_all((0..4).map(|number| stage.call(vec![add(&format!("n{number}"), "1")])))).await;
    assert!(results.iter().all(Result::is_ok));
    assert_eq!(stage.sizes(), [1, 4]);
}

#[tokio::test]
async fn the_same_change_is_sent_once() {
    let stage = Stage::new(scripted());
    let calls = [
        vec![add("first", "1")],
        vec![add("a", "1"), add("b", "1")],
        vec![add("a", "1"), add("a", "2")],
        vec![remove("b", "1"), add("a", "1")],
        vec![add("b", "1")],
    ];
    let results = stage.run(join_all(calls.map(|changes| stage.call(changes)))).await;
    assert!(results.iter().all(Result::is_ok));
    let merged = vec![add("a", "1"), add("b", "1"), add("a", "2"), remove("b", "1"), add("b", "1")];
    assert_eq!(stage.calls()[1], merged);
    assert_eq!((stage.values("a").await, stage.values("b").await), (2, 1));
}

#[tokio::test]
async fn a_list_by_itself_is_sent_as_it_is() {
    let stage = Stage::new(scripted());
    stage.run(stage.call(vec![add("a", "1"), add("a", "1")])).await.unwrap();
    assert_eq!(stage.sizes(), [2]);
}

#[tokio::test]
async fn changes_of_one_name_keep_their_order_over_batches() {
    let options = ZoneWriterOptions { batches_in_flight: 8, ..ZoneWriterOptions::default() };
    let stage = Stage::with(Scripted { max_changes: 1, ..scripted() }, options);
    let calls = [add("a", "1"), remove("a", "1"), add("b", "1"), add("a", "2"), remove("a", "2")];
    let results = stage.run(join_all(calls.map(|change| stage.call(vec![change])))).await;
    assert!(results.iter().all(Result::is_ok));
    let order: Vec<_> =
        stage.calls().concat().into_iter().filter(|change| *change.name() == name("a")).collect();
    assert_eq!(order, [add("a", "1"), remove("a", "1"), add("a", "2"), remove("a", "2")]);
    // `b` did not wait for them.
    assert_eq!(stage.calls()[1], [add("b", "1")]);
    assert_eq!(stage.elapsed(), 4 * TAKES);
}

#[tokio::test]
async fn zones_do_not_wait_for_each_other() {
    let other: DomainName = "other.test".parse().unwrap();
    let inner = MemoryBackend::new([&zone(), &other]);
    let stage = Stage::new(Scripted { inner, ..scripted() });
    let add_other = [Change::AddTxt {
        name: "a.other.test".parse().unwrap(),
        value: "1".parse().unwrap(),
        ttl: Ttl::CHALLENGE,
    }];
    let both =
        async { tokio::join!(stage.call(vec![add("a", "1")]), stage.writer.apply(&other, &add_other)) };
    let (one, two) = stage.run(both).await;
    one.and(two).unwrap();
    assert_eq!(stage.elapsed(), TAKES);
}

#[tokio::test]
async fn zones_that_nobody_waits_for_are_forgotten() {
    let zones: Vec<DomainName> =
        (0..3 * REMEMBERED_ZONES).map(|number| format!("z{number}.test").parse().unwrap()).collect();
    let clock = Arc::new(ManualClock::starting_at(SystemTime::UNIX_EPOCH));
    let writer = ZoneWriter::new(MemoryBackend::new(&zones), clock, ZoneWriterOptions::default());
    for zone in &zones {
        writer.add_txt(zone, zone, &"1".parse().unwrap(), Ttl::CHALLENGE).await.unwrap();
    }
    assert!(writer.lanes.lock().unwrap().len() <= REMEMBERED_ZONES);
}

#[tokio::test]
async fn a_panic_of_the_backend_is_told_to_the_others() {
    let stage =
        Stage::with(scripted(), ZoneWriterOptions { gather: Duration::ZERO, ..ZoneWriterOptions::default() });
    let mut first = stage.call(vec![add("first", "1")]);
    assert!(poll_once(&mut first).is_pending());
    let mut unlucky = stage.call(vec![add("panic", "1")]);
    let mut driver = stage.call(vec![add("a", "1")]);
    let mut later = stage.call(vec![add("first", "2")]);
    assert!(poll_once(&mut unlucky).is_pending() && poll_once(&mut driver).is_pending());
    stage.clock.advance(TAKES);
    let polled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| poll_once(&mut driver)));
    assert!(polled.is_err());
    let error = stage.run(unlucky).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Unavailable);
    assert!(error.to_string().contains("was given up"), "{error}");
    drop(driver);
    assert!(poll_once(&mut later).is_pending());
    stage.run(first).await.unwrap();
    stage.run(later).await.unwrap();
    assert_eq!(stage.values("first").await, 2);
}

#[tokio::test]
async fn what_is_not_changed_goes_through() {
    let stage = Stage::new(scripted());
    assert_eq!(stage.writer.advice(&zone()).await.unwrap()[0].finding, "It is scripted.");
    assert_eq!(stage.writer.capabilities(), stage.writer.backend().capabilities());
    assert!(format!("{:?}", stage.writer).starts_with("ZoneWriter { backend: Scripted"));
    // It can be used as `dyn`, and on top of a `dyn`.
    let dynamic: Arc<dyn DnsBackend> = Arc::new(MemoryBackend::new([&zone()]));
    let writer: Box<dyn DnsBackend> =
        Box::new(ZoneWriter::new(dynamic, Arc::new(stage.clock.clone()), ZoneWriterOptions::default()));
    writer.apply(&zone(), &[add("a", "1")]).await.unwrap();
}

#[tokio::test]
async fn it_conforms() {
    let backend = MemoryBackend::new([&zone()]);
    let writer = || {
        let clock = Arc::new(SystemClock);
        ZoneWriter::new(backend.clone(), clock, ZoneWriterOptions::default())
    };
    check(&Subject::new(writer, zone(), &SystemClock)).await.require_passed().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_threads_lose_nothing() {
    let backend = MemoryBackend::new([&zone()]);
    let writer = Arc::new(ZoneWriter::new(
        YieldsOnce(backend.clone()),
        Arc::new(SystemClock),
        ZoneWriterOptions { max_octets: 2000, ..ZoneWriterOptions::default() },
    ));
    let tasks: Vec<_> = (0..32)
        .map(|task| {
            let writer = writer.clone();
            tokio::spawn(async move {
                for round in 0..200 {
                    let (zone, name) = (zone(), name(&format!("n{task}-{}", round % 7)));
                    let value: TxtValue = round.to_string().parse().unwrap();
                    writer.add_txt(&zone, &name, &value, Ttl::CHALLENGE).await.unwrap();
                    if round % 5 == 0 {
                        // Dropped wherever it stands.
                        let again = writer.add_txt(&zone, &name, &value, Ttl::CHALLENGE);
                        let _ = tokio::time::timeout(Duration::from_micros(round), again).await;
                    }
                    assert!(writer.texts(&zone, &name).await.unwrap().contains(&value));
                    writer.remove_txt(&zone, &name, &value).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(backend.record_sets(), 0);
    let lanes = writer.lanes.lock().unwrap();
    assert!(lanes.values().all(|lane| lane.is_idle()));
}

/// Answers after the executor had a turn, so that calls really meet.
#[derive(Debug)]
struct YieldsOnce(MemoryBackend);

#[async_trait]
impl DnsBackend for YieldsOnce {
    async fn apply(&self, zone: &DomainName, changes: &[Change]) -> Result<(), BackendError> {
        tokio::task::yield_now().await;
        self.0.apply(zone, changes).await
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
        self.0.capabilities()
    }
}
