//! The conformance suite: checks every promise of [`Store`], for implementers of other stores.
//!
//! The concurrency checks run on several operating-system threads, so that a store without a lock fails them even if
//! it never waits.
//!
//! ```
//! use std::sync::Arc;
//!
//! use fleetcert_store::{MemoryStore, conformance};
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
//! # runtime.block_on(async {
//! conformance::check(Arc::new(MemoryStore::new())).await.unwrap();
//! # });
//! ```

mod threads;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::{Collection, Expect, Store, StoreErrorKind, Transaction};

const THINGS: Collection = Collection::new("conformance");
const OTHERS: Collection = Collection::new("conformance-other");
const START: SystemTime = SystemTime::UNIX_EPOCH;

/// A promise of [`Store`] that the store under test breaks.
#[derive(Debug)]
pub struct Broken {
    check: &'static str,
    what: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.check, self.what)
    }
}

impl std::error::Error for Broken {}

/// Runs every check on an empty store. Leaves records in collections whose names begin with `conformance`.
///
/// Must be called inside a tokio runtime: the concurrency checks run on their own threads and use this runtime.
///
/// # Errors
/// The first broken promise.
pub async fn check(store: Arc<dyn Store>) -> Result<(), Broken> {
    check_one_caller(&*store).await?;
    threads::check(&store).await
}

/// Runs the checks with one caller.
async fn check_one_caller(store: &dyn Store) -> Result<(), Broken> {
    named("a record is created once and read back", write_once(store).await)?;
    named("a write with an old version conflicts and changes nothing", old_version(store).await)?;
    named("a transaction takes effect as a whole or not at all", all_or_nothing(store).await)?;
    named("the version of a deleted record is never reused", no_version_again(store).await)?;
    named("pages are in key order", pages(store).await)?;
    named("a claim is an exclusive lease", lease(store).await)?;
    named("a transaction over the limits is rejected", bounds(store).await)
}

type Outcome = Result<(), Box<dyn std::error::Error + Send + Sync>>;

fn named(check: &'static str, outcome: Outcome) -> Result<(), Broken> {
    outcome.map_err(|error| Broken { check, what: error.to_string() })
}

fn require(holds: bool, what: &'static str) -> Outcome {
    if holds { Ok(()) } else { Err(what.into()) }
}

fn put(key: &str, expect: Expect, value: &str, due: Option<SystemTime>) -> Transaction {
    Transaction::new().put(THINGS, key, expect, value.as_bytes().to_vec(), due)
}

async fn write_once(store: &dyn Store) -> Outcome {
    require(store.read(THINGS, "once").await?.is_none(), "an empty store holds a record")?;
    let version = store.commit(put("once", Expect::Absent, "1", None)).await?;
    let record = store.read(THINGS, "once").await?.ok_or("the written record is missing")?;
    require(
        record.version == version && record.value == b"1" && record.due.is_none(),
        "the record was changed",
    )?;
    require(store.read(OTHERS, "once").await?.is_none(), "the record is in another collection too")?;
    let again = store.commit(put("once", Expect::Absent, "2", None)).await;
    require(again.is_err_and(|error| error.is_conflict()), "the record could be created twice")
}

async fn old_version(store: &dyn Store) -> Outcome {
    let first = store.commit(put("cas", Expect::Absent, "1", None)).await?;
    let second = store.commit(put("cas", Expect::Version(first), "2", None)).await?;
    require(second > first, "the version did not increase")?;
    let late = store.commit(put("cas", Expect::Version(first), "late", None)).await;
    require(late.is_err_and(|error| error.is_conflict()), "an old version was accepted")?;
    let record = store.read(THINGS, "cas").await?.ok_or("the record is missing")?;
    require(record.value == b"2", "a rejected write changed the record")
}

async fn all_or_nothing(store: &dyn Store) -> Outcome {
    let both = put("left", Expect::Absent, "1", None).put(OTHERS, "right", Expect::Absent, vec![1], None);
    store.commit(both.clone()).await?;
    let half = put("new", Expect::Absent, "1", None).check(OTHERS, "right", Expect::Absent);
    require(store.commit(half).await.is_err_and(|error| error.is_conflict()), "a failed check was ignored")?;
    require(store.read(THINGS, "new").await?.is_none(), "part of a rejected transaction took effect")?;
    let gone = Transaction::new().delete(THINGS, "left", Expect::Any).delete(OTHERS, "right", Expect::Any);
    store.commit(gone).await?;
    require(store.read(OTHERS, "right").await?.is_none(), "a deleted record still exists")
}

async fn no_version_again(store: &dyn Store) -> Outcome {
    let first = store.commit(put("aba", Expect::Absent, "1", None)).await?;
    store.commit(Transaction::new().delete(THINGS, "aba", Expect::Version(first))).await?;
    store.commit(put("aba", Expect::Absent, "1", None)).await?;
    let late = store.commit(put("aba", Expect::Version(first), "late", None)).await;
    require(late.is_err_and(|error| error.is_conflict()), "a version was reused")
}

async fn pages(store: &dyn Store) -> Outcome {
    let pages = Collection::new("conformance-pages");
    for key in ["b", "a", "c"] {
        store.commit(Transaction::new().put(pages, key, Expect::Any, vec![], None)).await?;
    }
    let first: Vec<_> = store.page(pages, None, 2).await?.into_iter().map(|record| record.key).collect();
    require(first == ["a", "b"], "the first page is not the first two keys")?;
    let second: Vec<_> =
        store.page(pages, Some("b"), 2).await?.into_iter().map(|record| record.key).collect();
    require(second == ["c"], "the second page does not start after the first")
}

async fn lease(store: &dyn Store) -> Outcome {
    let work = Collection::new("conformance-lease");
    let at = |seconds| START + Duration::from_secs(seconds);
    let make = |key: &str, due| Transaction::new().put(work, key, Expect::Any, vec![], Some(at(due)));
    store.commit(make("later", 20)).await?;
    store.commit(make("sooner", 10)).await?;
    require(store.claim(work, at(9), at(60), 9).await?.is_empty(), "a record was claimed before it was due")?;
    require(store.count_due(work, at(20), 9).await? == 1, "the count of due records is wrong")?;
    let claimed = store.claim(work, at(30), at(60), 1).await?;
    require(claimed.len() == 1 && claimed[0].key == "sooner", "the record due first was not claimed first")?;
    let stale = claimed[0].version;
    require(store.claim(work, at(30), at(60), 9).await?.len() == 1, "a leased record was claimed again")?;
    let second = store.claim(work, at(60), at(90), 9).await?;
    require(second.len() == 2, "a lease did not end")?;
    let late = Transaction::new().delete(work, "sooner", Expect::Version(stale));
    require(
        store.commit(late).await.is_err_and(|error| error.is_conflict()),
        "an expired lease could still write",
    )?;
    let fence = second.iter().find(|record| record.key == "sooner").ok_or("the record is missing")?.version;
    store.commit(Transaction::new().delete(work, "sooner", Expect::Version(fence))).await?;
    Ok(())
}

async fn bounds(store: &dyn Store) -> Outcome {
    let long_key = "k".repeat(Transaction::MAX_KEY + 1);
    let twice = put("twice", Expect::Any, "1", None).delete(THINGS, "twice", Expect::Any);
    for transaction in [put("", Expect::Any, "", None), put(&long_key, Expect::Any, "", None), twice] {
        let refused = store.commit(transaction).await;
        require(
            refused.is_err_and(|error| error.kind() == StoreErrorKind::InvalidInput),
            "a transaction over the limits was committed",
        )?;
    }
    Ok(())
}
