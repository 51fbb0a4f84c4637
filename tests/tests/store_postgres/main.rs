//! The store in PostgreSQL, on a real server: what it promises to several nodes, and what it does when the server goes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at its first fault")]

mod connecting;
mod faults;
mod nodes;
mod proxy;

use std::sync::Arc;
use std::time::Duration;

use fleetcert_store::{Collection, Expect, MemoryStore, Store, StoreErrorKind, Transaction, conformance};
use fleetcert_store_postgres::{PostgresOptions, PostgresStore};
use fleetcert_tests::postgres::Postgres;

const THINGS: Collection = Collection::new("thing");

/// The deadlines are for a server that does not answer; a machine that is only slow must not meet them.
const TIMEOUT: Duration = Duration::from_secs(60);

fn options(server: &Postgres) -> PostgresOptions {
    patient(PostgresOptions::from_url(&server.url()).unwrap())
}

fn patient(options: PostgresOptions) -> PostgresOptions {
    options.with_connect_timeout(TIMEOUT).with_statement_timeout(TIMEOUT)
}

async fn connect(server: &Postgres) -> PostgresStore {
    PostgresStore::connect(options(server)).await.unwrap()
}

fn put(key: &str, expect: Expect, value: &str) -> Transaction {
    Transaction::new().put(THINGS, key, expect, value.as_bytes().to_vec(), None)
}

fn number(value: &[u8]) -> u64 {
    std::str::from_utf8(value).unwrap().parse().unwrap()
}

#[tokio::test]
async fn conforms() {
    let server = Postgres::start().unwrap();
    conformance::check(Arc::new(connect(&server).await)).await.unwrap();
    // The other schema's store is empty, or it would not conform.
    let by_socket = PostgresOptions::from_url(&server.socket_url()).unwrap().with_schema("other").unwrap();
    let store = PostgresStore::connect(patient(by_socket)).await.unwrap();
    conformance::check(Arc::new(store)).await.unwrap();
}

#[tokio::test]
async fn does_what_the_store_in_memory_does() {
    let server = Postgres::start().unwrap();
    let (store, model) = (connect(&server).await, MemoryStore::new());
    // The order of keys is that of their octets; none is too odd.
    let keys = ["a", "B", "b", "Z", "ä", "\u{10FFFF}", "a\0", "a b", "'", "\\"];
    let mut random = Random(7);
    let (mut made, mut refused) = (0, 0);
    for step in 0..400u64 {
        let (mut ours, mut theirs) = (Transaction::new(), Transaction::new());
        let first = random.below(keys.len());
        for offset in 0..1 + random.below(4) {
            let key = keys[(first + offset) % keys.len()];
            let (found, known) =
                (store.read(THINGS, key).await.unwrap(), model.read(THINGS, key).await.unwrap());
            let expects = match random.below(4) {
                0 => [Expect::Absent; 2],
                1 => [Expect::Any; 2],
                _ => [&found, &known].map(|record| match record {
                    Some(record) => Expect::Version(record.version),
                    None => Expect::Absent,
                }),
            };
            let due = (random.below(2) == 0).then(|| std::time::UNIX_EPOCH + Duration::from_millis(step % 7));
            let action = random.below(4);
            [ours, theirs] =
                [(ours, expects[0]), (theirs, expects[1])].map(|(transaction, expect)| match action {
                    0 => transaction.check(THINGS, key, expect),
                    1 => transaction.delete(THINGS, key, expect),
                    _ => transaction.put(THINGS, key, expect, step.to_string().into_bytes(), due),
                });
        }
        let (ours, theirs) = (store.commit(ours).await, model.commit(theirs).await);
        match (&ours, &theirs) {
            (Ok(_), Ok(_)) => made += 1,
            (Err(ours), Err(theirs)) if ours.is_conflict() && theirs.is_conflict() => refused += 1,
            _ => panic!("step {step}: {ours:?}, and in memory {theirs:?}"),
        }
        assert_eq!(content(&store).await, content(&model).await, "step {step}");
    }
    assert!(made > 100 && refused > 50, "{made} made and {refused} refused: the test says too little");
}

async fn content(store: &dyn Store) -> Vec<(String, Option<std::time::SystemTime>, Vec<u8>)> {
    let records = store.page(THINGS, None, usize::MAX).await.unwrap();
    records.into_iter().map(|record| (record.key, record.due, record.value)).collect()
}

/// Numbers that are the same in each run (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % end
    }
}

#[tokio::test]
async fn the_largest_transaction_is_made() {
    let server = Postgres::start().unwrap();
    let store = connect(&server).await;
    let mut largest = Transaction::new();
    for index in 0..Transaction::MAX_WRITES {
        let key = format!("{index:0width$}", width = Transaction::MAX_KEY);
        let octets = if index == 0 { Transaction::MAX_VALUE } else { 100 };
        largest = largest.put(THINGS, key, Expect::Absent, vec![index as u8; octets], None);
    }
    let version = store.commit(largest.clone()).await.unwrap();
    let records = store.page(THINGS, None, usize::MAX).await.unwrap();
    assert_eq!(records.len(), Transaction::MAX_WRITES);
    assert!(records.iter().all(|record| record.version == version));
    assert_eq!(records[0].value.len(), Transaction::MAX_VALUE);
    let over = largest.check(THINGS, "one more", Expect::Any);
    assert_eq!(store.commit(over).await.unwrap_err().kind(), StoreErrorKind::InvalidInput);
}
