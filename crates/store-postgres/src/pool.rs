//! The connections of a store: a bounded number, opened when needed, used by one statement at a time.
//!
//! sqlx's own pool asks the server once more whenever a connection comes back, in a task of its own; here a statement
//! costs one exchange, nothing is spawned, and a connection of which it is not known what comes on it next is closed.

use parking_lot::{Mutex, MutexGuard};
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
    permit: SemaphorePermit<'a>,
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
        self.in_connect_time(self.wait_for_session()).await
    }

    async fn in_connect_time<T>(
        &self,
        connecting: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        timeout(self.connect_timeout, connecting).await.map_err(|_| {
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
                return Ok(Session { pool: self, connection, is_kept: true, permit });
            }
            // Those that waited longer are no better, and each would cost its trial.
            self.lock().clear();
        }
        self.new_session(permit).await
    }

    async fn new_session<'a>(&'a self, permit: SemaphorePermit<'a>) -> Result<Session<'a>, StoreError> {
        let connection = self.options.connect().await.map_err(database_error)?;
        Ok(Session { pool: self, connection, is_kept: false, permit })
    }

    /// Awaits a statement that only reads. It is asked once more, on a new connection, when the server closed one that was
    /// kept; what writes may have been made before the connection went. Both tries have the time of one call.
    ///
    /// The statement hands its session back, because a future that borrows it could not be known to be `Send`.
    pub(crate) async fn reading<'a, T, F>(
        &'a self,
        statement: impl Fn(Session<'a>) -> F,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = (Session<'a>, Result<T, StoreError>)>,
    {
        let ask = |session| self.in_time(async { Ok(statement(session).await) });
        let tries = async {
            let (mut session, mut outcome) = ask(self.session().await?).await?;
            if session.is_kept && outcome.as_ref().is_err_and(is_lost_connection) {
                (session, outcome) = ask(session.renewed().await?).await?;
            }
            session.end(outcome)
        };
        timeout(self.connect_timeout.saturating_add(self.deadline), tries)
            .await
            .map_err(|elapsed| StoreError::new(StoreErrorKind::Unavailable, elapsed))?
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
        self.idle.lock()
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

    /// A new connection in the place of one that the server closed. Those that are idle are not taken for it: they would
    /// be closed too, and others may bring more of them at any time.
    async fn renewed(self) -> Result<Self, StoreError> {
        let Self { pool, connection, permit, .. } = self;
        drop(connection);
        pool.lock().clear();
        pool.in_connect_time(pool.new_session(permit)).await
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

    /// What lets log in whoever comes. The statements of these tests do not ask it.
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

        /// Lets one in. Until then no time passes, as a blocking task holds it.
        fn lets_one_in(&self) -> JoinHandle<TcpStream> {
            let listener = Arc::clone(&self.0);
            spawn_blocking(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let mut length = [0; 4];
                stream.read_exact(&mut length).unwrap();
                stream.read_exact(&mut vec![0; u32::from_be_bytes(length) as usize - 4]).unwrap();
                // AuthenticationOk, and ReadyForQuery outside of a transaction.
                stream.write_all(b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I").unwrap();
                stream
            })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn both_tries_of_a_reader_have_the_time_of_one_call() {
        let server = Server::new();
        let pool = server.pool();
        let _stays_open = server.lets_one_in();
        pool.session().await.unwrap().end(Ok(())).unwrap();
        let (tries, began) = (AtomicUsize::new(0), Instant::now());
        let read = pool.reading(|session| async {
            if tries.fetch_add(1, Ordering::Relaxed) == 0 {
                sleep(STATEMENT).await;
                drop(server.lets_one_in());
                let lost = sqlx::Error::Io(io::ErrorKind::ConnectionReset.into());
                return (session, Err(database_error(lost)));
            }
            sleep(STATEMENT).await;
            (session, Ok(()))
        });
        assert_eq!(read.await.unwrap_err().kind(), StoreErrorKind::Unavailable);
        assert_eq!(tries.into_inner(), 2);
        assert_eq!(began.elapsed().as_secs(), (CONNECT + STATEMENT + GRACE).as_secs());
    }
}
