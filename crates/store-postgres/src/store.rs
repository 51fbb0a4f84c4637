//! The store.

use std::fmt;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use fleetcert_store::{Collection, Record, Store, StoreError, StoreErrorKind, Transaction, Version};
use sqlx::pool::PoolConnection;
use sqlx::postgres::PgPoolOptions;
use sqlx::{Connection, PgConnection, PgPool, Postgres};

use crate::error::database_error;
use crate::{PostgresOptions, schema, statements};

/// What the server's own time-out has on top to reach us, before the connection is given up.
const GRACE: Duration = Duration::from_secs(2);
/// A connection that was idle for so long is tried before it is used: the server may have gone meanwhile.
const TRUSTED: Duration = Duration::from_secs(1);

/// Records in one schema of a PostgreSQL database, for any number of nodes.
///
/// Every call has a deadline. When it passes, or when a connection breaks, the call is
/// [`Unavailable`](StoreErrorKind::Unavailable), and whether a commit was made is not known. A call that is dropped
/// after it was sent runs to its end in the server.
///
/// The store holds a bounded number of connections and opens them when they are needed: call it inside a runtime of
/// tokio. Close it with [`close`](Self::close) where the server should not find its connections broken.
pub struct PostgresStore {
    pool: PgPool,
    /// For one statement.
    deadline: Duration,
}

impl PostgresStore {
    /// Connects, and makes the schema and its tables if there are none. Nodes may do so at the same time.
    ///
    /// The role must own the schema, or may create one in the database when it is not there.
    ///
    /// # Errors
    /// `Unavailable` when the server does not answer, refuses the password, or cannot prove that it is the named one.
    /// `Corrupt` when the schema is another program's, or of a newer version of this one: it is left as it is.
    /// `InvalidInput` when an option cannot be used, as a root certificate that is none.
    pub async fn connect(options: PostgresOptions) -> Result<Self, StoreError> {
        let pool = PgPoolOptions::new()
            .max_connections(options.max_connections)
            .acquire_timeout(options.connect_timeout)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .before_acquire(|connection, about| {
                Box::pin(async move {
                    if about.idle_for > TRUSTED {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .connect_lazy_with(options.session());
        let store = Self { pool, deadline: options.statement_timeout.saturating_add(GRACE) };
        let prepared = store.prepare(&options.schema).await;
        if prepared.is_err() {
            store.close().await;
        }
        prepared.map(|()| store)
    }

    async fn prepare(&self, schema: &str) -> Result<(), StoreError> {
        let mut session = self.session().await?;
        let outcome = self.in_time(schema::prepare(session.connection(), schema)).await;
        session.end(outcome)
    }

    /// Waits for the calls under way and closes the connections. Every later call is `Unavailable`.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    async fn session(&self) -> Result<Session, StoreError> {
        let connection = self.pool.acquire().await.map_err(database_error)?;
        Ok(Session { connection, is_between_statements: false })
    }

    async fn in_time<T>(
        &self,
        statement: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        match tokio::time::timeout(self.deadline, statement).await {
            Ok(result) => result,
            Err(elapsed) => Err(StoreError::new(StoreErrorKind::Unavailable, elapsed)),
        }
    }
}

/// A connection for one statement. It goes back to the pool when the statement's answer was read to its end; in every
/// other case, as when the call is dropped, it is closed: what still comes on it would be taken for the next answer.
struct Session {
    connection: PoolConnection<Postgres>,
    is_between_statements: bool,
}

impl Session {
    fn connection(&mut self) -> &mut PgConnection {
        &mut self.connection
    }

    fn end<T>(mut self, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
        self.is_between_statements = match &outcome {
            Ok(_) => true,
            Err(error) => error.kind() != StoreErrorKind::Unavailable,
        };
        outcome
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if !self.is_between_statements {
            self.connection.close_on_drop();
        }
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn read(&self, collection: Collection, key: &str) -> Result<Option<Record>, StoreError> {
        let mut session = self.session().await?;
        let outcome = self.in_time(statements::read(session.connection(), collection, key)).await;
        session.end(outcome)
    }

    async fn page(
        &self,
        collection: Collection,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        // No key is empty, so the empty text stands before all of them.
        let after = after.unwrap_or_default();
        let mut session = self.session().await?;
        let outcome = self.in_time(statements::page(session.connection(), collection, after, limit)).await;
        session.end(outcome)
    }

    async fn commit(&self, transaction: Transaction) -> Result<Version, StoreError> {
        transaction.require_bounds()?;
        let mut session = self.session().await?;
        let outcome = self.in_time(statements::commit(session.connection(), &transaction)).await;
        session.end(outcome)
    }

    async fn claim(
        &self,
        collection: Collection,
        now: SystemTime,
        until: SystemTime,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        let mut session = self.session().await?;
        let outcome =
            self.in_time(statements::claim(session.connection(), collection, now, until, limit)).await;
        session.end(outcome)
    }

    async fn count_due(
        &self,
        collection: Collection,
        time: SystemTime,
        limit: usize,
    ) -> Result<usize, StoreError> {
        let mut session = self.session().await?;
        let outcome =
            self.in_time(statements::count_due(session.connection(), collection, time, limit)).await;
        session.end(outcome)
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore")
            .field("connections", &self.pool.size())
            .field("idle", &self.pool.num_idle())
            .finish_non_exhaustive()
    }
}
