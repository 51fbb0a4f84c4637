//! A store in memory that counts its calls, and can be slow or unavailable.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use fleetcert_store::{
    Collection, MemoryStore, Record, Store, StoreError, StoreErrorKind, Transaction, Version,
};

/// One handle on a [`MemoryStore`]; several handles on one store count and fail each by itself.
#[derive(Debug, Default)]
pub(super) struct WatchedStore {
    store: Arc<MemoryStore>,
    calls: AtomicUsize,
    writes: AtomicUsize,
    unavailable: AtomicBool,
    slow_commits: AtomicBool,
}

/// Long enough for every other thread to decide on what the store held before the commit.
const COMMIT_DELAY: Duration = Duration::from_millis(5);

impl WatchedStore {
    /// Makes another handle on the same store.
    pub(super) fn another(&self) -> Self {
        Self { store: self.store.clone(), ..Self::default() }
    }

    pub(super) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    pub(super) fn writes(&self) -> usize {
        self.writes.load(Ordering::SeqCst)
    }

    pub(super) fn set_unavailable(&self, unavailable: bool) {
        self.unavailable.store(unavailable, Ordering::SeqCst);
    }

    pub(super) fn slow_commits(&self) {
        self.slow_commits.store(true, Ordering::SeqCst);
    }

    pub(super) async fn count(&self, collection: Collection) -> Result<usize, StoreError> {
        Ok(self.store.page(collection, None, 1000).await?.len())
    }

    fn available(&self) -> Result<&MemoryStore, StoreError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        match self.unavailable.load(Ordering::SeqCst) {
            true => Err(StoreError::new(StoreErrorKind::Unavailable, "the test makes the store unavailable")),
            false => Ok(&self.store),
        }
    }
}

#[async_trait]
impl Store for WatchedStore {
    async fn read(&self, collection: Collection, key: &str) -> Result<Option<Record>, StoreError> {
        self.available()?.read(collection, key).await
    }

    async fn page(
        &self,
        collection: Collection,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        self.available()?.page(collection, after, limit).await
    }

    async fn commit(&self, transaction: Transaction) -> Result<Version, StoreError> {
        self.writes.fetch_add(1, Ordering::SeqCst);
        if self.slow_commits.load(Ordering::SeqCst) {
            std::thread::sleep(COMMIT_DELAY);
        }
        self.available()?.commit(transaction).await
    }

    async fn claim(
        &self,
        collection: Collection,
        now: SystemTime,
        until: SystemTime,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        self.writes.fetch_add(1, Ordering::SeqCst);
        self.available()?.claim(collection, now, until, limit).await
    }

    async fn count_due(
        &self,
        collection: Collection,
        time: SystemTime,
        limit: usize,
    ) -> Result<usize, StoreError> {
        self.available()?.count_due(collection, time, limit).await
    }
}
