//! The table in `docs/csr-gate.md` is current. `cargo run -p fleetcert-x509 --example who-takes-what` updates it.

#[path = "corpus/rows.rs"]
#[allow(dead_code, reason = "only the rows are needed, not what the gate says")]
mod corpus;
#[path = "corpus/table.rs"]
mod table;

#[test]
fn table_is_current() {
    let (path, page, renewed) = table::page();
    let differences =
        page.lines().zip(renewed.lines()).filter(|(is, should)| is != should).take(5).collect::<Vec<_>>();
    assert!(page == renewed, "{} is not current, for instance: {differences:#?}", path.display());
}
