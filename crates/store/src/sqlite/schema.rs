//! The schema of the database file, and how the file is opened.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::database_error;
use crate::{StoreError, StoreErrorKind};

/// "flct": distinguishes our files from those of other programs.
const APPLICATION_ID: i32 = 0x666c_6374;
const VERSION: i32 = 1;

const TABLES: &str = "
    CREATE TABLE record (
        collection TEXT NOT NULL,
        key TEXT NOT NULL,
        version INTEGER NOT NULL,
        due INTEGER,
        value BLOB NOT NULL,
        PRIMARY KEY (collection, key)
    ) STRICT;
    CREATE INDEX record_due ON record (collection, due) WHERE due IS NOT NULL;
    CREATE TABLE sequence (last INTEGER NOT NULL) STRICT;
    INSERT INTO sequence VALUES (0);
";

pub(super) fn open_for_writing(path: &Path) -> Result<Connection, StoreError> {
    create_private(path).map_err(|error| StoreError::new(StoreErrorKind::Unavailable, error))?;
    let mut connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(database_error)?;
    prepare(&mut connection)
        .map_err(database_error)?
        .map_err(|why| StoreError::new(StoreErrorKind::Corrupt, format!("{} is {why}", path.display())))?;
    Ok(connection)
}

pub(super) fn open_for_reading(path: &Path) -> Result<Connection, StoreError> {
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(database_error)?;
    connection.busy_timeout(BUSY).map_err(database_error)?;
    Ok(connection)
}

/// Maximum wait for the lock of another connection or process.
const BUSY: Duration = Duration::from_secs(5);
const BUSY_POLL: Duration = Duration::from_millis(10);

/// Sets up the connection and creates the tables of a new file. The inner error says what the file is instead.
fn prepare(connection: &mut Connection) -> rusqlite::Result<Result<(), String>> {
    connection.busy_timeout(BUSY)?;
    // One read transaction, as another process may create the tables at the same time.
    let snapshot = connection.transaction()?;
    let application: i32 = snapshot.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version: i32 = snapshot.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let tables: i64 = snapshot.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    drop(snapshot);
    match (application, version) {
        (0, 0) if tables == 0 => {}
        (APPLICATION_ID, VERSION) => {}
        (APPLICATION_ID, newer) => {
            return Ok(Err(format!(
                "of version {newer} and this program knows version {VERSION}: use the program that wrote it"
            )));
        }
        _ => return Ok(Err("the database of another program".to_owned())),
    }
    use_write_ahead_log(connection)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    if version == 0 {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let version: i32 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if version == 0 {
            transaction.execute_batch(TABLES)?;
            transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
            transaction.pragma_update(None, "user_version", VERSION)?;
        }
        transaction.commit()?;
    }
    Ok(Ok(()))
}

/// Switches to the write-ahead log. SQLite does not wait for another process's lock here, so this function does.
fn use_write_ahead_log(connection: &Connection) -> rusqlite::Result<()> {
    let mut waited = Duration::ZERO;
    loop {
        match connection.pragma_update(None, "journal_mode", "WAL") {
            Err(error) if is_busy(&error) && waited < BUSY => {
                std::thread::sleep(BUSY_POLL);
                waited += BUSY_POLL;
            }
            outcome => return outcome,
        }
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy)
}

/// Creates the file with its mode before SQLite writes to it. SQLite gives its side files the same mode.
fn create_private(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}
