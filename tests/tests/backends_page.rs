//! The table in `docs/backends.md` is current.
//! `cargo run -p fleetcert-tests --features bind,knot,powerdns --example backends` rewrites it.

use fleetcert_tests::Fault;
use fleetcert_tests::backends_page::page;

#[tokio::test(flavor = "multi_thread")]
async fn the_table_is_current() -> Result<(), Fault> {
    let (path, page, renewed) = page().await?;
    let differences: Vec<_> =
        page.lines().zip(renewed.lines()).filter(|(is, should)| is != should).take(5).collect();
    assert!(page == renewed, "{} is not current, for instance: {differences:#?}", path.display());
    Ok(())
}
