//! Several nodes on one database.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use fleetcert_store::{Collection, Expect, Store, Transaction};
use fleetcert_store_postgres::PostgresStore;
use fleetcert_tests::postgres::Postgres;
use tokio::sync::Barrier;

use crate::{THINGS, connect, number, options, put};

const WORK: Collection = Collection::new("work");

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn four_claimers_get_each_record_once() {
    const RECORDS: usize = 2000;
    let server = Postgres::start().unwrap();
    let nodes = [Arc::new(connect(&server).await), Arc::new(connect(&server).await)];
    for from in (0..RECORDS).step_by(200) {
        let records = (from..from + 200).fold(Transaction::new(), |transaction, index| {
            let due = UNIX_EPOCH + Duration::from_millis(index as u64 % 17);
            transaction.put(WORK, format!("{index}"), Expect::Absent, vec![], Some(due))
        });
        nodes[0].commit(records).await.unwrap();
    }
    let (now, until) = (UNIX_EPOCH + Duration::from_secs(1), UNIX_EPOCH + Duration::from_secs(60));
    // Nobody claims a second time before all have claimed once: none of them comes too late.
    let all_claim = Arc::new(Barrier::new(4));
    let claimers: Vec<_> = (0..4)
        .map(|index| {
            let (node, all_claim) = (Arc::clone(&nodes[index % 2]), Arc::clone(&all_claim));
            tokio::spawn(async move {
                let mut claimed = Vec::new();
                loop {
                    let records = node.claim(WORK, now, until, 7).await.unwrap();
                    assert!(records.iter().all(|record| record.due == Some(until)));
                    if records.is_empty() {
                        return claimed;
                    }
                    let is_first = claimed.is_empty();
                    claimed.extend(records.into_iter().map(|record| (record.key, record.version)));
                    if is_first {
                        all_claim.wait().await;
                    }
                }
            })
        })
        .collect();
    let mut all = Vec::new();
    for claimer in claimers {
        let claimed = claimer.await.unwrap();
        assert!(!claimed.is_empty(), "a claimer got nothing while there was plenty");
        all.extend(claimed);
    }
    assert_eq!(all.len(), RECORDS);
    assert_eq!(all.iter().map(|(key, _)| key).collect::<BTreeSet<_>>().len(), RECORDS);
    // Each version is the fence of its record at every node.
    for (key, version) in all.into_iter().step_by(100) {
        let write = Transaction::new().delete(WORK, key, Expect::Version(version));
        nodes[1].commit(write).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_increment_is_lost() {
    const TASKS: usize = 8;
    const EACH: u64 = 25;
    let server = Postgres::start().unwrap();
    let nodes = [Arc::new(connect(&server).await), Arc::new(connect(&server).await)];
    // All have read the same before the first of them writes: all but one are refused, however fast the server is.
    let all_read = Arc::new(Barrier::new(TASKS));
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (node, all_read) = (Arc::clone(&nodes[task % 2]), Arc::clone(&all_read));
            tokio::spawn(async move {
                let (mut made, mut conflicts, mut last) = (0, 0u64, None);
                while made < EACH {
                    let increment = incremented(&node).await;
                    if made == 0 && conflicts == 0 {
                        all_read.wait().await;
                    }
                    match node.commit(increment).await {
                        Ok(version) => {
                            assert!(Some(version) > last, "a version went down");
                            last = Some(version);
                            made += 1;
                        }
                        Err(error) if error.is_conflict() => conflicts += 1,
                        Err(error) => panic!("{error}"),
                    }
                }
                conflicts
            })
        })
        .collect();
    let mut conflicts = 0;
    for task in tasks {
        conflicts += task.await.unwrap();
    }
    assert!(conflicts >= TASKS as u64 - 1, "{conflicts}");
    let counter = nodes[0].read(THINGS, "counter").await.unwrap().unwrap();
    assert_eq!(number(&counter.value), TASKS as u64 * EACH);
}

async fn incremented(store: &dyn Store) -> Transaction {
    // The first task creates it.
    let (expect, value) = match store.read(THINGS, "counter").await.unwrap() {
        Some(record) => (Expect::Version(record.version), number(&record.value) + 1),
        None => (Expect::Absent, 1),
    };
    put("counter", expect, &value.to_string())
}

/// Each of the two is right alone; made together, none would be. Nothing is there that could be locked.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_absence_that_was_checked_stays() {
    const ROUNDS: usize = 100;
    let server = Postgres::start().unwrap();
    let nodes = [Arc::new(connect(&server).await), Arc::new(connect(&server).await)];
    for round in 0..ROUNDS {
        let (one, other) = (format!("{round}/one"), format!("{round}/other"));
        let first = put(&one, Expect::Absent, "").check(THINGS, &other, Expect::Absent);
        let second = put(&other, Expect::Any, "").check(THINGS, &one, Expect::Absent);
        let (first, second) = tokio::join!(nodes[0].commit(first), nodes[1].commit(second));
        let made = [&first, &second].into_iter().filter(|result| result.is_ok()).count();
        assert_eq!(made, 1, "{first:?}, {second:?}");
    }
}

/// Transactions that name the same records in other orders, some of which are deleted and created again all the time, while
/// claims change them too: no two wait for each other.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_locks_another_out() {
    let server = Postgres::start().unwrap();
    let nodes = [Arc::new(connect(&server).await), Arc::new(connect(&server).await)];
    let tasks: Vec<_> = (0..12usize)
        .map(|task| {
            let node = Arc::clone(&nodes[task % 2]);
            tokio::spawn(async move {
                for round in 0..60usize {
                    if task < 2 {
                        node.claim(WORK, UNIX_EPOCH, UNIX_EPOCH, 3).await.unwrap();
                        continue;
                    }
                    let mut transaction = Transaction::new();
                    // Some lock rows alone, some the names too.
                    let knows_versions = task % 3 == 0;
                    for index in 0..4 {
                        // Forwards or backwards, from anywhere.
                        let step = if task % 2 == 0 { index } else { 6 - index };
                        let key = format!("{}", (task * 5 + round + step) % 6);
                        let known = if knows_versions { node.read(WORK, &key).await.unwrap() } else { None };
                        let expect = known.map_or(Expect::Any, |record| Expect::Version(record.version));
                        transaction = match (task + round + index) % 7 {
                            0 => transaction.delete(WORK, key, expect),
                            1 => transaction.check(WORK, key, expect),
                            _ => transaction.put(WORK, key, expect, vec![1], Some(UNIX_EPOCH)),
                        };
                    }
                    if let Err(error) = node.commit(transaction).await {
                        assert!(knows_versions && error.is_conflict(), "{error}");
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert!(!server.log().iter().any(|line| line.contains("deadlock")), "{:?}", server.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nodes_that_start_at_once_make_one_schema() {
    let server = Postgres::start().unwrap();
    let starts: Vec<_> = (0..8).map(|_| tokio::spawn(PostgresStore::connect(options(&server)))).collect();
    for (index, start) in starts.into_iter().enumerate() {
        let store = start.await.unwrap().unwrap();
        store.commit(put(&format!("{index}"), Expect::Absent, "")).await.unwrap();
    }
    assert_eq!(connect(&server).await.page(THINGS, None, 100).await.unwrap().len(), 8);
}
