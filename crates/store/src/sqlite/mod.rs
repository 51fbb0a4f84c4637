//! The store in an SQLite file.

mod schema;
mod statements;

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::{Collection, Record, Store, StoreError, StoreErrorKind, Transaction, Version};

/// Records in one SQLite file on a local disk.
///
/// Several processes on one machine may open the same file, for example a control server and a command-line tool:
/// SQLite's file locks serialize transactions and claims between them. A process waits at most 5 seconds for another
/// one's write, then the call is [`Unavailable`](StoreErrorKind::Unavailable). Do not put the file on a network file
/// system: the write-ahead log needs shared memory. Use PostgreSQL for several machines.
///
/// Writes use one connection and reads another, so that neither waits for the other. Every commit is on the disk
/// before the call returns. Commits that wait at the same time share one sync of the disk, which bounds their rate.
///
/// The work runs on tokio's threads for blocking work: call the methods inside a runtime.
///
/// ```
/// use fleetcert_store::{Collection, Expect, SqliteStore, Store, Transaction};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
/// # runtime.block_on(async {
/// const DEVICES: Collection = Collection::new("device");
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("state.db");
/// let make =
///     Transaction::new().put(DEVICES, "1", Expect::Absent, b"a".to_vec(), None);
/// SqliteStore::open(&path)?.commit(make).await?;
///
/// let reopened = SqliteStore::open(&path)?;
/// assert!(reopened.read(DEVICES, "1").await?.is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct SqliteStore {
    writer: Arc<Writer>,
    reader: Arc<Mutex<Connection>>,
}

#[derive(Debug)]
struct Writer {
    connection: Mutex<Connection>,
    /// Transactions that wait for the connection. The next task that locks it commits all of them.
    waiting: Mutex<VecDeque<Waiting>>,
}

#[derive(Debug)]
struct Waiting {
    transaction: Transaction,
    answer: oneshot::Sender<Result<Version, StoreError>>,
}

/// Maximum waiting transactions. More of them wait only if the disk hangs; then an error is better than a queue.
const MAX_WAITING: usize = 4096;
/// Maximum transactions that share a sync, which bounds the delay of the first one.
const MAX_GROUP: usize = 256;

impl SqliteStore {
    /// Opens the file, or creates it, readable by its owner only. Blocks on the disk.
    ///
    /// # Errors
    /// `Unavailable` if the file cannot be opened; `Corrupt` if it belongs to another program or to a newer version of
    /// this one, or is damaged. An existing file is never replaced by an empty one.
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
        blocking(move || work(&reader.lock()).map_err(database_error)).await
    }
}

impl Writer {
    fn enqueue(&self, transaction: Transaction) -> Result<Answer, StoreError> {
        let mut waiting = self.waiting.lock();
        if waiting.len() >= MAX_WAITING {
            return Err(StoreError::new(StoreErrorKind::Unavailable, "too many writes wait for the disk"));
        }
        let (answer, receiver) = oneshot::channel();
        waiting.push_back(Waiting { transaction, answer });
        Ok(receiver)
    }

    /// Commits waiting transactions in groups. Returns at once if another task has committed them.
    fn commit_waiting(&self) {
        let mut connection = self.connection.lock();
        loop {
            let group: Vec<Waiting> = {
                let mut waiting = self.waiting.lock();
                let size = waiting.len().min(MAX_GROUP);
                waiting.drain(..size).collect()
            };
            if group.is_empty() {
                return;
            }
            let transactions = group.iter().map(|waiting| &waiting.transaction);
            let results = statements::commit_group(&mut connection, transactions);
            for (waiting, result) in group.into_iter().zip(results) {
                // The caller may have been dropped. The commit still counts.
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
        // No key is empty, so the empty text sorts before all of them.
        let after = after.unwrap_or_default().to_owned();
        self.reading(move |connection| statements::page(connection, collection, &after, limit)).await
    }

    async fn commit(&self, transaction: Transaction) -> Result<Version, StoreError> {
        transaction.require_bounds()?;
        let answer = self.writer.enqueue(transaction)?;
        let writer = Arc::clone(&self.writer);
        blocking(move || {
            writer.commit_waiting();
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
            let mut connection = writer.connection.lock();
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
