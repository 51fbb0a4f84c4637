//! BIND runs, takes updates that are signed with its key and no others, and answers by UDP and TCP.

use fleetcert_tests::Fault;
use fleetcert_tests::bind::Bind;
use fleetcert_tests::name_server::write_key;

const RECORD: &str = "_acme-challenge.xi8qz.fleet.test";

#[test]
fn a_signed_update_is_answered() -> Result<(), Fault> {
    let bind = Bind::start("fleet.test")?;
    assert_eq!(bind.dig(RECORD, "TXT")?, Vec::<String>::new());
    bind.nsupdate(bind.key_file(), &[&format!("add {RECORD} 1 TXT \"proof\"")])?;
    assert_eq!(bind.dig(RECORD, "TXT")?, ["\"proof\""]);
    bind.nsupdate(bind.key_file(), &[&format!("delete {RECORD} TXT \"proof\"")])?;
    assert_eq!(bind.dig(RECORD, "TXT")?, Vec::<String>::new());
    Ok(())
}

#[test]
fn a_foreign_key_is_refused() -> Result<(), Fault> {
    let bind = Bind::start("fleet.test")?;
    let folder = tempfile::tempdir().unwrap();
    let foreign = folder.path().join("foreign.key");
    assert_ne!(write_key(&foreign)?, bind.key_secret());
    let refused =
        bind.nsupdate(&foreign, &[&format!("add {RECORD} 1 TXT \"proof\"")]).unwrap_err().to_string();
    assert!(refused.contains("BADSIG"), "{refused}");
    assert_eq!(bind.dig(RECORD, "TXT")?, Vec::<String>::new());
    Ok(())
}

#[test]
fn two_servers_stand_side_by_side() -> Result<(), Fault> {
    let (one, other) = (Bind::start("fleet.test")?, Bind::start("fleet.test")?);
    one.nsupdate(one.key_file(), &[&format!("add {RECORD} 1 TXT \"one\"")])?;
    assert_eq!(one.dig(RECORD, "TXT")?, ["\"one\""]);
    assert_eq!(other.dig(RECORD, "TXT")?, Vec::<String>::new());
    assert_eq!(other.dig("fleet.test", "NS")?, ["ns1.fleet.test."]);
    Ok(())
}

#[test]
fn the_key_file_is_in_binds_form() -> Result<(), Fault> {
    let bind = Bind::start("fleet.test")?;
    let text = std::fs::read_to_string(bind.key_file()).unwrap();
    assert!(text.starts_with(&format!("key \"{}\" {{", bind.key_name())), "{text}");
    assert!(text.contains("algorithm hmac-sha256;") && text.contains(bind.key_secret()), "{text}");
    Ok(())
}

#[test]
fn it_starts_again_when_its_port_is_free_again() -> Result<(), Fault> {
    let mut server = Bind::start("fleet.test")?;
    server.lose_port(std::time::Duration::from_secs(2))?;
    server.start_again()?;
    // By TCP, on the port that the other had.
    assert!(server.transfer()?.iter().any(|line| line.contains("SOA")));
    Ok(())
}
