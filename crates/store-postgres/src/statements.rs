//! The statements, one function each. Names resolve in the store's schema, the only one of the search path.

use std::time::SystemTime;

use fleetcert_store::{Action, Collection, Expect, Record, StoreError, StoreErrorKind, Transaction, Version};
use fleetcert_store::{from_millis, to_millis};
use sqlx::PgConnection;

use crate::error::database_error;

type Row = (Vec<u8>, i64, Option<i64>, Vec<u8>);

pub(crate) async fn read(
    connection: &mut PgConnection,
    collection: Collection,
    key: &str,
) -> Result<Option<Record>, StoreError> {
    sqlx::query_as("SELECT key, version, due, value FROM records WHERE collection = $1 AND key = $2")
        .bind(collection.as_str())
        .bind(key.as_bytes())
        .fetch_optional(connection)
        .await
        .map_err(database_error)?
        .map(record)
        .transpose()
}

pub(crate) async fn page(
    connection: &mut PgConnection,
    collection: Collection,
    after: &str,
    limit: usize,
) -> Result<Vec<Record>, StoreError> {
    sqlx::query_as(
        "SELECT key, version, due, value FROM records
         WHERE collection = $1 AND key > $2 ORDER BY key LIMIT $3",
    )
    .bind(collection.as_str())
    .bind(after.as_bytes())
    .bind(count(limit))
    .fetch_all(connection)
    .await
    .map_err(database_error)?
    .into_iter()
    .map(record)
    .collect()
}

pub(crate) async fn count_due(
    connection: &mut PgConnection,
    collection: Collection,
    time: SystemTime,
    limit: usize,
) -> Result<usize, StoreError> {
    let found: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM (SELECT 1 FROM records WHERE collection = $1 AND due < $2 LIMIT $3) AS due",
    )
    .bind(collection.as_str())
    .bind(to_millis(time))
    .bind(count(limit))
    .fetch_one(connection)
    .await
    .map_err(database_error)?;
    Ok(usize::try_from(found).unwrap_or_default())
}

/// Claims records, skipping those that another claim or transaction has locked. The version is taken when all rows are
/// locked (`count` reads them all), so that no record's version decreases.
pub(crate) async fn claim(
    connection: &mut PgConnection,
    collection: Collection,
    now: SystemTime,
    until: SystemTime,
    limit: usize,
) -> Result<Vec<Record>, StoreError> {
    sqlx::query_as(
        "WITH claimed AS MATERIALIZED (
             SELECT key, due FROM records WHERE collection = $1 AND due <= $2
             ORDER BY due, key LIMIT $4 FOR UPDATE SKIP LOCKED
         ), fence AS MATERIALIZED (
             SELECT nextval('versions') AS version FROM (SELECT count(*) AS number FROM claimed) AS counted
             WHERE number > 0
         ), leased AS (
             UPDATE records SET version = fence.version, due = $3 FROM claimed, fence
             WHERE records.collection = $1 AND records.key = claimed.key
             RETURNING records.key, records.version, records.due, records.value
         )
         SELECT leased.key, leased.version, leased.due, leased.value
         FROM leased JOIN claimed ON claimed.key = leased.key ORDER BY claimed.due, claimed.key",
    )
    .bind(collection.as_str())
    .bind(to_millis(now))
    .bind(to_millis(until))
    .bind(count(limit))
    .fetch_all(connection)
    .await
    .map_err(database_error)?
    .into_iter()
    .map(record)
    .collect()
}

/// Commits in one exchange, independent of the number of writes.
pub(crate) async fn commit(
    connection: &mut PgConnection,
    transaction: &Transaction,
) -> Result<Version, StoreError> {
    // All transactions lock in this order.
    let mut writes: Vec<_> = transaction.writes().iter().collect();
    writes.sort_by_key(|write| (write.collection, write.key.as_str()));
    let mut columns = Columns::default();
    for write in &writes {
        columns.collections.push(write.collection.as_str());
        columns.keys.push(write.key.as_bytes());
        let (expectation, expected) = match write.expect {
            Expect::Any => (0, 0),
            Expect::Absent => (1, 0),
            Expect::Version(version) => (2, version.number()),
        };
        columns.expectations.push(expectation);
        columns.expected.push(expected);
        let (action, due, content) = match &write.action {
            Action::Check => (0, None, None),
            Action::Put { value, due } => (1, due.map(to_millis), Some(value.as_slice())),
            Action::Delete => (2, None, None),
        };
        columns.actions.push(action);
        columns.dues.push(due);
        columns.contents.push(content);
    }
    let (made, refused, standing): (Option<i64>, Option<i32>, Option<i64>) =
        sqlx::query_as("SELECT made, refused, standing FROM commit_transaction($1, $2, $3, $4, $5, $6, $7)")
            .bind(columns.collections)
            .bind(columns.keys)
            .bind(columns.expectations)
            .bind(columns.expected)
            .bind(columns.actions)
            .bind(columns.dues)
            .bind(columns.contents)
            .fetch_one(connection)
            .await
            .map_err(database_error)?;
    if let Some(version) = made {
        return Ok(Version::from_number(version));
    }
    let position = refused.and_then(|position| usize::try_from(position).ok()?.checked_sub(1));
    let (kind, why) = match position.and_then(|position| writes.get(position)) {
        Some(write) => {
            let found = standing.map(Version::from_number);
            (StoreErrorKind::Conflict, format!("{write:?}, found {found:?}"))
        }
        None => (
            StoreErrorKind::Corrupt,
            "the function commit_transaction in the database does not belong to this program".to_owned(),
        ),
    };
    Err(StoreError::new(kind, why))
}

#[derive(Default)]
struct Columns<'a> {
    collections: Vec<&'a str>,
    keys: Vec<&'a [u8]>,
    expectations: Vec<i16>,
    expected: Vec<i64>,
    actions: Vec<i16>,
    dues: Vec<Option<i64>>,
    contents: Vec<Option<&'a [u8]>>,
}

fn record((key, version, due, value): Row) -> Result<Record, StoreError> {
    let key = String::from_utf8(key).map_err(|error| StoreError::new(StoreErrorKind::Corrupt, error))?;
    Ok(Record { key, version: Version::from_number(version), due: due.map(from_millis), value })
}

fn count(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
