//! The statements, one function each.

use std::time::SystemTime;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::database_error;
use crate::record::{from_millis, to_millis};
use crate::{Action, Collection, Expect, Record, StoreError, StoreErrorKind, Transaction, Version};

pub(super) fn read(
    connection: &Connection,
    collection: Collection,
    key: &str,
) -> rusqlite::Result<Option<Record>> {
    connection
        .prepare_cached("SELECT key, version, due, value FROM record WHERE collection = ?1 AND key = ?2")?
        .query_row(params![collection.as_str(), key], record)
        .optional()
}

pub(super) fn page(
    connection: &Connection,
    collection: Collection,
    after: &str,
    limit: usize,
) -> rusqlite::Result<Vec<Record>> {
    connection
        .prepare_cached(
            "SELECT key, version, due, value FROM record WHERE collection = ?1 AND key > ?2 ORDER BY key LIMIT ?3",
        )?
        .query_map(params![collection.as_str(), after, count(limit)], record)?
        .collect()
}

pub(super) fn count_due(
    connection: &Connection,
    collection: Collection,
    time: SystemTime,
    limit: usize,
) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "SELECT count(*) FROM (SELECT 1 FROM record WHERE collection = ?1 AND due < ?2 LIMIT ?3)",
        )?
        .query_row(params![collection.as_str(), to_millis(time), count(limit)], |row| row.get::<_, i64>(0))
        .map(|found| usize::try_from(found).unwrap_or_default())
}

pub(super) fn claim(
    connection: &mut Connection,
    collection: Collection,
    now: SystemTime,
    until: SystemTime,
    limit: usize,
) -> rusqlite::Result<Vec<Record>> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let mut due: Vec<Record> = transaction
        .prepare_cached(
            "SELECT key, version, due, value FROM record WHERE collection = ?1 AND due <= ?2 ORDER BY due, key LIMIT ?3",
        )?
        .query_map(params![collection.as_str(), to_millis(now), count(limit)], record)?
        .collect::<rusqlite::Result<_>>()?;
    if due.is_empty() {
        return Ok(due);
    }
    let version = next_version(&transaction)?;
    for record in &mut due {
        transaction
            .prepare_cached("UPDATE record SET version = ?3, due = ?4 WHERE collection = ?1 AND key = ?2")?
            .execute(params![collection.as_str(), record.key, version.0, to_millis(until)])?;
        record.version = version;
        record.due = Some(from_millis(to_millis(until)));
    }
    transaction.commit()?;
    Ok(due)
}

/// Commits each transaction in turn, in one transaction of the database. Results are in the same order.
pub(super) fn commit_group<'a>(
    connection: &mut Connection,
    transactions: impl Iterator<Item = &'a Transaction>,
) -> Vec<Result<Version, StoreError>> {
    let transactions: Vec<&Transaction> = transactions.collect();
    let mut make = || -> rusqlite::Result<Vec<Result<Version, StoreError>>> {
        let mut group = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let mut results = Vec::with_capacity(transactions.len());
        for transaction in &transactions {
            let one = group.savepoint()?;
            let result = commit_one(&one, transaction)?;
            match result {
                Ok(_) => one.commit()?,
                Err(_) => one.finish()?, // rolled back: a savepoint's default
            }
            results.push(result);
        }
        group.commit()?;
        Ok(results)
    };
    match make() {
        Ok(results) => results,
        // The disk failed the group as a whole: each caller gets the error, one of them with its cause.
        Err(error) => {
            let cause = error.to_string();
            let kind = database_error(error).kind();
            transactions.iter().map(|_| Err(StoreError::new(kind, cause.clone()))).collect()
        }
    }
}

/// Runs one transaction. The outer error is the database's, the inner one a conflict.
fn commit_one(
    connection: &Connection,
    transaction: &Transaction,
) -> rusqlite::Result<Result<Version, StoreError>> {
    let version = next_version(connection)?;
    for write in transaction.writes() {
        let place = params![write.collection.as_str(), write.key];
        let found = connection
            .prepare_cached("SELECT version FROM record WHERE collection = ?1 AND key = ?2")?
            .query_row(place, |row| row.get(0).map(Version))
            .optional()?;
        let fits = match write.expect {
            Expect::Absent => found.is_none(),
            Expect::Version(version) => found == Some(version),
            Expect::Any => true,
        };
        if !fits {
            let conflict = format!("{write:?}, found {found:?}");
            return Ok(Err(StoreError::new(StoreErrorKind::Conflict, conflict)));
        }
        match &write.action {
            Action::Check => {}
            Action::Put { value, due } => {
                connection
                    .prepare_cached(
                        "INSERT INTO record (collection, key, version, due, value) VALUES (?1, ?2, ?3, ?4, ?5)
                         ON CONFLICT (collection, key) DO UPDATE SET version = ?3, due = ?4, value = ?5",
                    )?
                    .execute(params![
                        write.collection.as_str(),
                        write.key,
                        version.0,
                        due.map(to_millis),
                        value
                    ])?;
            }
            Action::Delete => {
                connection
                    .prepare_cached("DELETE FROM record WHERE collection = ?1 AND key = ?2")?
                    .execute(place)?;
            }
        }
    }
    Ok(Ok(version))
}

fn next_version(connection: &Connection) -> rusqlite::Result<Version> {
    connection
        .prepare_cached("UPDATE sequence SET last = last + 1 RETURNING last")?
        .query_row([], |row| row.get(0).map(Version))
}

fn record(row: &Row<'_>) -> rusqlite::Result<Record> {
    let due: Option<i64> = row.get(2)?;
    Ok(Record {
        key: row.get(0)?,
        version: Version(row.get(1)?),
        due: due.map(from_millis),
        value: row.get(3)?,
    })
}

fn count(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
