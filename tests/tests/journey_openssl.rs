//! OpenSSL makes the request and judges the chain that is served; curl fetches the page.

use std::net::SocketAddr;
use std::time::Duration;

use fleetcert_tests::openssl::{self, KeyForm};
use fleetcert_tests::quickstart::Quickstart;
use fleetcert_tests::{Fault, curl};

const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn a_page_with_the_key_and_request_of_openssl() -> Result<(), Fault> {
    for form in [KeyForm::Pkcs8, KeyForm::Sec1] {
        let folder = tempfile::tempdir().map_err(Fault::while_doing("a folder"))?;
        let name = "web1.fleet.test";
        let files = openssl::make_csr(folder.path(), name, form)?;
        let out = folder.path().join("out");
        let running = Quickstart::built()?
            .arg("--label")
            .arg("web1")
            .arg("--csr")
            .arg(&files.csr)
            .arg("--key")
            .arg(&files.key)
            .arg("--out")
            .arg(&out)
            .arg("--stay")
            .start()?;
        let port = running.wait_for("the line for curl", LIMIT, |line| {
            let (_, rest) = line.split_once(&format!("--resolve {name}:"))?;
            rest.split(':').next()?.parse::<u16>().ok()
        })?;
        let page = SocketAddr::from(([127, 0, 0, 1], port));
        let root = out.join("root.pem");
        openssl::judge_server(page, name, &root)?;
        openssl::judge_chain(&out.join("fullchain.pem"), name, &root)?;
        openssl::judge_key(&out.join("fullchain.pem"), &out.join("privkey.pem"))?;
        let fetched = curl::fetch(name, page, &root)?;
        assert!(fetched.body.concat() == "web1.fleet.test answers over HTTPS", "{fetched:?}");
        assert!(openssl::judge_server(page, "web2.fleet.test", &root).is_err(), "the name is judged");
        assert!(running.interrupt()?.status.success());
    }
    Ok(())
}

#[test]
fn a_request_without_its_key_ends_with_the_chain() -> Result<(), Fault> {
    let folder = tempfile::tempdir().map_err(Fault::while_doing("a folder"))?;
    let files = openssl::make_csr(folder.path(), "web1.fleet.test", KeyForm::Pkcs8)?;
    let out = folder.path().join("out");
    let journey = Quickstart::built()?
        .arg("--label")
        .arg("web1")
        .arg("--csr")
        .arg(&files.csr)
        .arg("--out")
        .arg(&out)
        .run(LIMIT)?;
    assert_eq!((journey.summary.issued, journey.summary.failed), (1, 0));
    openssl::judge_chain(&out.join("fullchain.pem"), "web1.fleet.test", &out.join("root.pem"))?;
    openssl::judge_key(&out.join("fullchain.pem"), &files.key)
}
