//! Pebble runs, answers over HTTPS with its own root, and obeys its configuration.

use std::net::SocketAddr;
use std::time::Duration;

use fleetcert_tests::pebble::{Pebble, PebbleConfig};
use fleetcert_tests::{Directory, Fault};

fn nobody() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 1))
}

#[test]
fn the_directory_answers_over_https() -> Result<(), Fault> {
    let pebble = Pebble::start(&PebbleConfig::with_resolver(nobody()))?;
    pebble.directory().answers(Duration::from_secs(3))?;
    assert!(pebble.directory().diagnosis(Duration::from_secs(3)).contains("still answers"));
    let root = std::fs::read_to_string(pebble.issuing_root()).unwrap();
    assert!(root.starts_with("-----BEGIN CERTIFICATE-----"));
    assert_ne!(root, std::fs::read_to_string(pebble.directory().ca_root()).unwrap());
    Ok(())
}

#[test]
fn nothing_is_trusted_but_its_root() -> Result<(), Fault> {
    let one = Pebble::start(&PebbleConfig::with_resolver(nobody()))?;
    let other = Pebble::start(&PebbleConfig::with_resolver(nobody()))?;
    let crossed = Directory::new(one.directory().url(), other.directory().ca_root());
    assert!(crossed.answers(Duration::from_secs(3)).is_err());
    Ok(())
}

#[tokio::test]
async fn it_starts_inside_a_runtime() -> Result<(), Fault> {
    Pebble::start(&PebbleConfig::with_resolver(nobody()))?.directory().answers(Duration::from_secs(3))
}

#[test]
fn it_obeys_its_configuration() -> Result<(), Fault> {
    let mut config = PebbleConfig::with_resolver(nobody()).validity(Duration::from_secs(3600));
    config.nonce_reject = 17;
    config.authz_reuse = 0;
    config.strict = true;
    let log = Pebble::start(&config)?.log().join("\n");
    for told in [
        "reject 17% of good nonces",
        "authz reuse for each identifier 0% of the time",
        "Disabling random VA sleeps",
        "Running in strict mode",
        "profile \"default\" with certificate validity period of 3600 seconds",
        "Using custom DNS resolver for ACME challenges: 127.0.0.1:1",
    ] {
        assert!(log.contains(told), "no '{told}' in\n{log}");
    }
    assert!(!log.contains("VA always returns valid"));
    Ok(())
}

#[test]
fn it_ends_when_it_is_dropped() -> Result<(), Fault> {
    let pebble = Pebble::start(&PebbleConfig::with_resolver(nobody()))?;
    let address: SocketAddr =
        pebble.directory().url().trim_start_matches("https://").trim_end_matches("/dir").parse().unwrap();
    std::net::TcpStream::connect(address).unwrap();
    drop(pebble);
    assert!(std::net::TcpStream::connect(address).is_err());
    Ok(())
}
