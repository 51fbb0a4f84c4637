//! The connection pool: a bounded number of connections, opened when needed, each used by one statement at a time.
//!
//! sqlx's own pool sends a query whenever a connection is returned, in a task of its own. Here a statement costs one
//! exchange, nothing is spawned, and a connection in an unknown state is closed.

use parking_lot::{Mutex, MutexGuard};
use std::time::Duration;

use fleetcert_store::{StoreError, StoreErrorKind};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout};

use crate::PostgresOptions;
use crate::error::{database_error, is_lost_connection};

/// Margin of the deadline over the server's own statement timeout, so that the server's answer arrives first.
const DEADLINE_MARGIN: Duration = Duration::from_secs(2);
/// IdleConnection time after which a connection is checked before use: the server may have closed it.
const CHECK_AFTER_IDLE: Duration = Duration::from_secs(1);
/// Timeout of such a check; then the connection is replaced.
const CHECK_TIMEOUT: Duration = Duration::from_secs(1);

pub(crate) struct Pool {
    options: PgConnectOptions,
    connect_timeout: Duration,
    /// Deadline of one statement.
    deadline: Duration,
    /// One permit for each connection in use.
    permits: Semaphore,
    /// IdleConnection connections; the one used last is used next.
    idle: Mutex<Vec<IdleConnection>>,
}

struct IdleConnection {
    connection: PgConnection,
    since: Instant,
}

/// A connection in use by one statement.
pub(crate) struct Session<'a> {
    pool: &'a Pool,
    connection: PgConnection,
    /// Whether the connection was reused: then the server may have closed it.
    is_reused: bool,
    permit: SemaphorePermit<'a>,
}

impl Pool {
    pub(crate) fn new(options: &PostgresOptions) -> Self {
        Self {
            options: options.session(),
            connect_timeout: options.connect_timeout,
            deadline: options.statement_timeout.saturating_add(DEADLINE_MARGIN),
            permits: Semaphore::new(
                usize::try_from(options.max_connections)
                    .map_or(Semaphore::MAX_PERMITS, |number| number.min(Semaphore::MAX_PERMITS)),
            ),
            idle: Mutex::default(),
        }
    }

    /// Returns a connection that is known to work, or a new one.
    pub(crate) async fn session(&self) -> Result<Session<'_>, StoreError> {
        self.within_connect_timeout(self.wait_for_session()).await
    }

    async fn within_connect_timeout<T>(
        &self,
        connecting: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        timeout(self.connect_timeout, connecting).await.map_err(|_| {
            StoreError::new(StoreErrorKind::Unavailable, "timed out waiting for a database connection")
        })?
    }

    async fn wait_for_session(&self) -> Result<Session<'_>, StoreError> {
        let permit = self
            .permits
            .acquire()
            .await
            .map_err(|closed| StoreError::new(StoreErrorKind::Unavailable, closed))?;
        while let Some(IdleConnection { mut connection, since }) = self.take_idle() {
            if since.elapsed() < CHECK_AFTER_IDLE
                || matches!(timeout(CHECK_TIMEOUT, connection.ping()).await, Ok(Ok(())))
            {
                return Ok(Session { pool: self, connection, is_reused: true, permit });
            }
            // Connections that were idle for longer are no better, and each would cost its check.
            self.lock().clear();
        }
        self.new_session(permit).await
    }

    async fn new_session<'a>(&'a self, permit: SemaphorePermit<'a>) -> Result<Session<'a>, StoreError> {
        let connection = self.options.connect().await.map_err(database_error)?;
        Ok(Session { pool: self, connection, is_reused: false, permit })
    }

    /// Awaits a read-only statement. If the server closed a reused connection, the statement is repeated on a new
    /// one; a write may already have taken effect. Both attempts share the deadline of one call.
    ///
    /// The statement returns its session, because a future that borrows it could not be `Send`.
    pub(crate) async fn reading<'a, T, F>(
        &'a self,
        statement: impl Fn(Session<'a>) -> F,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = (Session<'a>, Result<T, StoreError>)>,
    {
        let ask = |session| self.within_deadline(async { Ok(statement(session).await) });
        let tries = async {
            let (mut session, mut outcome) = ask(self.session().await?).await?;
            if session.is_reused && outcome.as_ref().is_err_and(is_lost_connection) {
                (session, outcome) = ask(session.replaced().await?).await?;
            }
            session.end(outcome)
        };
        timeout(self.connect_timeout.saturating_add(self.deadline), tries)
            .await
            .map_err(|elapsed| StoreError::new(StoreErrorKind::Unavailable, elapsed))?
    }

    /// Awaits a statement until its deadline.
    pub(crate) async fn within_deadline<T>(
        &self,
        statement: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        timeout(self.deadline, statement)
            .await
            .map_err(|elapsed| StoreError::new(StoreErrorKind::Unavailable, elapsed))?
    }

    /// Closes idle connections now; connections in use are closed when their statement has ended.
    pub(crate) async fn close(&self) {
        self.permits.close();
        while let Some(IdleConnection { connection, .. }) = self.take_idle() {
            // If the server does not receive the message, it notices the closed connection.
            let _ = timeout(DEADLINE_MARGIN, connection.close()).await;
        }
    }

    /// Returns the number of idle connections.
    pub(crate) fn idle(&self) -> usize {
        self.lock().len()
    }

    fn take_idle(&self) -> Option<IdleConnection> {
        self.lock().pop()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<IdleConnection>> {
        // Nothing under this lock can panic halfway.
        self.idle.lock()
    }
}

impl Session<'_> {
    pub(crate) fn connection(&mut self) -> &mut PgConnection {
        &mut self.connection
    }

    /// Returns the connection to the pool if the statement's answer was read to its end. In every other case, such as
    /// a dropped call, it is closed: the rest of the answer would be taken for the next one.
    pub(crate) fn end<T>(self, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
        let mut idle = self.pool.lock();
        match &outcome {
            // A server that closed one connection has closed the others too: each would cost a call.
            Err(error) if is_lost_connection(error) => idle.clear(),
            Err(error) if error.kind() == StoreErrorKind::Unavailable => {}
            _ if self.pool.permits.is_closed() => {}
            _ => idle.push(IdleConnection { connection: self.connection, since: Instant::now() }),
        }
        outcome
    }

    /// Replaces a connection that the server closed. IdleConnection connections are not used for it: the server has
    /// probably closed them too, and other calls may return more of them at any time.
    async fn replaced(self) -> Result<Self, StoreError> {
        let Self { pool, connection, permit, .. } = self;
        drop(connection);
        pool.lock().clear();
        pool.within_connect_timeout(pool.new_session(permit)).await
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::task::{JoinHandle, spawn_blocking};
    use tokio::time::sleep;

    use super::*;

    const CONNECT: Duration = Duration::from_secs(5);
    const STATEMENT: Duration = Duration::from_secs(10);

    /// A server that lets everyone log in. The statements of these tests do not query it.
    struct Server(Arc<TcpListener>);

    impl Server {
        fn new() -> Self {
            Self(Arc::new(TcpListener::bind("127.0.0.1:0").unwrap()))
        }

        fn pool(&self) -> Pool {
            let url = format!("postgres://user@{}/database", self.0.local_addr().unwrap());
            let options = PostgresOptions::from_url(&url).unwrap().with_connect_timeout(CONNECT);
            Pool::new(&options.with_statement_timeout(STATEMENT))
        }

        /// Accepts one connection. Until then virtual time stands still, because a blocking task holds it.
        fn accept_one(&self) -> JoinHandle<TcpStream> {
            let listener = Arc::clone(&self.0);
            spawn_blocking(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let mut length = [0; 4];
                stream.read_exact(&mut length).unwrap();
                stream.read_exact(&mut vec![0; u32::from_be_bytes(length) as usize - 4]).unwrap();
                // AuthenticationOk, and ReadyForQuery outside a transaction.
                stream.write_all(b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I").unwrap();
                stream
            })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn both_attempts_of_a_read_share_one_deadline() {
        let server = Server::new();
        let pool = server.pool();
        let _stays_open = server.accept_one();
        pool.session().await.unwrap().end(Ok(())).unwrap();
        let (tries, began) = (AtomicUsize::new(0), Instant::now());
        let read = pool.reading(|session| async {
            if tries.fetch_add(1, Ordering::Relaxed) == 0 {
                sleep(STATEMENT).await;
                drop(server.accept_one());
                let lost = sqlx::Error::Io(io::ErrorKind::ConnectionReset.into());
                return (session, Err(database_error(lost)));
            }
            sleep(STATEMENT).await;
            (session, Ok(()))
        });
        assert_eq!(read.await.unwrap_err().kind(), StoreErrorKind::Unavailable);
        assert_eq!(tries.into_inner(), 2);
        assert_eq!(began.elapsed().as_secs(), (CONNECT + STATEMENT + DEADLINE_MARGIN).as_secs());
    }
}
