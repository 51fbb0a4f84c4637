//! The store in PostgreSQL, on a real server: what it promises to several nodes, and what it does when the server goes.

use fleetcert_store::conformance;
use fleetcert_store_postgres::{PostgresOptions, PostgresStore};
use fleetcert_tests::postgres::Postgres;

async fn connect(server: &Postgres) -> PostgresStore {
    PostgresStore::connect(PostgresOptions::from_url(&server.url()).unwrap()).await.unwrap()
}

#[tokio::test]
async fn conforms() {
    let server = Postgres::start().unwrap();
    conformance::check(&connect(&server).await).await.unwrap();
}
