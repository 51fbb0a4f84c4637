//! The connections of a store: a bounded number, opened when needed, used by one statement at a time.
//!
//! sqlx's own pool asks the server once more whenever a connection comes back, in a task of its own; here a statement
//! costs one exchange, nothing is spawned, and a connection of which it is not known what comes on it next is closed.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fleetcert_store::{StoreError, StoreErrorKind};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout};

use crate::PostgresOptions;
use crate::error::{database_error, is_lost_connection};

/// What the server's own time-out has on top to reach us, before the connection is given up.
const GRACE: Duration = Duration::from_secs(2);
/// A connection that was idle for so long is tried before it is used: the server may have gone meanwhile.
const TRUSTED: Duration = Duration::from_secs(1);
/// How long such a trial may take; then the connection is replaced.
const TRIAL: Duration = Duration::from_secs(1);

pub(crate) struct Pool {
    options: PgConnectOptions,
    connect_timeout: Duration,
    /// For one statement.
    deadline: Duration,
    /// One for each connection that is in use.
    permits: Semaphore,
    /// The one that was used last is used next.
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    connection: PgConnection,
    since: Instant,
}

/// A connection for one statement.
pub(crate) struct Session<'a> {
    pool: &'a Pool,
    connection: PgConnection,
    /// Whether it was used before: then the server may have closed it since.
    is_kept: bool,
    _permit: SemaphorePermit<'a>,
}

impl Pool {
    pub(crate) fn new(options: &PostgresOptions) -> Self {
        Self {
            options: options.session(),
            connect_timeout: options.connect_timeout,
            deadline: options.statement_timeout.saturating_add(GRACE),
            permits: Semaphore::new(
                usize::try_from(options.max_connections)
                    .map_or(Semaphore::MAX_PERMITS, |number| number.min(Semaphore::MAX_PERMITS)),
            ),
            idle: Mutex::default(),
        }
    }

    /// A connection that answered a moment ago, or a new one.
    pub(crate) async fn session(&self) -> Result<Session<'_>, StoreError> {
        timeout(self.connect_timeout, self.wait_for_session()).await.map_err(|_| {
            StoreError::new(StoreErrorKind::Unavailable, "no connection became free or was made in time")
        })?
    }

    async fn wait_for_session(&self) -> Result<Session<'_>, StoreError> {
        let permit = self
            .permits
            .acquire()
            .await
            .map_err(|closed| StoreError::new(StoreErrorKind::Unavailable, closed))?;
        while let Some(Idle { mut connection, since }) = self.take_idle() {
            if since.elapsed() < TRUSTED || matches!(timeout(TRIAL, connection.ping()).await, Ok(Ok(()))) {
                return Ok(Session { pool: self, connection, is_kept: true, _permit: permit });
            }
            // Those that waited longer are no better, and each would cost its trial.
            self.lock().clear();
        }
        let connection = self.options.connect().await.map_err(database_error)?;
        Ok(Session { pool: self, connection, is_kept: false, _permit: permit })
    }

    /// Awaits a statement for as long as it may take.
    pub(crate) async fn in_time<T>(
        &self,
        statement: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        timeout(self.deadline, statement)
            .await
            .map_err(|elapsed| StoreError::new(StoreErrorKind::Unavailable, elapsed))?
    }

    /// Closes what is idle now; what is in use is closed when its statement has ended.
    pub(crate) async fn close(&self) {
        self.permits.close();
        while let Some(Idle { connection, .. }) = self.take_idle() {
            // If the server does not hear the good-bye, it notices the closed connection.
            let _ = timeout(GRACE, connection.close()).await;
        }
    }

    /// How many connections wait for work.
    pub(crate) fn idle(&self) -> usize {
        self.lock().len()
    }

    fn take_idle(&self) -> Option<Idle> {
        self.lock().pop()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Idle>> {
        // Nothing under this lock can panic half-way.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session<'_> {
    pub(crate) fn connection(&mut self) -> &mut PgConnection {
        &mut self.connection
    }

    /// Gives the connection back if the statement's answer was read to its end. In every other case, as when the call is
    /// dropped, it is closed: what comes on it still would be taken for the next answer.
    pub(crate) fn end<T>(self, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
        let mut idle = self.pool.lock();
        match &outcome {
            // A server that closed one has closed the others too: each would cost a call.
            Err(error) if is_lost_connection(error) => idle.clear(),
            Err(error) if error.kind() == StoreErrorKind::Unavailable => {}
            _ if self.pool.permits.is_closed() => {}
            _ => idle.push(Idle { connection: self.connection, since: Instant::now() }),
        }
        outcome
    }

    /// [`end`](Self::end) for a statement that only reads; nothing when it is to be asked once more, because the server
    /// closed a connection that was kept. What writes may have been made before the connection went.
    pub(crate) fn end_reading<T>(self, outcome: Result<T, StoreError>) -> Option<Result<T, StoreError>> {
        let again = self.is_kept && outcome.as_ref().is_err_and(is_lost_connection);
        let outcome = self.end(outcome);
        (!again).then_some(outcome)
    }
}
