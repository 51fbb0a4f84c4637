//! The journey with the zone on a real name server: BIND, through RFC 2136 and TSIG.

use std::time::Duration;

use fleetcert_tests::Fault;
use fleetcert_tests::bind::Bind;
#[cfg(feature = "pebble")]
use fleetcert_tests::journeys::{Place, require_whole};
use fleetcert_tests::quickstart::Quickstart;

#[test]
fn ten_devices_at_the_ca_in_the_process() -> Result<(), Fault> {
    let bind = Bind::start("fleet.test")?;
    let journey = Quickstart::built()?
        .arg("--rfc2136")
        .arg(bind.address().to_string())
        .arg("--tsig-key-file")
        .arg(bind.key_file())
        .arg("--zone")
        .arg(bind.zone())
        .arg("--devices")
        .arg("10")
        .run(Duration::from_secs(180))?;
    assert_eq!((journey.summary.issued, journey.summary.failed), (20, 0));
    assert_eq!(journey.summary.leftover_challenge_records, 0);
    Ok(())
}

#[cfg(feature = "pebble")]
#[test]
fn one_device_at_pebble() -> Result<(), Fault> {
    require_whole(&Place::with_bind()?.journey(1)?, 1);
    Ok(())
}

#[cfg(feature = "pebble")]
#[test]
fn fifty_devices_at_pebble() -> Result<(), Fault> {
    require_whole(&Place::with_bind()?.journey(50)?, 50);
    Ok(())
}

#[test]
fn a_wrong_key_is_said_in_one_sentence() -> Result<(), Fault> {
    let (bind, other) = (Bind::start("fleet.test")?, Bind::start("fleet.test")?);
    let ended = Quickstart::built()?
        .arg("--rfc2136")
        .arg(bind.address().to_string())
        .arg("--tsig-key-file")
        .arg(other.key_file())
        .arg("--zone")
        .arg(bind.zone())
        .finish(Duration::from_secs(90))?;
    assert_eq!(ended.status.code(), Some(1));
    let said = ended.stderr.join("\n");
    assert!(said.contains("step 4") && said.contains("does not accept our key"), "{said}");
    Ok(())
}
