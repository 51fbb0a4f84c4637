//! curl fetches a page under the given root and name, and no other.

use fleetcert_tests::openssl::{self, PageServer};
use fleetcert_tests::{Fault, curl};
use tempfile::tempdir;

const NAME: &str = "xi8qz.fleet.test";

#[test]
fn a_page_is_fetched_with_its_root_alone() -> Result<(), Fault> {
    let (folder, elsewhere) = (tempdir().unwrap(), tempdir().unwrap());
    let files = openssl::make_chain(folder.path(), NAME)?;
    let foreign = openssl::make_chain(elsewhere.path(), NAME)?;
    let server = PageServer::start(&files)?;

    let page = curl::fetch(NAME, server.address(), &files.root)?;
    assert_eq!(page.status, 200);
    assert!(page.body.iter().any(|line| line.contains("s_server")), "{page:?}");

    let fault = curl::fetch("other.fleet.test", server.address(), &files.root).unwrap_err().to_string();
    assert!(fault.contains("exit status: 60"), "{fault}");
    let fault = curl::fetch(NAME, server.address(), &foreign.root).unwrap_err().to_string();
    assert!(fault.contains("exit status: 60"), "{fault}");
    Ok(())
}
