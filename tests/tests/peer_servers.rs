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
    let temporary = || tempdir().map_err(Fault::while_doing("a folder"));
    let (folder, elsewhere) = (temporary()?, temporary()?);
    let made = openssl::make_chain_of_three(folder.path(), NAME)?;
    let chain = read(&made.chain, |text| Chain::from_pem(text.as_bytes()))?;
    assert_eq!(chain.certificates().len(), 2);
    let key = read(&made.key, KeyPair::from_pem)?;

    let files = make(&chain, &key).map_err(Fault::while_doing("the server's files"))?;
    let server = start(&files)?;
    let judgement = judge(server.address(), &made.root)?;
    assert_eq!(judgement.verified_name, NAME);
    assert!(judgement.protocol.starts_with("TLSv1."), "{judgement:?}");

    let foreign = openssl::make_chain(elsewhere.path(), NAME)?;
    let fault = judge(server.address(), &foreign.root).err().map(|fault| fault.to_string());
    assert!(fault.as_deref().is_some_and(|fault| fault.contains("verify")), "{fault:?}");
    Ok(())
}

fn read<T>(file: &Path, parse: impl Fn(&str) -> Result<T, X509Error>) -> Result<T, Fault> {
    let text = fs::read_to_string(file).map_err(Fault::while_doing(file.display().to_string()))?;
    parse(&text).map_err(Fault::while_doing(file.display().to_string()))
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
