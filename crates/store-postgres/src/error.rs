//! The meaning of database errors.

use std::error::Error;

use fleetcert_store::{StoreError, StoreErrorKind};

/// Classifies an error of the database. The texts of sqlx and of the server name hosts, users and tables, but contain
/// no secrets and no values.
pub(crate) fn database_error(error: sqlx::Error) -> StoreError {
    use sqlx::Error as E;
    let kind = match &error {
        E::Database(database) => database.code().map_or(StoreErrorKind::Unavailable, |code| by_code(&code)),
        E::ColumnDecode { .. }
        | E::Decode(_)
        | E::TypeNotFound { .. }
        | E::ColumnNotFound(_)
        | E::ColumnIndexOutOfBounds { .. }
        | E::RowNotFound => StoreErrorKind::Corrupt,
        E::InvalidArgument(_) | E::Encode(_) | E::Configuration(_) => StoreErrorKind::InvalidInput,
        _ => StoreErrorKind::Unavailable,
    };
    StoreError::new(kind, error)
}

/// Returns whether an error of [`database_error`] says that the connection was lost before or during the statement:
/// the server closed it, or the network failed.
pub(crate) fn is_lost_connection(error: &StoreError) -> bool {
    use sqlx::Error as E;
    match error.source().and_then(|source| source.downcast_ref::<E>()) {
        Some(E::Io(_) | E::Protocol(_)) => true,
        Some(E::Database(database)) => database.code().is_some_and(|code| ends_the_session(&code)),
        _ => false,
    }
}

/// Matches admin_shutdown, crash_shutdown, cannot_connect_now, database_dropped, idle_session_timeout, and the class
/// of connection exceptions.
fn ends_the_session(code: &str) -> bool {
    matches!(code, "57P01" | "57P02" | "57P03" | "57P04" | "57P05") || code.starts_with("08")
}

/// Classifies by error code (PostgreSQL's appendix A).
fn by_code(code: &str) -> StoreErrorKind {
    match code.get(..2) {
        // A table, function or column is missing or belongs to another program, or a page is damaged.
        Some("42") if code != "42501" => StoreErrorKind::Corrupt,
        Some("3F" | "XX") => StoreErrorKind::Corrupt,
        // Text that the database's encoding cannot represent, or more than the server can hold at once.
        Some("22" | "54") => StoreErrorKind::InvalidInput,
        // Everything else may be temporary: no connection, no space, no permission yet, a shutdown, a timeout, a
        // deadlock with another program.
        _ => StoreErrorKind::Unavailable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_classified() {
        for (code, kind) in [
            ("57014", StoreErrorKind::Unavailable), // query_canceled: the statement timed out
            ("57P01", StoreErrorKind::Unavailable), // admin_shutdown
            ("53100", StoreErrorKind::Unavailable), // disk_full
            ("40P01", StoreErrorKind::Unavailable), // deadlock_detected
            ("25006", StoreErrorKind::Unavailable), // read_only_sql_transaction
            ("42501", StoreErrorKind::Unavailable), // insufficient_privilege
            ("42P01", StoreErrorKind::Corrupt),     // undefined_table
            ("42883", StoreErrorKind::Corrupt),     // undefined_function
            ("XX002", StoreErrorKind::Corrupt),     // index_corrupted
            ("22021", StoreErrorKind::InvalidInput), // character_not_in_repertoire
            ("", StoreErrorKind::Unavailable),
        ] {
            assert_eq!(by_code(code), kind, "{code}");
        }
    }

    #[test]
    fn lost_connection_is_recognised() {
        let cut = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        assert!(is_lost_connection(&database_error(sqlx::Error::Io(cut))));
        assert!(!is_lost_connection(&database_error(sqlx::Error::RowNotFound)));
        assert!(!is_lost_connection(&StoreError::new(StoreErrorKind::Unavailable, "timed out")));
        assert!(ends_the_session("57P01") && ends_the_session("08006"));
        assert!(!ends_the_session("57014"), "after a statement timeout the session continues");
    }
}
