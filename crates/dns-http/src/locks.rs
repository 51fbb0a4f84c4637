//! Locks by key: one writer at a time for each key, inside this process.

use parking_lot::{Mutex, MutexGuard};
use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::Arc;

#[cfg(feature = "__sets")]
use fleetcert_ambient::timeout;
#[cfg(feature = "__sets")]
use fleetcert_dns::{BackendError, BackendErrorKind};
use tokio::sync::OwnedMutexGuard;

#[cfg(feature = "__sets")]
use crate::client::Call;

type Map<K> = Arc<Mutex<HashMap<K, Arc<tokio::sync::Mutex<()>>>>>;

/// Locks by key. A key that no call holds or waits for takes no memory.
#[derive(Debug)]
pub(crate) struct Locks<K> {
    by_key: Map<K>,
}

/// Keys that stay locked until this is dropped.
#[derive(Debug)]
pub(crate) struct Locked<K: Eq + Hash> {
    _claims: Vec<Claim<K>>,
}

impl<K> Default for Locks<K> {
    fn default() -> Self {
        Self { by_key: Arc::default() }
    }
}

impl<K: Clone + Ord + Hash> Locks<K> {
    /// Waits until each of these keys is free, and locks it. Keys are taken in their order, so that no two callers wait
    /// for each other; calls get a key in the order in which they came. Dropping the future gives up its place.
    pub(crate) async fn lock(&self, keys: BTreeSet<K>) -> Locked<K> {
        let mut claims = Vec::with_capacity(keys.len());
        for key in keys {
            let mut claim = Claim::new(&self.by_key, key);
            claim.guard = Some(claim.mutex.clone().lock_owned().await);
            claims.push(claim);
        }
        Locked { _claims: claims }
    }
}

/// Locks the keys within the deadline of the call.
///
/// # Errors
/// `Unavailable` if the deadline passes first: nothing was changed.
#[cfg(feature = "__sets")]
pub(crate) async fn lock_within<K: Clone + Ord + Hash>(
    call: &Call<'_>,
    locks: &Locks<K>,
    keys: BTreeSet<K>,
) -> Result<Locked<K>, BackendError> {
    timeout(call.http().clock(), call.left(), locks.lock(keys)).await.map_err(|_| {
        let why = "other calls of this process held the same records until the deadline; nothing was changed";
        call.error(BackendErrorKind::Unavailable, why)
    })
}

/// A key that a call holds or waits for.
#[derive(Debug)]
struct Claim<K: Eq + Hash> {
    by_key: Map<K>,
    key: K,
    mutex: Arc<tokio::sync::Mutex<()>>,
    guard: Option<OwnedMutexGuard<()>>,
}

impl<K: Clone + Eq + Hash> Claim<K> {
    fn new(by_key: &Map<K>, key: K) -> Self {
        let mutex = lock(by_key).entry(key.clone()).or_default().clone();
        Self { by_key: by_key.clone(), key, mutex, guard: None }
    }
}

impl<K: Eq + Hash> Drop for Claim<K> {
    fn drop(&mut self) {
        let guard = self.guard.take();
        // The map's, ours, and that of the guard; a waiting claim has its own. New ones are made under the lock of the
        // map, so that no claim comes in between.
        let ours = 2 + usize::from(guard.is_some());
        let mut by_key = lock(&self.by_key);
        if Arc::strong_count(&self.mutex) == ours {
            by_key.remove(&self.key);
        }
        drop(by_key);
        // Wakes the next one, which may do anything.
        drop(guard);
    }
}

fn lock<K>(by_key: &Map<K>) -> MutexGuard<'_, HashMap<K, Arc<tokio::sync::Mutex<()>>>> {
    by_key.lock()
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn one_at_a_time_and_nothing_is_kept() {
        let locks = Locks::default();
        let first = locks.lock([1, 2].into()).await;
        assert!(locks.lock([3].into()).now_or_never().is_some(), "another key is free");
        let mut second = Box::pin(locks.lock([2, 3].into()));
        assert!(second.as_mut().now_or_never().is_none());
        // It holds nothing above the key that it waits for.
        assert!(locks.lock([3].into()).now_or_never().is_some());
        assert!(locks.lock([2].into()).now_or_never().is_none(), "a call that is dropped gives up its place");
        drop(first);
        let second = second.now_or_never().unwrap();
        assert!(locks.lock([3].into()).now_or_never().is_none());
        drop(second);
        assert!(lock(&locks.by_key).is_empty());
    }
}
