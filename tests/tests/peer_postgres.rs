//! PostgreSQL runs for a test alone, keeps what it has through a crash, and leaves nothing behind.

use fleetcert_tests::Fault;
use fleetcert_tests::postgres::Postgres;

#[test]
fn a_server_answers_and_two_stand_side_by_side() -> Result<(), Fault> {
    let (one, other) = (Postgres::start()?, Postgres::start()?);
    one.psql("CREATE TABLE here (number integer)")?;
    assert_eq!(one.psql("SELECT to_regclass('here') IS NULL")?, ["f"]);
    assert_eq!(other.psql("SELECT to_regclass('here') IS NULL")?, ["t"]);
    Ok(())
}

#[test]
fn what_was_committed_outlives_a_crash() -> Result<(), Fault> {
    let mut server = Postgres::start()?;
    server.psql("CREATE TABLE here AS SELECT 17 AS number")?;
    server.crash()?;
    assert!(server.psql("SELECT 1").is_err());
    server.start_again()?;
    assert!(server.log().iter().any(|line| line.contains("not properly shut down")), "{:?}", server.log());
    assert_eq!(server.psql("SELECT number FROM here")?, ["17"]);
    Ok(())
}
