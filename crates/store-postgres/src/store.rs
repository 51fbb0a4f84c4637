//! The store in PostgreSQL.

use std::fmt;
use std::time::SystemTime;

use async_trait::async_trait;
use fleetcert_store::{Collection, Record, Store, StoreError, Transaction, Version};

use crate::pool::Pool;
use crate::{PostgresOptions, schema, statements};

/// Records in one schema of a PostgreSQL database, for any number of nodes.
///
/// Every call has a deadline. When it passes, or when a connection breaks, the call is
/// [`Unavailable`](fleetcert_store::StoreErrorKind::Unavailable), and it is unknown whether a commit took effect. If
/// the server closed a reused connection, a read is repeated on a new one before the same deadline. A call that is
/// dropped after it was sent runs to its end in the server.
///
/// The store opens a bounded number of connections on demand: call it inside a tokio runtime. Call
/// [`close`](Self::close) at the end, so that the server's log shows no broken connections.
pub struct PostgresStore {
    pool: Pool,
}

impl PostgresStore {
    /// Connects, and creates the schema and its tables if they are missing. Several nodes may do so at the same time.
    ///
    /// The role must own the schema, or may create one in the database if it is missing.
    ///
    /// # Errors
    /// `Unavailable` if the server does not answer, rejects the password, or cannot prove its identity. `Corrupt` if
    /// the schema belongs to another program or to a newer version of this one; it stays unchanged. `InvalidInput` if
    /// an option is invalid, such as a file without a root certificate.
    pub async fn connect(options: PostgresOptions) -> Result<Self, StoreError> {
        let store = Self { pool: Pool::new(&options) };
        let prepared = store.prepare(&options.schema).await;
        if prepared.is_err() {
            store.close().await;
        }
        prepared.map(|()| store)
    }

    async fn prepare(&self, schema: &str) -> Result<(), StoreError> {
        let mut session = self.pool.session().await?;
        let outcome = self.pool.within_deadline(schema::prepare(session.connection(), schema)).await;
        session.end(outcome)
    }

    /// Closes the connections; those in use when their call has ended. Every later call is `Unavailable`.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn read(&self, collection: Collection, key: &str) -> Result<Option<Record>, StoreError> {
        self.pool
            .reading(|mut session| async move {
                let outcome = statements::read(session.connection(), collection, key).await;
                (session, outcome)
            })
            .await
    }

    async fn page(
        &self,
        collection: Collection,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        // No key is empty, so the empty text sorts before all of them.
        let after = after.unwrap_or_default();
        self.pool
            .reading(|mut session| async move {
                let outcome = statements::page(session.connection(), collection, after, limit).await;
                (session, outcome)
            })
            .await
    }

    async fn commit(&self, transaction: Transaction) -> Result<Version, StoreError> {
        transaction.require_bounds()?;
        let mut session = self.pool.session().await?;
        let outcome = self.pool.within_deadline(statements::commit(session.connection(), &transaction)).await;
        session.end(outcome)
    }

    async fn claim(
        &self,
        collection: Collection,
        now: SystemTime,
        until: SystemTime,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        let mut session = self.pool.session().await?;
        let outcome = self
            .pool
            .within_deadline(statements::claim(session.connection(), collection, now, until, limit))
            .await;
        session.end(outcome)
    }

    async fn count_due(
        &self,
        collection: Collection,
        time: SystemTime,
        limit: usize,
    ) -> Result<usize, StoreError> {
        self.pool
            .reading(|mut session| async move {
                let outcome = statements::count_due(session.connection(), collection, time, limit).await;
                (session, outcome)
            })
            .await
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("idle", &self.pool.idle()).finish_non_exhaustive()
    }
}
