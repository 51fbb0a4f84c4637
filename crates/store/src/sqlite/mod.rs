//! The store in one SQLite file.

mod schema;
mod statements;

use parking_lot::{Mutex, MutexGuard};
use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::{Collection, Record, Store, StoreError, StoreErrorKind, Transaction, Version};

/// Records in one SQLite file, for one process on one machine.
///
/// Writes go through one connection, reads through another, so that neither waits for the other (write-ahead
/// log). Every commit is on the disk before it returns. Commits that wait at the same time share one sync of the
/// disk, which is what bounds them.
///
/// The work runs on tokio's threads for blocking work: call it inside a runtime.
#[derive(Debug)]
pub struct SqliteStore {
    writer: Arc<Writer>,
    reader: Arc<Mutex<Connection>>,
}

#[derive(Debug)]
struct Writer {
    connection: Mutex<Connection>,
    /// Transactions that wait for the connection. Whoever gets it next makes them all.
    waiting: Mutex<VecDeque<Waiting>>,
}

#[derive(Debug)]
struct Waiting {
    transaction: Transaction,
    answer: oneshot::Sender<Result<Version, StoreError>>,
}

/// More than this wait only if the disk stands still; then it is better to say so than to queue.
const MAX_WAITING: usize = 4096;
/// So many transactions share a sync, so that the first does not wait for too many others.
const MAX_GROUP: usize = 256;

impl SqliteStore {
    /// Opens the file, or makes it, readable by its owner alone.
    ///
    /// This blocks for as long as the disk takes.
    ///
    /// # Errors
    /// `Unavailable` when the file cannot be opened, `Corrupt` when it is of another program, of a newer version
    /// of this one, or damaged. It is never replaced by an empty one.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let writer = schema::open_for_writing(path)?;
        let reader = schema::open_for_reading(path)?;
        Ok(Self {
            writer: Arc::new(Writer { connection: Mutex::new(writer), waiting: Mutex::default() }),
            reader: Arc::new(Mutex::new(reader)),
        })
    }

    async fn reading<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let reader = Arc::clone(&self.reader);
        blocking(move || work(&lock(&reader)).map_err(database_error)).await
    }
}

impl Writer {
    fn enqueue(&self, transaction: Transaction) -> Result<Answer, StoreError> {
        let mut waiting = lock(&self.waiting);
        if waiting.len() >= MAX_WAITING {
            return Err(StoreError::new(StoreErrorKind::Unavailable, "too many writes wait for the disk"));
        }
        let (answer, receiver) = oneshot::channel();
        waiting.push_back(Waiting { transaction, answer });
        Ok(receiver)
    }

    /// Makes what waits, in groups. Returns at once when somebody else has made it meanwhile.
    fn make_waiting(&self) {
        let mut connection = lock(&self.connection);
        loop {
            let group: Vec<Waiting> = {
                let mut waiting = lock(&self.waiting);
                let size = waiting.len().min(MAX_GROUP);
                waiting.drain(..size).collect()
            };
            if group.is_empty() {
                return;
            }
            let transactions = group.iter().map(|waiting| &waiting.transaction);
            let results = statements::commit_group(&mut connection, transactions);
            for (waiting, result) in group.into_iter().zip(results) {
                // Nobody may be there to hear it any more: then the commit stands all the same.
                let _ = waiting.answer.send(result);
            }
        }
    }
}

type Answer = oneshot::Receiver<Result<Version, StoreError>>;

#[async_trait]
impl Store for SqliteStore {
    async fn read(&self, collection: Collection, key: &str) -> Result<Option<Record>, StoreError> {
        let key = key.to_owned();
        self.reading(move |connection| statements::read(connection, collection, &key)).await
    }

    async fn page(
        &self,
        collection: Collection,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        // No key is empty, so the empty text stands before all of them.
        let after = after.unwrap_or_default().to_owned();
        self.reading(move |connection| statements::page(connection, collection, &after, limit)).await
    }

    async fn commit(&self, transaction: Transaction) -> Result<Version, StoreError> {
        transaction.require_bounds()?;
        let answer = self.writer.enqueue(transaction)?;
        let writer = Arc::clone(&self.writer);
        blocking(move || {
            writer.make_waiting();
            Ok(())
        })
        .await?;
        answer.await.map_err(|lost| StoreError::new(StoreErrorKind::Unavailable, lost))?
    }

    async fn claim(
        &self,
        collection: Collection,
        now: SystemTime,
        until: SystemTime,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        let writer = Arc::clone(&self.writer);
        blocking(move || {
            let mut connection = lock(&writer.connection);
            statements::claim(&mut connection, collection, now, until, limit).map_err(database_error)
        })
        .await
    }

    async fn count_due(
        &self,
        collection: Collection,
        time: SystemTime,
        limit: usize,
    ) -> Result<usize, StoreError> {
        self.reading(move |connection| statements::count_due(connection, collection, time, limit)).await
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock()
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(join) => Err(StoreError::new(StoreErrorKind::Unavailable, join)),
    }
}

fn database_error(error: rusqlite::Error) -> StoreError {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    let kind = match error.sqlite_error_code() {
        Some(DatabaseCorrupt | NotADatabase) => StoreErrorKind::Corrupt,
        _ => StoreErrorKind::Unavailable,
    };
    StoreError::new(kind, error)
}

#[cfg(test)]
mod tests;
