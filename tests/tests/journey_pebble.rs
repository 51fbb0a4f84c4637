//! The journey at a real CA: Pebble, with our name server as its resolver and its 5 % of refused nonces.

use fleetcert_tests::Fault;
use fleetcert_tests::journeys::{Place, require_whole};

#[test]
fn one_device() -> Result<(), Fault> {
    let journey = Place::with_our_name_server()?.journey(1)?;
    require_whole(&journey, 1);
    let told = journey.lines.join("\n");
    for number in 1..=17 {
        assert!(
            told.lines().any(|line| line.trim_start().starts_with(&format!("{number} "))),
            "{number} in\n{told}"
        );
    }
    assert!(!told.contains("not shown"), "{told}");
    Ok(())
}

#[test]
fn wildcard_and_host_name_in_one_certificate() -> Result<(), Fault> {
    let journey = Place::with_our_name_server()?.wildcard_journey()?;
    require_whole(&journey, 1);
    let told = journey.lines.join("\n");
    assert!(told.contains("certificates for *."), "{told}");
    Ok(())
}

#[test]
fn fifty_devices() -> Result<(), Fault> {
    require_whole(&Place::with_our_name_server()?.journey(50)?, 50);
    Ok(())
}

#[test]
fn a_window_that_is_not_open_is_said() -> Result<(), Fault> {
    let journey = Place::with_our_name_server_and_closed_windows()?.journey(1)?;
    assert_eq!((journey.summary.issued, journey.summary.failed), (1, 0));
    assert_eq!(journey.summary.leftover_challenge_records, 0);
    let told = journey.lines.join("\n");
    assert!(told.contains("not shown: the CA's window opens at 20"), "{told}");
    Ok(())
}
