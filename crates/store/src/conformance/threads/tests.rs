//! A store that reads, waits and writes without a lock fails each concurrency check.

use async_trait::async_trait;
use parking_lot::Mutex;

use super::*;
use crate::Record;
use crate::memory::Records;

/// A store like a program that reads a file, changes it, and writes all of it back.
#[derive(Debug, Default)]
struct Unlocked(Mutex<Records>);

impl Unlocked {
    fn change<T>(&self, change: impl FnOnce(&mut Records) -> T) -> T {
        let mut records = self.0.lock().clone();
        std::thread::sleep(Duration::from_millis(1));
        let result = change(&mut records);
        *self.0.lock() = records;
        result
    }
}

#[async_trait]
impl Store for Unlocked {
    async fn read(&self, collection: Collection, key: &str) -> Result<Option<Record>, StoreError> {
        Ok(self.0.lock().read(collection, key))
    }

    async fn page(
        &self,
        collection: Collection,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        Ok(self.0.lock().page(collection, after, limit))
    }

    async fn commit(&self, transaction: Transaction) -> Result<Version, StoreError> {
        transaction.require_bounds()?;
        self.change(|records| records.commit(&transaction))
    }

    async fn claim(
        &self,
        collection: Collection,
        now: SystemTime,
        until: SystemTime,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        Ok(self.change(|records| records.claim(collection, now, until, limit)))
    }

    async fn count_due(
        &self,
        collection: Collection,
        time: SystemTime,
        limit: usize,
    ) -> Result<usize, StoreError> {
        Ok(self.0.lock().count_due(collection, time, limit))
    }
}

fn unlocked() -> Arc<dyn Store> {
    Arc::new(Unlocked::default())
}

#[tokio::test]
async fn store_without_a_lock_passes_with_one_caller() {
    super::super::check_one_caller(&Unlocked::default()).await.unwrap();
}

#[tokio::test]
async fn store_without_a_lock_fails_each_concurrency_check() {
    assert!(different_keys(&unlocked()).await.is_err());
    assert!(one_creator(&unlocked()).await.is_err());
    assert!(increments(&unlocked()).await.is_err());
    assert!(claims(&unlocked()).await.is_err());
    assert!(claim_or_commit(&unlocked()).await.is_err());
    let broken = super::super::check(unlocked()).await.unwrap_err();
    assert!(broken.to_string().contains("several threads"), "{broken}");
}
