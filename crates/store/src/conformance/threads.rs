//! The concurrency checks, each on several operating-system threads.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::{Arc, Barrier};
use std::time::{Duration, SystemTime};

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::{Broken, Outcome, named, require};
use crate::{Collection, Expect, Store, StoreError, Transaction, Version};

const THREADS: usize = 4;
const ROUNDS: usize = 25;
/// Maximum attempts of one thread. Each conflict is due to another thread's commit; the rest is for slow readers.
const MAX_ATTEMPTS: usize = 4 * THREADS * ROUNDS;
const START: SystemTime = SystemTime::UNIX_EPOCH;

pub(super) async fn check(store: &Arc<dyn Store>) -> Result<(), Broken> {
    named("commits to different keys from several threads are all kept", different_keys(store).await)?;
    named("one of several threads creates a record", one_creator(store).await)?;
    named("no compare-and-set from several threads is lost", increments(store).await)?;
    named("claims from several threads return each record once", claims(store).await)?;
    named("a claim and a commit with the earlier version exclude each other", claim_or_commit(store).await)
}

/// Runs `work` on [`THREADS`] threads that start together, and returns the results.
///
/// The threads use the runtime of the caller, whose drivers keep running while this function waits.
async fn on_threads<T, F>(
    store: &Arc<dyn Store>,
    work: impl Fn(Arc<dyn Store>, usize) -> F + Clone + Send + 'static,
) -> Result<Vec<T>, Box<dyn std::error::Error + Send + Sync>>
where
    T: Send + 'static,
    F: Future<Output = Result<T, StoreError>>,
{
    let runtime = Handle::try_current()?;
    let barrier = Arc::new(Barrier::new(THREADS));
    let mut answers = Vec::new();
    for thread in 0..THREADS {
        let (sender, answer) = oneshot::channel();
        let (runtime, barrier, store, work) =
            (runtime.clone(), Arc::clone(&barrier), Arc::clone(store), work.clone());
        std::thread::spawn(move || {
            barrier.wait();
            // The receiver is gone only if the whole check was dropped.
            let _ = sender.send(runtime.block_on(work(store, thread)));
        });
        answers.push(answer);
    }
    let mut results = Vec::new();
    for answer in answers {
        results.push(answer.await.map_err(|_| "a call to the store panicked")??);
    }
    Ok(results)
}

/// Commits, and returns `None` on a conflict.
async fn committed(store: &dyn Store, transaction: Transaction) -> Result<Option<Version>, StoreError> {
    match store.commit(transaction).await {
        Ok(version) => Ok(Some(version)),
        Err(error) if error.is_conflict() => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) async fn different_keys(store: &Arc<dyn Store>) -> Outcome {
    const KEYS: Collection = Collection::new("conformance-keys");
    on_threads(store, |store, thread| async move {
        for round in 0..ROUNDS {
            let key = format!("{thread}-{round}");
            store.commit(Transaction::new().put(KEYS, key, Expect::Absent, vec![], None)).await?;
        }
        Ok(())
    })
    .await?;
    let kept = store.page(KEYS, None, 2 * THREADS * ROUNDS).await?.len();
    require(kept == THREADS * ROUNDS, "a committed record is missing")
}

pub(super) async fn one_creator(store: &Arc<dyn Store>) -> Outcome {
    const CREATED: Collection = Collection::new("conformance-maker");
    let won = on_threads(store, |store, _| async move {
        let mut won = 0;
        for round in 0..ROUNDS {
            let make = Transaction::new().put(CREATED, round.to_string(), Expect::Absent, vec![], None);
            won += usize::from(committed(&*store, make).await?.is_some());
        }
        Ok(won)
    })
    .await?;
    require(won.iter().sum::<usize>() == ROUNDS, "several threads created the same record, or none did")
}

pub(super) async fn increments(store: &Arc<dyn Store>) -> Outcome {
    const COUNTERS: Collection = Collection::new("conformance-counter");
    let value = |number: usize| number.to_string().into_bytes();
    let read = |value: &[u8]| std::str::from_utf8(value).ok().and_then(|text| text.parse::<usize>().ok());
    // Two records in one transaction: both must always be equal.
    let both = move |left: Expect, right: Expect, number: usize| {
        let left = Transaction::new().put(COUNTERS, "left", left, value(number), None);
        left.put(COUNTERS, "right", right, value(number), None)
    };
    store.commit(both(Expect::Absent, Expect::Absent, 0)).await?;
    let versions = on_threads(store, move |store, _| async move {
        let mut versions = Vec::new();
        for _ in 0..MAX_ATTEMPTS {
            if versions.len() == ROUNDS {
                return Ok(Some(versions));
            }
            let left = store.read(COUNTERS, "left").await?;
            let right = store.read(COUNTERS, "right").await?;
            let (Some(left), Some(right)) = (left, right) else { return Ok(None) };
            let Some(number) = read(&left.value) else { return Ok(None) };
            let next = both(Expect::Version(left.version), Expect::Version(right.version), number + 1);
            versions.extend(committed(&*store, next).await?);
        }
        Ok(None)
    })
    .await?;
    let versions: Option<Vec<_>> = versions.into_iter().collect();
    let versions = versions.ok_or("a counter is missing, or commits conflict without a reason")?.concat();
    let different = versions.iter().copied().collect::<BTreeSet<_>>().len();
    require(different == versions.len(), "two commits have the same version")?;
    for key in ["left", "right"] {
        let counter = store.read(COUNTERS, key).await?.ok_or("a counter is missing")?;
        require(read(&counter.value) == Some(THREADS * ROUNDS), "an increment was lost")?;
    }
    Ok(())
}

pub(super) async fn claims(store: &Arc<dyn Store>) -> Outcome {
    const WORK: Collection = Collection::new("conformance-claims");
    let records = THREADS * ROUNDS;
    for index in 0..records {
        let record = Transaction::new().put(WORK, index.to_string(), Expect::Any, vec![], Some(START));
        store.commit(record).await?;
    }
    let until = START + Duration::from_secs(60);
    let keys = on_threads(store, move |store, _| async move {
        let mut keys = Vec::new();
        loop {
            let claimed = store.claim(WORK, START, until, 3).await?;
            // Bounded: a store that returns the same records again and again must fail, not hang.
            if claimed.is_empty() || keys.len() > records {
                return Ok(keys);
            }
            keys.extend(claimed.into_iter().map(|record| record.key));
        }
    })
    .await?
    .concat();
    let different = keys.iter().collect::<BTreeSet<_>>().len();
    require(keys.len() == records && different == records, "a record was claimed twice, or not at all")
}

/// Half of the threads claim; the other half finishes the same records with the versions from before the claims.
pub(super) async fn claim_or_commit(store: &Arc<dyn Store>) -> Outcome {
    const WORK: Collection = Collection::new("conformance-fence");
    let mut versions = Vec::new();
    for index in 0..THREADS * ROUNDS {
        let record = Transaction::new().put(WORK, index.to_string(), Expect::Any, vec![], Some(START));
        versions.push(store.commit(record).await?);
    }
    let until = START + Duration::from_secs(60);
    let versions: Arc<[Version]> = versions.into();
    let taken = on_threads(store, move |store, thread| {
        let versions = Arc::clone(&versions);
        async move {
            let mut keys = Vec::new();
            for (index, version) in versions.iter().enumerate().skip(thread / 2).step_by(THREADS / 2) {
                if thread % 2 == 0 {
                    let claimed = store.claim(WORK, START, until, 1).await?;
                    keys.extend(claimed.into_iter().map(|record| record.key));
                } else {
                    let key = index.to_string();
                    let finish = Transaction::new().delete(WORK, key.clone(), Expect::Version(*version));
                    keys.extend(committed(&*store, finish).await?.map(|_| key));
                }
            }
            Ok(keys)
        }
    })
    .await?
    .concat();
    let different = taken.iter().collect::<BTreeSet<_>>().len();
    require(
        different == taken.len(),
        "a record was claimed, and also finished with its version from before the claim",
    )
}

#[cfg(test)]
mod tests;
