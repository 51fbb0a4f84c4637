//! Rewrites the table in `docs/backends.md`. It needs BIND, Knot and PowerDNS, as `tests/peers/install` links them.

use fleetcert_tests::backends_page::page;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (path, _, renewed) = page().await?;
    Ok(std::fs::write(path, renewed)?)
}
