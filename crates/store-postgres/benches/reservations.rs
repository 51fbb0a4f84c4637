//! Reservations per second: the cost of taking from five budgets at once in SQLite and in PostgreSQL.
//!
//! ```text
//! cargo bench -p fleetcert-store-postgres -- postgres://USER:PASSWORD@127.0.0.1:5432/DATABASE
//! ```
//!
//! A reservation reads five small records one after the other and writes all five in one transaction that expects the
//! versions it has read; after a conflict it starts again. With independent keys, each task has its own five records.
//! With a hot record, all tasks share the first of the five, like an account's budget. In PostgreSQL, everything
//! happens in the schema `fleetcert_bench`, which you drop by hand. SQLite's file is in the folder for temporary
//! files. Both sync each commit to their disk.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark reports to a terminal and stops at the first error"
)]

use std::sync::Arc;
use std::time::Duration;

use fleetcert_store::{Collection, Expect, SqliteStore, Store, Transaction};
use fleetcert_store_postgres::{PostgresOptions, PostgresStore};
use tokio::time::Instant;

const BUDGETS: Collection = Collection::new("budget");
const RECORDS: usize = 5;
const MEASURED: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() {
    let url = std::env::args().skip(1).find(|argument| argument.starts_with("postgres"));
    let folder = tempfile::tempdir().unwrap();
    let sqlite = Arc::new(SqliteStore::open(&folder.path().join("store.db")).unwrap());
    measure("SQLite", sqlite).await;
    match url {
        Some(url) => {
            let options = PostgresOptions::from_url(&url).unwrap().with_schema("fleetcert_bench").unwrap();
            measure("PostgreSQL", Arc::new(PostgresStore::connect(options).await.unwrap())).await;
        }
        None => println!("PostgreSQL was not measured: give a URL behind `--`"),
    }
}

async fn measure(name: &str, store: Arc<dyn Store>) {
    for is_hot in [false, true] {
        for tasks in [1, 16] {
            let begin = Instant::now();
            let running: Vec<_> = (0..tasks)
                .map(|task| tokio::spawn(reserve(Arc::clone(&store), task, is_hot, begin + MEASURED)))
                .collect();
            let (mut times, mut conflicts) = (Vec::new(), 0);
            for task in running {
                let (of_task, refused) = task.await.unwrap();
                times.extend(of_task);
                conflicts += refused;
            }
            times.sort();
            let at = |share: usize| times[(times.len() - 1) * share / 100].as_secs_f64() * 1000.0;
            println!(
                "{name:10} {:20} {tasks:2} tasks: {:6.0} reservations/s, {:5.2} conflicts each, median {:6.2} ms, 99 % {:6.2} ms",
                if is_hot { "one hot record" } else { "independent records" },
                times.len() as f64 / begin.elapsed().as_secs_f64(),
                f64::from(conflicts) / times.len() as f64,
                at(50),
                at(99),
            );
        }
    }
}

/// Returns the duration of each reservation and the number of conflicts.
async fn reserve(store: Arc<dyn Store>, task: usize, is_hot: bool, end: Instant) -> (Vec<Duration>, u32) {
    let keys: [String; RECORDS] = std::array::from_fn(|index| match (is_hot, index) {
        (true, 0) => "hot".to_owned(),
        _ => format!("{task}/{index}"),
    });
    let (mut times, mut conflicts) = (Vec::new(), 0);
    loop {
        let begin = Instant::now();
        if begin >= end {
            return (times, conflicts);
        }
        while let Err(error) = store.commit(next(&*store, &keys).await).await {
            assert!(error.is_conflict(), "{error}");
            conflicts += 1;
        }
        times.push(begin.elapsed());
    }
}

async fn next(store: &dyn Store, keys: &[String]) -> Transaction {
    let mut transaction = Transaction::new();
    for key in keys {
        let record = store.read(BUDGETS, key).await.unwrap();
        let expect = record.map_or(Expect::Absent, |record| Expect::Version(record.version));
        transaction = transaction.put(BUDGETS, key, expect, vec![0; 64], None);
    }
    transaction
}
