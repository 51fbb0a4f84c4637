//! What an error of the database means.

use fleetcert_store::{StoreError, StoreErrorKind};

/// The error by its outcome. The texts of sqlx and of the server name hosts, users and tables, but no secret and no
/// value.
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

/// By the class of the error code (PostgreSQL's appendix A).
fn by_code(code: &str) -> StoreErrorKind {
    match code.get(..2) {
        // A table, function or column of ours is not there, or is another's; or a page is damaged.
        Some("42") if code != "42501" => StoreErrorKind::Corrupt,
        Some("3F" | "XX") => StoreErrorKind::Corrupt,
        // Text that the database's encoding does not have; more than the server can hold at once.
        Some("22" | "54") => StoreErrorKind::InvalidInput,
        // Everything else may pass: no connection, no room, no permission yet, a shutdown, a time-out, a deadlock with
        // somebody else's program.
        _ => StoreErrorKind::Unavailable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_told_apart() {
        for (code, kind) in [
            ("57014", StoreErrorKind::Unavailable), // query_canceled: the statement's time is over
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
}
