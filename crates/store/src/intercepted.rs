//! A store whose calls can be watched, delayed and refused.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;

use crate::{Collection, Record, Store, StoreError, Transaction, Version};

/// A store in front of another one, which asks an [`Interceptor`] before and after each call. Clones share both.
///
/// Use it in tests to count calls, to make the store unavailable, or to stop a process at a chosen write.
///
/// ```
/// use async_trait::async_trait;
/// use fleetcert_store::{Collection, InterceptedStore, Interceptor, MemoryStore};
/// use fleetcert_store::{Store, StoreCall, StoreError, StoreErrorKind};
/// use std::sync::Arc;
///
/// /// The database is full: it reads, and does not write.
/// #[derive(Debug)]
/// struct DiskFull;
///
/// #[async_trait]
/// impl Interceptor for DiskFull {
///     async fn before(&self, call: StoreCall<'_>) -> Result<(), StoreError> {
///         let full = || StoreError::new(StoreErrorKind::Unavailable, "the disk is full");
///         if call.is_write() { Err(full()) } else { Ok(()) }
///     }
/// }
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// let store = InterceptedStore::new(Arc::new(MemoryStore::new()), Arc::new(DiskFull));
/// assert!(store.read(Collection::new("label"), "xi8qz").await.is_ok());
/// assert!(store.commit(Default::default()).await.is_err());
/// # });
/// ```
#[derive(Clone, Debug)]
pub struct InterceptedStore {
    store: Arc<dyn Store>,
    interceptor: Arc<dyn Interceptor>,
}

/// A call to a store, as an [`Interceptor`] sees it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum StoreCall<'a> {
    /// [`Store::read`].
    Read {
        /// Collection of the record.
        collection: Collection,
        /// Key of the record.
        key: &'a str,
    },
    /// [`Store::page`].
    Page {
        /// Collection of the records.
        collection: Collection,
    },
    /// [`Store::commit`].
    Commit {
        /// Checks and writes.
        transaction: &'a Transaction,
    },
    /// [`Store::claim`].
    Claim {
        /// Collection of the records.
        collection: Collection,
    },
    /// [`Store::count_due`].
    CountDue {
        /// Collection of the records.
        collection: Collection,
    },
}

impl StoreCall<'_> {
    /// Returns the collection that the call is about; `None` for a commit, which can write several.
    pub fn collection(&self) -> Option<Collection> {
        match *self {
            Self::Read { collection, .. }
            | Self::Page { collection }
            | Self::Claim { collection }
            | Self::CountDue { collection } => Some(collection),
            Self::Commit { .. } => None,
        }
    }

    /// Returns whether the call can change a record: a commit or a claim.
    pub fn is_write(&self) -> bool {
        matches!(self, Self::Commit { .. } | Self::Claim { .. })
    }
}

/// Watches, delays or refuses the calls to an [`InterceptedStore`]. Both methods do nothing by default.
///
/// A caller that drops its call drops these futures too, where they stand.
#[async_trait]
pub trait Interceptor: Send + Sync + Debug {
    /// Runs before a call. The call begins when this returns `Ok`.
    ///
    /// # Errors
    /// The error that the caller gets in place of the call.
    async fn before(&self, call: StoreCall<'_>) -> Result<(), StoreError> {
        let _ = call;
        Ok(())
    }

    /// Runs after a call and before its result reaches the caller. `outcome` is the number of records that the call
    /// returned, which is 0 for commits and counts.
    async fn after(&self, call: StoreCall<'_>, outcome: Result<usize, &StoreError>) {
        let _ = (call, outcome);
    }
}

impl InterceptedStore {
    /// Returns `store` with an interceptor in front of it.
    pub fn new(store: Arc<dyn Store>, interceptor: Arc<dyn Interceptor>) -> Self {
        Self { store, interceptor }
    }

    async fn call<T: Sync>(
        &self,
        call: StoreCall<'_>,
        work: impl Future<Output = Result<T, StoreError>>,
        records: impl Fn(&T) -> usize,
    ) -> Result<T, StoreError> {
        self.interceptor.before(call).await?;
        let result = work.await;
        self.interceptor.after(call, result.as_ref().map(records)).await;
        result
    }
}

// A method that the trait gets later must not bypass the interceptor.
#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Store for InterceptedStore {
    async fn read(&self, collection: Collection, key: &str) -> Result<Option<Record>, StoreError> {
        let work = self.store.read(collection, key);
        self.call(StoreCall::Read { collection, key }, work, |found| usize::from(found.is_some())).await
    }

    async fn page(
        &self,
        collection: Collection,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        let work = self.store.page(collection, after, limit);
        self.call(StoreCall::Page { collection }, work, Vec::len).await
    }

    async fn commit(&self, transaction: Transaction) -> Result<Version, StoreError> {
        let work = self.store.commit(transaction.clone());
        self.call(StoreCall::Commit { transaction: &transaction }, work, |_| 0).await
    }

    async fn claim(
        &self,
        collection: Collection,
        now: SystemTime,
        until: SystemTime,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        let work = self.store.claim(collection, now, until, limit);
        self.call(StoreCall::Claim { collection }, work, Vec::len).await
    }

    async fn count_due(
        &self,
        collection: Collection,
        time: SystemTime,
        limit: usize,
    ) -> Result<usize, StoreError> {
        let work = self.store.count_due(collection, time, limit);
        self.call(StoreCall::CountDue { collection }, work, |_| 0).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use super::*;
    use crate::{Expect, MemoryStore, StoreErrorKind, conformance};

    const THINGS: Collection = Collection::new("thing");

    /// Counts calls and the records that they return, and refuses on demand.
    #[derive(Debug, Default)]
    struct Counting {
        calls: AtomicUsize,
        records: AtomicUsize,
        refusals_left: AtomicUsize,
    }

    #[async_trait]
    impl Interceptor for Counting {
        async fn before(&self, _: StoreCall<'_>) -> Result<(), StoreError> {
            let refuses = self.refusals_left.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok();
            if refuses { Err(StoreError::new(StoreErrorKind::Unavailable, "refused")) } else { Ok(()) }
        }

        async fn after(&self, _: StoreCall<'_>, outcome: Result<usize, &StoreError>) {
            self.calls.fetch_add(1, SeqCst);
            self.records.fetch_add(outcome.unwrap_or_default(), SeqCst);
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn intercepted_store_conforms_as_the_store_behind_it() {
        let store = InterceptedStore::new(Arc::new(MemoryStore::new()), Arc::new(Counting::default()));
        conformance::check(Arc::new(store)).await.unwrap();
    }

    #[tokio::test]
    async fn refused_call_does_not_reach_the_store_and_each_other_call_is_counted() {
        let (inner, counting) = (Arc::new(MemoryStore::new()), Arc::new(Counting::default()));
        let store = InterceptedStore::new(inner.clone(), counting.clone());
        let due = Some(SystemTime::UNIX_EPOCH);
        let write = Transaction::new().put(THINGS, "a", Expect::Absent, vec![], due);
        counting.refusals_left.store(1, SeqCst);
        assert_eq!(store.commit(write.clone()).await.unwrap_err().kind(), StoreErrorKind::Unavailable);
        assert_eq!((inner.read(THINGS, "a").await.unwrap(), counting.calls.load(SeqCst)), (None, 0));

        store.commit(write.clone()).await.unwrap();
        assert!(store.commit(write).await.unwrap_err().is_conflict());
        store.read(THINGS, "a").await.unwrap();
        store.page(THINGS, None, 9).await.unwrap();
        store.count_due(THINGS, SystemTime::UNIX_EPOCH, 9).await.unwrap();
        let until = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1);
        store.claim(THINGS, SystemTime::UNIX_EPOCH, until, 9).await.unwrap();
        assert_eq!((counting.calls.load(SeqCst), counting.records.load(SeqCst)), (6, 3));
    }
}
