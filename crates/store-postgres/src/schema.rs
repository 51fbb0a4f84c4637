//! Creates the schema, and recognises an existing one.

use fleetcert_store::{StoreError, StoreErrorKind};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::error::database_error;

const VERSION: i32 = 1;
const OBJECTS: &str = include_str!("schema.sql");

/// What the database holds under the schema's name.
enum Found {
    Nothing,
    EmptySchema,
    Ours,
}

/// Creates the schema if it is missing, and checks its version.
pub(crate) async fn prepare(connection: &mut PgConnection, schema: &str) -> Result<(), StoreError> {
    if matches!(look(connection, schema).await?, Found::Ours) {
        return Ok(());
    }
    let mut transaction = connection.begin().await.map_err(database_error)?;
    // Nodes that start at the same time take turns, so that the second finds the schema.
    sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended('fleetcert schema ' || $1, 0))")
        .bind(schema)
        .execute(&mut *transaction)
        .await
        .map_err(database_error)?;
    let found = look(&mut transaction, schema).await?;
    if matches!(found, Found::Nothing) {
        // `PostgresOptions` allows only lower-case letters, digits and underscores.
        let create = AssertSqlSafe(format!("CREATE SCHEMA \"{schema}\""));
        sqlx::raw_sql(create).execute(&mut *transaction).await.map_err(database_error)?;
    }
    if !matches!(found, Found::Ours) {
        sqlx::raw_sql(OBJECTS).execute(&mut *transaction).await.map_err(database_error)?;
    }
    transaction.commit().await.map_err(database_error)
}

async fn look(connection: &mut PgConnection, schema: &str) -> Result<Found, StoreError> {
    let (exists, relations, marked): (bool, i64, bool) = sqlx::query_as(
        "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1),
                (SELECT count(*) FROM pg_class WHERE relnamespace = to_regnamespace(quote_ident($1))),
                to_regclass(quote_ident($1) || '.store_format') IS NOT NULL",
    )
    .bind(schema)
    .fetch_one(&mut *connection)
    .await
    .map_err(database_error)?;
    if !marked {
        return match (exists, relations) {
            (false, _) => Ok(Found::Nothing),
            (true, 0) => Ok(Found::EmptySchema),
            (true, _) => Err(foreign(schema, "of another program")),
        };
    }
    let format: Option<(String, i32)> =
        sqlx::query_as("SELECT application, version FROM store_format LIMIT 1")
            .fetch_optional(connection)
            .await
            .map_err(database_error)?;
    match format {
        Some((application, version)) if application == "fleetcert" => match version {
            VERSION => Ok(Found::Ours),
            other => Err(foreign(
                schema,
                &format!(
                    "of version {other} and this program knows version {VERSION}: use the program that wrote it"
                ),
            )),
        },
        _ => Err(foreign(schema, "of another program")),
    }
}

fn foreign(schema: &str, what: &str) -> StoreError {
    StoreError::new(StoreErrorKind::Corrupt, format!("the schema {schema} is {what}"))
}
