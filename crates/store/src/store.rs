//! The trait of a store.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;

use crate::{Collection, Record, StoreError, Transaction, Version};

/// Durable records. To implement a store, write these five methods and run
/// [`conformance::check`](crate::conformance::check).
///
/// A claim and the version that fences it:
///
/// ```
/// use fleetcert_store::{Collection, Expect, MemoryStore, Store, Transaction};
/// use std::time::{Duration, SystemTime};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// const ORDERS: Collection = Collection::new("order");
/// let (store, now) = (MemoryStore::new(), SystemTime::UNIX_EPOCH);
/// let order = b"wanted".to_vec();
/// let add = Transaction::new().put(ORDERS, "7", Expect::Absent, order, Some(now));
/// store.commit(add).await?;
///
/// let lease = Duration::from_secs(60);
/// let late = store.claim(ORDERS, now, now + lease, 10).await?.remove(0);
/// // The first worker hangs; its lease ends, and another one takes over.
/// let now = now + lease;
/// let claimed = store.claim(ORDERS, now, now + lease, 10).await?.remove(0);
///
/// let finish = |expect| Transaction::new().delete(ORDERS, "7", expect);
/// let fenced = store.commit(finish(Expect::Version(late.version))).await;
/// assert!(fenced.unwrap_err().is_conflict());
/// store.commit(finish(Expect::Version(claimed.version))).await?;
/// # Ok::<(), fleetcert_store::StoreError>(()) }).unwrap();
/// ```
#[async_trait]
pub trait Store: Send + Sync + fmt::Debug {
    /// Returns the record with this key, if there is one.
    ///
    /// # Errors
    /// `Unavailable` or `Corrupt`.
    async fn read(&self, collection: Collection, key: &str) -> Result<Option<Record>, StoreError>;

    /// Returns up to `limit` records in key order, starting after `after`. For the next page, pass the last key of
    /// this one.
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    async fn page(
        &self,
        collection: Collection,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError>;

    /// Makes all checks and writes, or none. The writes are durable before this returns.
    ///
    /// **Concurrency.** Transactions are serializable: none sees a part of another.
    ///
    /// **Cancellation.** If the call is dropped, the transaction takes effect as a whole or not at all; read to find
    /// out.
    ///
    /// # Errors
    /// `Conflict` if a record does not match its expectation; nothing was written. `Unavailable`: it is unknown
    /// whether the transaction took effect. `InvalidInput` over the limits of [`Transaction`].
    async fn commit(&self, transaction: Transaction) -> Result<Version, StoreError>;

    /// Claims up to `limit` records that are due at `now`, those due longest first, and makes each due again at
    /// `until`. No other caller gets them earlier. A claim is a lease, and its version is the fence: writes must
    /// expect the versions that this call returned.
    ///
    /// # Errors
    /// As for [`read`](Self::read). If the call fails or is dropped, the records may be claimed until `until`.
    async fn claim(
        &self,
        collection: Collection,
        now: SystemTime,
        until: SystemTime,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError>;

    /// Returns the number of records due before `time`, counting up to `limit`. Gives the position in a queue.
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
