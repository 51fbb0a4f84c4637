//! Certificates per second beside lego, for the same number of names at the same Pebble and BIND, in one run.
//!
//! Run it alone to read the figures: `cargo test -p fleetcert-tests --features lego --test comparison -- --nocapture`.

use std::time::Duration;

use fleetcert_tests::Fault;
use fleetcert_tests::journeys::Place;
use fleetcert_tests::lego::Lego;

const NAMES: u32 = 20;

#[test]
fn twenty_names() -> Result<(), Fault> {
    let place = Place::for_comparison()?;
    let ours = place.journey(NAMES)?;
    assert_eq!((ours.summary.issued, ours.summary.failed), (2 * u64::from(NAMES), 0));
    let bind = place.bind().ok_or_else(|| Fault::new("the zone is not on BIND"))?;
    let names: Vec<String> = (0..NAMES).map(|index| format!("lego{index}.{}", bind.zone())).collect();
    let lego = Lego::new(place.pebble(), bind)?;
    let one_by_one = lego.issue_each(&names, 1)?;
    assert_eq!(one_by_one.certificates, names.len());
    // lego waits about five seconds whenever Pebble has not validated at its first look; that is no work of either.
    let mut quick: Vec<f64> =
        one_by_one.each.iter().map(Duration::as_secs_f64).filter(|took| *took < 1.0).collect();
    quick.sort_by(f64::total_cmp);
    let of_ours = f64::from(2 * NAMES) / ours.summary.seconds;
    println!("| client | certificates | seconds | a second | ACME requests each |");
    println!("| --- | --- | --- | --- | --- |");
    println!(
        "| quickstart, {NAMES} devices, renewals included | {} | {:.1} | {of_ours:.2} | {:.2} |",
        2 * NAMES,
        ours.summary.seconds,
        ours.summary.acme_requests_per_certificate.unwrap_or_default(),
    );
    println!(
        "| lego, one process after another | {} | {:.1} | {:.2} | |",
        one_by_one.certificates,
        one_by_one.wall.as_secs_f64(),
        one_by_one.per_second(),
    );
    if let Some(median) = quick.get(quick.len() / 2) {
        println!(
            "| lego, only the {} that did not wait | {} | median {median:.3} | | |",
            quick.len(),
            quick.len()
        );
    }
    Ok(())
}
