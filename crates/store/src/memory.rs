//! The store in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::time::SystemTime;

use async_trait::async_trait;
use parking_lot::Mutex;

use crate::record::{from_millis, to_millis};
use crate::{Action, Collection, Expect, Record, Store, StoreError, StoreErrorKind, Transaction, Version};

/// A store in memory, for tests and for state that may be lost with the process.
///
/// ```
/// use fleetcert_store::{Collection, Expect, MemoryStore, Store, Transaction};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
/// # runtime.block_on(async {
/// const DEVICES: Collection = Collection::new("device");
/// let store = MemoryStore::new();
/// let first =
///     Transaction::new().put(DEVICES, "1", Expect::Absent, b"a".to_vec(), None);
/// let version = store.commit(first).await?;
/// let record = store.read(DEVICES, "1").await?.expect("it was just written");
/// assert_eq!(record.version, version);
/// # Ok::<(), fleetcert_store::StoreError>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct MemoryStore {
    records: Mutex<Records>,
}

/// All collections, and the last version.
#[derive(Clone, Debug, Default)]
pub(crate) struct Records {
    sequence: i64,
    collections: BTreeMap<Collection, Table>,
}

#[derive(Clone, Debug, Default)]
struct Table {
    records: BTreeMap<String, Record>,
    /// Due time and key of every record with a due time.
    due: BTreeSet<(i64, String)>,
}

impl MemoryStore {
    /// Returns an empty store.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Records {
    fn table(&mut self, collection: Collection) -> &mut Table {
        self.collections.entry(collection).or_default()
    }

    pub(crate) fn read(&self, collection: Collection, key: &str) -> Option<Record> {
        self.collections.get(&collection)?.records.get(key).cloned()
    }

    pub(crate) fn page(&self, collection: Collection, after: Option<&str>, limit: usize) -> Vec<Record> {
        let Some(table) = self.collections.get(&collection) else { return Vec::new() };
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let records = table.records.range::<str, _>((start, Bound::Unbounded));
        records.take(limit).map(|(_, record)| record.clone()).collect()
    }

    pub(crate) fn commit(&mut self, transaction: &Transaction) -> Result<Version, StoreError> {
        self.require(transaction)?;
        self.sequence += 1;
        let version = Version(self.sequence);
        for write in transaction.writes() {
            let table = self.table(write.collection);
            match &write.action {
                Action::Check => {}
                Action::Put { value, due } => table.put(Record {
                    key: write.key.clone(),
                    version,
                    due: due.map(|due| from_millis(to_millis(due))),
                    value: value.clone(),
                }),
                Action::Delete => table.delete(&write.key),
            }
        }
        Ok(version)
    }

    fn require(&self, transaction: &Transaction) -> Result<(), StoreError> {
        for write in transaction.writes() {
            let found = self.read(write.collection, &write.key).map(|record| record.version);
            let fits = match write.expect {
                Expect::Absent => found.is_none(),
                Expect::Version(version) => found == Some(version),
                Expect::Any => true,
            };
            if !fits {
                return Err(StoreError::new(StoreErrorKind::Conflict, format!("{write:?}, found {found:?}")));
            }
        }
        Ok(())
    }

    pub(crate) fn claim(
        &mut self,
        collection: Collection,
        now: SystemTime,
        until: SystemTime,
        limit: usize,
    ) -> Vec<Record> {
        self.sequence += 1;
        let version = Version(self.sequence);
        let table = self.table(collection);
        let due = table.due.iter().take_while(|(due, _)| *due <= to_millis(now)).take(limit);
        let keys: Vec<String> = due.map(|(_, key)| key.clone()).collect();
        let mut claimed = Vec::with_capacity(keys.len());
        for key in keys {
            if let Some(record) = table.records.get(&key) {
                let record = Record { version, due: Some(from_millis(to_millis(until))), ..record.clone() };
                table.put(record.clone());
                claimed.push(record);
            }
        }
        claimed
    }

    pub(crate) fn count_due(&self, collection: Collection, time: SystemTime, limit: usize) -> usize {
        let Some(table) = self.collections.get(&collection) else { return 0 };
        table.due.iter().take(limit).take_while(|(due, _)| *due < to_millis(time)).count()
    }
}

impl Table {
    fn put(&mut self, record: Record) {
        self.delete(&record.key);
        if let Some(due) = record.due {
            self.due.insert((to_millis(due), record.key.clone()));
        }
        self.records.insert(record.key.clone(), record);
    }

    fn delete(&mut self, key: &str) {
        if let Some(Record { due: Some(due), key, .. }) = self.records.remove(key) {
            self.due.remove(&(to_millis(due), key));
        }
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn read(&self, collection: Collection, key: &str) -> Result<Option<Record>, StoreError> {
        Ok(self.records.lock().read(collection, key))
    }

    async fn page(
        &self,
        collection: Collection,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        Ok(self.records.lock().page(collection, after, limit))
    }

    async fn commit(&self, transaction: Transaction) -> Result<Version, StoreError> {
        transaction.require_bounds()?;
        self.records.lock().commit(&transaction)
    }

    async fn claim(
        &self,
        collection: Collection,
        now: SystemTime,
        until: SystemTime,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        Ok(self.records.lock().claim(collection, now, until, limit))
    }

    async fn count_due(
        &self,
        collection: Collection,
        time: SystemTime,
        limit: usize,
    ) -> Result<usize, StoreError> {
        Ok(self.records.lock().count_due(collection, time, limit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn conforms() {
        crate::conformance::check(std::sync::Arc::new(MemoryStore::new())).await.unwrap();
    }
}
