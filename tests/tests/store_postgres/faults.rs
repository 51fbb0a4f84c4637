//! The server goes, a connection breaks, a call is dropped: what was acknowledged is there, and nothing in half.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;
use std::time::{Duration, SystemTime};

use fleetcert_store::{Expect, Store, StoreErrorKind, Transaction, Version};
use fleetcert_store_postgres::PostgresStore;
use fleetcert_tests::postgres::Postgres;
use fleetcert_tests::{Deadline, Process};

use crate::{THINGS, TIMEOUT, connect, number, options, put};

/// For what is to end before a lock is free that is held for ten minutes. To connect has this time too.
const SHORT_TIMEOUT: Duration = Duration::from_secs(20);

/// The same number in two records.
fn pair(task: usize, number: u64) -> Transaction {
    let value = number.to_string().into_bytes();
    [format!("{task}/left"), format!("{task}/right")]
        .into_iter()
        .fold(Transaction::new(), |transaction, key| {
            transaction.put(THINGS, key, Expect::Any, value.clone(), None)
        })
}

async fn read_pair(store: &dyn Store, task: usize) -> (u64, Version) {
    let left = store.read(THINGS, &format!("{task}/left")).await.unwrap().unwrap();
    let right = store.read(THINGS, &format!("{task}/right")).await.unwrap().unwrap();
    assert_eq!((&left.value, left.version), (&right.value, right.version), "a transaction was made in half");
    (number(&left.value), left.version)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_crash_loses_nothing_that_was_acknowledged() {
    const TASKS: usize = 8;
    let mut server = Postgres::start().unwrap();
    let store = Arc::new(connect(&server).await);
    let progress = Progress::of(TASKS);
    let writers: Vec<_> = (0..TASKS)
        .map(|task| {
            let (store, progress) = (Arc::clone(&store), progress.clone());
            tokio::spawn(async move {
                let (mut acknowledged, mut version) = (0, None);
                loop {
                    match store.commit(pair(task, acknowledged + 1)).await {
                        Ok(made) => (acknowledged, version) = (acknowledged + 1, Some(made)),
                        Err(error) => {
                            assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
                            return (acknowledged, version.unwrap());
                        }
                    }
                    progress.note(task);
                }
            })
        })
        .collect();
    progress.wait_for_another(40).await;
    server.crash().unwrap();
    let mut ended = Vec::new();
    for writer in writers {
        ended.push(writer.await.unwrap());
    }
    assert_eq!(store.read(THINGS, "0/left").await.unwrap_err().kind(), StoreErrorKind::Unavailable);

    server.start_again().unwrap();
    let mut newest = None;
    for (task, (acknowledged, version)) in ended.into_iter().enumerate() {
        let (found, found_version) = read_pair(&*store, task).await;
        // The one whose answer did not come may have been made.
        assert!((acknowledged..=acknowledged + 1).contains(&found), "{acknowledged} and {found}");
        assert_eq!(found == acknowledged, found_version == version);
        newest = newest.max(Some(found_version));
    }
    let next = store.commit(pair(0, 0)).await.unwrap();
    assert!(Some(next) > newest, "a version came again after the crash");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn cut_connections_are_replaced() {
    const TASKS: usize = 6;
    let server = Postgres::start().unwrap();
    let store = Arc::new(connect(&server).await);
    let (stop, progress) = (Arc::new(AtomicBool::new(false)), Progress::of(TASKS));
    let writers: Vec<_> = (0..TASKS)
        .map(|task| {
            let (store, stop, progress) = (Arc::clone(&store), Arc::clone(&stop), progress.clone());
            tokio::spawn(async move {
                // What the last acknowledged commit wrote, and those after it whose outcome is not known.
                let (mut acknowledged, mut next, mut cut) = (0, 1, 0);
                while !stop.load(Ordering::Relaxed) {
                    match store.commit(pair(task, next)).await {
                        Ok(_) => {
                            acknowledged = next;
                            progress.note(task);
                        }
                        Err(error) => {
                            assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
                            cut += 1;
                        }
                    }
                    next += 1;
                }
                (acknowledged, next, cut)
            })
        })
        .collect();
    for _ in 0..5 {
        progress.wait_for_another(1).await;
        let cut =
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'fleetcert'";
        // Those of the cut before may all still be on their way back.
        let deadline = Deadline::after(TIMEOUT);
        while server.psql(cut).unwrap().is_empty() {
            assert!(!deadline.has_passed(), "nobody comes back");
        }
    }
    progress.wait_for_another(1).await;
    stop.store(true, Ordering::Relaxed);
    let mut cuts = 0;
    for (task, writer) in writers.into_iter().enumerate() {
        let (acknowledged, next, cut) = writer.await.unwrap();
        assert!(acknowledged > 0, "no commit of a task was made");
        let (found, _) = read_pair(&*store, task).await;
        assert!(found >= acknowledged && found < next, "{acknowledged}, {found}, {next}");
        cuts += cut;
    }
    assert!(cuts > 0, "the connections of all were cut while they wrote");
}

/// What only reads does not notice it, however short ago the connection was used.
#[tokio::test]
async fn a_connection_that_was_cut_a_moment_ago_is_replaced_for_a_reader() {
    let server = Postgres::start().unwrap();
    let store = connect(&server).await;
    store.commit(put("a", Expect::Absent, "1")).await.unwrap();
    let cut =
        "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE application_name = 'fleetcert'";
    for _ in 0..3 {
        assert_eq!(server.psql(cut).unwrap(), ["t"]);
        assert_eq!(store.read(THINGS, "a").await.unwrap().unwrap().value, b"1");
        assert_eq!(server.psql(cut).unwrap(), ["t"]);
        assert_eq!(store.page(THINGS, None, 9).await.unwrap().len(), 1);
        assert_eq!(server.psql(cut).unwrap(), ["t"]);
        assert_eq!(store.count_due(THINGS, SystemTime::UNIX_EPOCH, 9).await.unwrap(), 0);
    }
}

/// How many commits each task has made.
#[derive(Clone)]
struct Progress(Arc<Vec<AtomicU64>>);

impl Progress {
    fn of(tasks: usize) -> Self {
        Self(Arc::new((0..tasks).map(|_| AtomicU64::new(0)).collect()))
    }

    fn note(&self, task: usize) {
        self.0[task].fetch_add(1, Ordering::Relaxed);
    }

    /// Waits until every task has made this many more.
    async fn wait_for_another(&self, number: u64) {
        let made = || self.0.iter().map(|made| made.load(Ordering::Relaxed));
        let wanted: Vec<u64> = made().map(|made| made + number).collect();
        let deadline = Deadline::after(TIMEOUT);
        while made().zip(&wanted).any(|(made, wanted)| made < *wanted) {
            assert!(!deadline.has_passed(), "{number} more each: {:?} of {wanted:?}", self.0);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

#[tokio::test]
async fn connections_that_went_while_idle_are_not_noticed() {
    let mut server = Postgres::start().unwrap();
    let store = connect(&server).await;
    let made = store.commit(put("a", Expect::Absent, "1")).await.unwrap();
    server.crash().unwrap();
    server.start_again().unwrap();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    // A commit is made once: what it gets has to work.
    store.commit(put("a", Expect::Version(made), "2")).await.unwrap();
    assert_eq!(store.read(THINGS, "a").await.unwrap().unwrap().value, b"2");
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_ended() {
    let server = Postgres::start().unwrap();
    let patient = connect(&server).await;
    // Due, so that it would be claimed.
    let due =
        Transaction::new().put(THINGS, "a", Expect::Absent, b"1".to_vec(), Some(SystemTime::UNIX_EPOCH));
    patient.commit(due).await.unwrap();
    let hurried = options(&server).with_statement_timeout(SHORT_TIMEOUT);
    let hurried = PostgresStore::connect(hurried).await.unwrap();
    let holder = hold_lock(&server);
    let refused = hurried.commit(put("a", Expect::Any, "2")).await.unwrap_err();
    assert_eq!(refused.kind(), StoreErrorKind::Unavailable, "{refused}");
    // A reader waits for nobody, and a claim passes over what is held.
    assert_eq!(patient.read(THINGS, "a").await.unwrap().unwrap().value, b"1");
    let (now, until) = (SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH);
    assert!(patient.claim(THINGS, now, until, 9).await.unwrap().is_empty());
    drop(holder);
}

#[tokio::test]
async fn calls_that_wait_for_a_connection_end_in_time() {
    let server = Postgres::start().unwrap();
    let few = options(&server).with_max_connections(1).with_connect_timeout(SHORT_TIMEOUT);
    let store = PostgresStore::connect(few).await.unwrap();
    store.commit(put("a", Expect::Absent, "1")).await.unwrap();
    let holder = hold_lock(&server);
    // Asked first, the commit has the connection, and keeps it while it waits for the lock.
    let has_no_connection = tokio::select! {
        biased;
        made = store.commit(put("a", Expect::Any, "2")) => panic!("another holds the lock: {made:?}"),
        read = store.read(THINGS, "a") => read,
    };
    assert_eq!(has_no_connection.unwrap_err().kind(), StoreErrorKind::Unavailable);
    // The call that was dropped above gave its place back.
    assert_eq!(store.read(THINGS, "a").await.unwrap().unwrap().value, b"1");
    drop(holder);
}

#[tokio::test]
async fn a_dropped_call_is_made_as_a_whole_or_not_at_all() {
    let server = Postgres::start().unwrap();
    let store = PostgresStore::connect(options(&server).with_max_connections(2)).await.unwrap();
    store.commit(pair(0, 0)).await.unwrap();
    let (mut dropped, mut made) = (0, 0);
    for round in 1..=60u64 {
        match dropped_after(round % 6, store.commit(pair(0, round))).await {
            Some(version) => made += u64::from(version.is_ok()),
            None => dropped += 1,
        }
        let (found, _) = read_pair_at_once(&store).await;
        assert!(found <= round);
    }
    // A call that waits for its answer the first time is dropped in one round of six, however fast the server is.
    assert!(dropped >= 10 && dropped + made == 60, "{dropped} dropped, {made} made");
}

/// Returns the result, unless the call has to wait more than this number of times: then it is dropped.
async fn dropped_after<T>(waits: u64, call: impl Future<Output = T>) -> Option<T> {
    let (mut call, mut left) = (std::pin::pin!(call), waits);
    std::future::poll_fn(|context| match (call.as_mut().poll(context), left) {
        (Poll::Ready(result), _) => Poll::Ready(Some(result)),
        (Poll::Pending, 0) => Poll::Ready(None),
        (Poll::Pending, _) => {
            left -= 1;
            Poll::Pending
        }
    })
    .await
}

/// A pair as one page, so that no commit that is under way comes between.
async fn read_pair_at_once(store: &dyn Store) -> (u64, Version) {
    let records = store.page(THINGS, None, 2).await.unwrap();
    assert_eq!((&records[0].value, records[0].version), (&records[1].value, records[1].version));
    (number(&records[0].value), records[0].version)
}

/// Another program that locks the record `a` until it is dropped.
fn hold_lock(server: &Postgres) -> Process {
    let holder = server
        .psql_in_background(
            "BEGIN; SELECT 'held' FROM fleetcert.records WHERE key = 'a' FOR UPDATE; SELECT pg_sleep(600)",
        )
        .unwrap();
    let locked = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    let deadline = Deadline::after(TIMEOUT);
    while server.psql(locked).unwrap().is_empty() {
        assert!(!deadline.has_passed(), "the lock was not available");
    }
    holder
}
