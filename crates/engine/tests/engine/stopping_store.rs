//! A store whose process is killed, or stands still, at a chosen write.

use parking_lot::Mutex;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use fleetcert_store::{Collection, Record, Store, StoreError, Transaction, Version};
use tokio::sync::watch;

/// On which side of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// What led to the write was done, and it was not written down.
    Before,
    /// It was written down, and nothing came of it.
    After,
}

/// Passes everything on until the `n`-th write since it was armed; from then on no call returns until it is
/// thawed. Writes are commits, and claims that gave something out.
#[derive(Debug)]
pub(crate) struct StoppingStore {
    inner: Arc<dyn Store>,
    stop_at: Mutex<Option<(usize, Side)>>,
    frozen: watch::Sender<bool>,
}

impl StoppingStore {
    pub(crate) fn new(inner: Arc<dyn Store>) -> Self {
        Self { inner, stop_at: Mutex::new(None), frozen: watch::Sender::new(false) }
    }

    /// The `n`-th write from now on, counted from 1, is the last, or the first that is not made.
    pub(crate) fn arm(&self, n: usize, side: Side) {
        *self.stop_at.lock() = Some((n, side));
    }

    pub(crate) async fn stopped(&self) {
        self.frozen.subscribe().wait_for(|frozen| *frozen).await.unwrap();
    }

    pub(crate) fn thaw(&self) {
        *self.stop_at.lock() = None;
        self.frozen.send_replace(false);
    }

    /// Returns when the process lives.
    async fn live(&self) {
        self.frozen.subscribe().wait_for(|frozen| !*frozen).await.unwrap();
    }

    /// Counts a write at one of its sides, and stops there if it is the one.
    async fn pass(&self, here: Side) {
        // Under the lock, so that no other write comes between the last one and the stop.
        if let Some((left, side)) = &mut *self.stop_at.lock()
            && *side == here
            && *left > 0
        {
            *left -= 1;
            if *left == 0 {
                self.frozen.send_replace(true);
            }
        }
        self.live().await;
    }
}

#[async_trait]
impl Store for StoppingStore {
    async fn read(&self, collection: Collection, key: &str) -> Result<Option<Record>, StoreError> {
        self.live().await;
        self.inner.read(collection, key).await
    }

    async fn page(
        &self,
        collection: Collection,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        self.live().await;
        self.inner.page(collection, after, limit).await
    }

    async fn commit(&self, transaction: Transaction) -> Result<Version, StoreError> {
        self.live().await;
        self.pass(Side::Before).await;
        let result = self.inner.commit(transaction).await;
        self.pass(Side::After).await;
        result
    }

    async fn claim(
        &self,
        collection: Collection,
        now: SystemTime,
        until: SystemTime,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        self.live().await;
        let claimed = self.inner.claim(collection, now, until, limit).await?;
        if !claimed.is_empty() {
            self.pass(Side::After).await;
        }
        Ok(claimed)
    }

    async fn count_due(
        &self,
        collection: Collection,
        time: SystemTime,
        limit: usize,
    ) -> Result<usize, StoreError> {
        self.live().await;
        self.inner.count_due(collection, time, limit).await
    }
}
