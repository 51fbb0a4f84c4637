//! PowerDNS runs, takes updates that are signed with its key and no others, keeps what it took when it is killed, and
//! its HTTP API answers who has the key.

use fleetcert_tests::Fault;
use fleetcert_tests::name_server::write_key;
use fleetcert_tests::powerdns::PowerDns;

const RECORD: &str = "_acme-challenge.xi8qz.fleet.test";

#[test]
fn a_signed_update_is_answered() -> Result<(), Fault> {
    let powerdns = PowerDns::start("fleet.test")?;
    assert_eq!(powerdns.dig(RECORD, "TXT")?, Vec::<String>::new());
    powerdns.nsupdate(powerdns.key_file(), &[&format!("add {RECORD} 1 TXT \"proof\"")])?;
    assert_eq!(powerdns.dig(RECORD, "TXT")?, ["\"proof\""]);
    powerdns.nsupdate(powerdns.key_file(), &[&format!("delete {RECORD} TXT \"proof\"")])?;
    assert_eq!(powerdns.dig(RECORD, "TXT")?, Vec::<String>::new());
    Ok(())
}

#[test]
fn a_foreign_key_is_refused() -> Result<(), Fault> {
    let powerdns = PowerDns::start("fleet.test")?;
    let folder = tempfile::tempdir().unwrap();
    let foreign = folder.path().join("foreign.key");
    assert_ne!(write_key(&foreign)?, powerdns.key_secret());
    let refused =
        powerdns.nsupdate(&foreign, &[&format!("add {RECORD} 1 TXT \"proof\"")]).unwrap_err().to_string();
    // It does not say why, and does not sign that it refuses.
    assert!(refused.contains("REFUSED"), "{refused}");
    assert_eq!(powerdns.dig(RECORD, "TXT")?, Vec::<String>::new());
    Ok(())
}

#[test]
fn what_it_took_outlives_a_crash_and_a_stop() -> Result<(), Fault> {
    let (mut powerdns, other) = (PowerDns::start("fleet.test")?, PowerDns::start("fleet.test")?);
    powerdns.nsupdate(powerdns.key_file(), &[&format!("add {RECORD} 1 TXT \"one\"")])?;
    powerdns.kill();
    assert!(powerdns.dig(RECORD, "TXT").is_err());
    powerdns.start_again()?;
    assert_eq!(powerdns.dig(RECORD, "TXT")?, ["\"one\""]);
    powerdns.stop()?;
    assert!(powerdns.dig(RECORD, "TXT").is_err());
    powerdns.start_again()?;
    assert_eq!(powerdns.dig(RECORD, "TXT")?, ["\"one\""]);
    assert_eq!(other.dig(RECORD, "TXT")?, Vec::<String>::new());
    Ok(())
}

#[tokio::test]
async fn the_api_answers_who_has_its_key() -> Result<(), Box<dyn std::error::Error>> {
    let powerdns = PowerDns::start_with("fleet.test", &["default-api-rectify=no"])?;
    let url = format!("{}/api/v1/servers/localhost/zones/fleet.test.", powerdns.api_url());
    let ask = |key: &str| reqwest::Client::new().get(&url).header("X-API-Key", key).send();
    assert_eq!(ask("another").await?.status(), 401);
    let zone: serde_json::Value = serde_json::from_slice(&ask(powerdns.api_key()).await?.bytes().await?)?;
    assert_eq!((&zone["name"], zone["rrsets"].as_array().map(Vec::len)), (&"fleet.test.".into(), Some(3)));
    Ok(())
}

#[test]
fn it_starts_again_when_its_port_is_free_again() -> Result<(), Fault> {
    let mut server = PowerDns::start("fleet.test")?;
    server.lose_port(std::time::Duration::from_secs(2))?;
    server.start_again()?;
    // By TCP, on the port that the other had.
    assert!(server.transfer()?.iter().any(|line| line.contains("SOA")));
    Ok(())
}
