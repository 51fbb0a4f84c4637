//! Knot runs, takes updates that are signed with its key and no others, and keeps what it took when it is killed.

use fleetcert_tests::Fault;
use fleetcert_tests::knot::Knot;
use fleetcert_tests::name_server::write_key;

const RECORD: &str = "_acme-challenge.xi8qz.fleet.test";

#[test]
fn a_signed_update_is_answered() -> Result<(), Fault> {
    let knot = Knot::start("fleet.test")?;
    assert_eq!(knot.dig(RECORD, "TXT")?, Vec::<String>::new());
    knot.nsupdate(knot.key_file(), &[&format!("add {RECORD} 1 TXT \"proof\"")])?;
    assert_eq!(knot.dig(RECORD, "TXT")?, ["\"proof\""]);
    knot.nsupdate(knot.key_file(), &[&format!("delete {RECORD} TXT \"proof\"")])?;
    assert_eq!(knot.dig(RECORD, "TXT")?, Vec::<String>::new());
    Ok(())
}

#[test]
fn a_foreign_key_is_refused() -> Result<(), Fault> {
    let knot = Knot::start("fleet.test")?;
    let folder = tempfile::tempdir().unwrap();
    let foreign = folder.path().join("foreign.key");
    assert_ne!(write_key(&foreign)?, knot.key_secret());
    let refused =
        knot.nsupdate(&foreign, &[&format!("add {RECORD} 1 TXT \"proof\"")]).unwrap_err().to_string();
    assert!(refused.contains("BADSIG"), "{refused}");
    assert_eq!(knot.dig(RECORD, "TXT")?, Vec::<String>::new());
    Ok(())
}

#[test]
fn what_it_took_outlives_a_crash_and_a_stop() -> Result<(), Fault> {
    let (mut knot, other) = (Knot::start("fleet.test")?, Knot::start("fleet.test")?);
    knot.nsupdate(knot.key_file(), &[&format!("add {RECORD} 1 TXT \"one\"")])?;
    knot.kill();
    assert!(knot.dig(RECORD, "TXT").is_err());
    knot.start_again()?;
    assert_eq!(knot.dig(RECORD, "TXT")?, ["\"one\""]);
    knot.stop()?;
    assert!(knot.dig(RECORD, "TXT").is_err());
    knot.start_again()?;
    assert_eq!(knot.dig(RECORD, "TXT")?, ["\"one\""]);
    assert_eq!(other.dig(RECORD, "TXT")?, Vec::<String>::new());
    Ok(())
}

#[test]
fn it_starts_again_when_its_port_is_free_again() -> Result<(), Fault> {
    let mut server = Knot::start("fleet.test")?;
    server.lose_port(std::time::Duration::from_secs(2))?;
    server.start_again()?;
    // By TCP, on the port that the other had.
    assert!(server.transfer()?.iter().any(|line| line.contains("SOA")));
    Ok(())
}
