//! lego gets certificates from Pebble, proved by records that it wrote on BIND.

use std::fs;

use fleetcert_tests::bind::Bind;
use fleetcert_tests::lego::Lego;
use fleetcert_tests::pebble::{Pebble, PebbleConfig};
use fleetcert_tests::{Fault, openssl};

#[test]
fn every_name_gets_a_certificate_that_openssl_accepts() -> Result<(), Fault> {
    let bind = Bind::start("fleet.test")?;
    let mut config = PebbleConfig::with_resolver(bind.address());
    // lego sometimes gives up after a refused nonce, and it is not lego that is under test.
    config.nonce_reject = 0;
    let pebble = Pebble::start(&config)?;
    let lego = Lego::new(&pebble, &bind)?;
    let names: Vec<String> = (0..3).map(|number| format!("lego{number}.fleet.test")).collect();

    let measured = lego.issue_each(&names, 2)?;
    println!("lego: {:.2} certificates in a second; each took {:?}", measured.per_second(), measured.each);
    assert_eq!((measured.certificates, measured.each.len()), (3, 3));
    for name in &names {
        openssl::judge_chain(&lego.chain(name), name, pebble.issuing_root())?;
        openssl::judge_key(&lego.chain(name), &lego.key(name))?;
        assert_eq!(bind.dig(&format!("_acme-challenge.{name}"), "TXT")?, Vec::<String>::new());
    }

    // Pebble knows the certificates that it issued, and no others.
    let window = r#"{"suggestedWindow":{"start":"2020-01-01T00:00:00Z","end":"2020-01-02T00:00:00Z"}}"#;
    pebble.set_renewal_info(&fs::read_to_string(lego.chain(&names[0])).unwrap(), window)?;
    let elsewhere = tempfile::tempdir().unwrap();
    let foreign = openssl::make_chain(elsewhere.path(), &names[0])?.chain;
    assert!(pebble.set_renewal_info(&fs::read_to_string(foreign).unwrap(), window).is_err());
    Ok(())
}
