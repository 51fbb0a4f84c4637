//! The store in memory: real in all but that it ends with the process.

use parking_lot::{Mutex, MutexGuard};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::time::SystemTime;

use async_trait::async_trait;

use crate::record::{from_millis, to_millis};
use crate::{Action, Collection, Expect, Record, Store, StoreError, StoreErrorKind, Transaction, Version};

/// Records in memory, for tests and for what may be lost.
#[derive(Debug, Default)]
pub struct MemoryStore {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    sequence: i64,
    collections: BTreeMap<Collection, Table>,
}

#[derive(Debug, Default)]
struct Table {
    records: BTreeMap<String, Record>,
    /// Due time and key of every record that has one.
    due: BTreeSet<(i64, String)>,
}

impl MemoryStore {
    /// A store without records.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl State {
    fn table(&mut self, collection: Collection) -> &mut Table {
        self.collections.entry(collection).or_default()
    }

    fn require(&mut self, transaction: &Transaction) -> Result<(), StoreError> {
        for write in transaction.writes() {
            let found = self.table(write.collection).records.get(&write.key).map(|record| record.version);
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
        Ok(self.lock().table(collection).records.get(key).cloned())
    }

    async fn page(
        &self,
        collection: Collection,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut state = self.lock();
        let records = state.table(collection).records.range::<str, _>((start, Bound::Unbounded));
        Ok(records.take(limit).map(|(_, record)| record.clone()).collect())
    }

    async fn commit(&self, transaction: Transaction) -> Result<Version, StoreError> {
        transaction.require_bounds()?;
        let mut state = self.lock();
        state.require(&transaction)?;
        state.sequence += 1;
        let version = Version(state.sequence);
        for write in transaction.writes() {
            let table = state.table(write.collection);
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

    async fn claim(
        &self,
        collection: Collection,
        now: SystemTime,
        until: SystemTime,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        let mut state = self.lock();
        state.sequence += 1;
        let version = Version(state.sequence);
        let table = state.table(collection);
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
        Ok(claimed)
    }

    async fn count_due(
        &self,
        collection: Collection,
        time: SystemTime,
        limit: usize,
    ) -> Result<usize, StoreError> {
        let mut state = self.lock();
        let due = state.table(collection).due.iter();
        Ok(due.take(limit).take_while(|(due, _)| *due < to_millis(time)).count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn conforms() {
        crate::conformance::check(&MemoryStore::new()).await.unwrap();
    }
}
