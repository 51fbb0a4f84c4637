//! The trait of a store.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;

use crate::{Collection, Record, StoreError, Transaction, Version};

/// Durable records. Implementers write these five methods and run
/// [`conformance::check`](crate::conformance::check).
#[async_trait]
pub trait Store: Send + Sync + fmt::Debug {
    /// The record of this key, if there is one.
    ///
    /// # Errors
    /// `Unavailable` or `Corrupt`.
    async fn read(&self, collection: Collection, key: &str) -> Result<Option<Record>, StoreError>;

    /// Up to `limit` records in the order of their keys, beginning behind `after`. For the next page, give the
    /// last key of this one.
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    async fn page(
        &self,
        collection: Collection,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError>;

    /// Makes all checks and writes, or none. What was written is durable before this returns.
    ///
    /// **Concurrency.** Transactions are serial: none sees a part of another.
    ///
    /// **Cancellation.** A dropped call was made as a whole or not at all; read to find out.
    ///
    /// # Errors
    /// `Conflict` when a record is not as expected: nothing was written. `Unavailable`: unknown whether it was
    /// written. `InvalidInput` above the bounds of [`Transaction`].
    async fn commit(&self, transaction: Transaction) -> Result<Version, StoreError>;

    /// Hands out up to `limit` records that are due at `now`, the longest due first, and makes each due again
    /// at `until`. Nobody else gets them before. The caller's writes expect the versions that he gets here: a
    /// claim is a lease, and its version is the fence.
    ///
    /// # Errors
    /// As for [`read`](Self::read). If the call fails or is dropped, the records come back at `until`.
    async fn claim(
        &self,
        collection: Collection,
        now: SystemTime,
        until: SystemTime,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError>;

    /// How many records are due before `time`, counted up to `limit`. For a place in a queue.
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    async fn count_due(
        &self,
        collection: Collection,
        time: SystemTime,
        limit: usize,
    ) -> Result<usize, StoreError>;
}

#[async_trait]
impl<S: Store + ?Sized> Store for Arc<S> {
    async fn read(&self, collection: Collection, key: &str) -> Result<Option<Record>, StoreError> {
        (**self).read(collection, key).await
    }

    async fn page(
        &self,
        collection: Collection,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        (**self).page(collection, after, limit).await
    }

    async fn commit(&self, transaction: Transaction) -> Result<Version, StoreError> {
        (**self).commit(transaction).await
    }

    async fn claim(
        &self,
        collection: Collection,
        now: SystemTime,
        until: SystemTime,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        (**self).claim(collection, now, until, limit).await
    }

    async fn count_due(
        &self,
        collection: Collection,
        time: SystemTime,
        limit: usize,
    ) -> Result<usize, StoreError> {
        (**self).count_due(collection, time, limit).await
    }
}

// The trait must stay usable as `dyn`.
const _: Option<&dyn Store> = None;
