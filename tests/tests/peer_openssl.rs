//! OpenSSL makes CSRs, and judges chains and servers: it accepts the right ones and refuses the others.

use std::fs;

use fleetcert_tests::Fault;
use fleetcert_tests::openssl::{self, KeyForm, PageServer};
use tempfile::tempdir;

const NAME: &str = "xi8qz.fleet.test";

#[test]
fn a_csr_is_made_in_either_form_of_key() -> Result<(), Fault> {
    for (form, begin) in
        [(KeyForm::Pkcs8, "-----BEGIN PRIVATE KEY"), (KeyForm::Sec1, "-----BEGIN EC PRIVATE KEY")]
    {
        let folder = tempdir().unwrap();
        let files = openssl::make_csr(folder.path(), NAME, form)?;
        assert!(fs::read_to_string(files.csr).unwrap().starts_with("-----BEGIN CERTIFICATE REQUEST"));
        assert!(fs::read_to_string(files.key).unwrap().starts_with(begin));
    }
    Ok(())
}

#[test]
fn a_server_is_judged_by_its_root_and_name() -> Result<(), Fault> {
    let (folder, elsewhere) = (tempdir().unwrap(), tempdir().unwrap());
    let files = openssl::make_chain(folder.path(), NAME)?;
    let foreign = openssl::make_chain(elsewhere.path(), NAME)?;
    let server = PageServer::start(&files)?;

    let judgement = openssl::judge_server(server.address(), NAME, &files.root)?;
    assert_eq!((judgement.protocol.as_str(), judgement.verified_name.as_str()), ("TLSv1.3", NAME));

    let fault =
        openssl::judge_server(server.address(), "other.fleet.test", &files.root).unwrap_err().to_string();
    assert!(fault.contains("hostname mismatch"), "{fault}");
    let fault = openssl::judge_server(server.address(), NAME, &foreign.root).unwrap_err().to_string();
    assert!(fault.contains("certificate verify failed"), "{fault}");
    Ok(())
}

#[test]
fn a_written_chain_is_judged_by_its_root_name_and_key() -> Result<(), Fault> {
    let (folder, elsewhere) = (tempdir().unwrap(), tempdir().unwrap());
    let files = openssl::make_chain(folder.path(), NAME)?;
    let foreign = openssl::make_chain(elsewhere.path(), NAME)?;

    openssl::judge_chain(&files.chain, NAME, &files.root)?;
    openssl::judge_key(&files.chain, &files.key)?;

    assert!(openssl::judge_chain(&files.chain, "other.fleet.test", &files.root).is_err());
    assert!(openssl::judge_chain(&files.chain, NAME, &foreign.root).is_err());
    assert!(openssl::judge_key(&files.chain, &foreign.key).is_err());
    Ok(())
}
