//! The servers themselves serve from the files that were made for each of them, and OpenSSL judges what they present.
#![cfg(any(feature = "nginx", feature = "haproxy", feature = "dovecot", feature = "postfix"))]

use fleetcert_tests::Fault;
use fleetcert_tests::openssl::{self, Judgement};
use fleetcert_tests::server_programs::ServerProgram;
use fleetcert_x509::{Chain, KeyPair, ServerFiles, X509Error};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use tempfile::tempdir;

const NAME: &str = "xi8qz.fleet.test";

/// The intermediate certificate must be sent, or nothing leads to the root.
fn serves(
    make: fn(&Chain, &KeyPair) -> Result<ServerFiles, X509Error>,
    start: fn(&ServerFiles) -> Result<ServerProgram, Fault>,
    judge: fn(SocketAddr, &Path) -> Result<Judgement, Fault>,
) -> Result<(), Fault> {
    let (folder, elsewhere) = (tempdir().unwrap(), tempdir().unwrap());
    let made = openssl::make_chain_of_three(folder.path(), NAME)?;
    let chain = Chain::from_pem(&fs::read(&made.chain).unwrap()).unwrap();
    assert_eq!(chain.certificates().len(), 2);
    let key = KeyPair::from_pem(&fs::read_to_string(&made.key).unwrap()).unwrap();

    let server = start(&make(&chain, &key).unwrap())?;
    let judgement = judge(server.address(), &made.root)?;
    assert_eq!(judgement.verified_name, NAME);
    assert!(judgement.protocol.starts_with("TLSv1."), "{judgement:?}");

    let foreign = openssl::make_chain(elsewhere.path(), NAME)?;
    let fault = judge(server.address(), &foreign.root).unwrap_err().to_string();
    assert!(fault.contains("verify"), "{fault}");
    Ok(())
}

#[cfg(feature = "nginx")]
#[test]
fn nginx_serves() -> Result<(), Fault> {
    serves(ServerFiles::nginx, ServerProgram::nginx, |address, root| {
        openssl::judge_server(address, NAME, root)
    })
}

#[cfg(feature = "haproxy")]
#[test]
fn haproxy_serves() -> Result<(), Fault> {
    serves(ServerFiles::haproxy, ServerProgram::haproxy, |address, root| {
        openssl::judge_server(address, NAME, root)
    })
}

#[cfg(feature = "dovecot")]
#[test]
fn dovecot_serves() -> Result<(), Fault> {
    serves(ServerFiles::dovecot, ServerProgram::dovecot, |address, root| {
        openssl::judge_starttls(address, "imap", NAME, root)
    })
}

#[cfg(feature = "postfix")]
#[test]
fn postfix_serves() -> Result<(), Fault> {
    serves(ServerFiles::postfix, ServerProgram::postfix, |address, root| {
        openssl::judge_starttls(address, "smtp", NAME, root)
    })
}
