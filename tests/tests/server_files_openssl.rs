//! A server of OpenSSL, which most servers are built on, serves from the files in each of their orders.

use std::fs;

use fleetcert_tests::Fault;
use fleetcert_tests::openssl::{self, ChainFiles, PageServer};
use fleetcert_x509::{Chain, KeyPair, ServerFiles};
use tempfile::tempdir;

const NAME: &str = "xi8qz.fleet.test";

#[test]
fn each_order_serves() -> Result<(), Fault> {
    let folder = tempdir().unwrap();
    let made = openssl::make_chain(folder.path(), NAME)?;
    // With the root after it, so that a wrong first certificate would be noticed.
    let text = [fs::read(&made.chain).unwrap(), fs::read(&made.root).unwrap()].concat();
    let chain = Chain::from_pem(&text).unwrap();
    let key = KeyPair::from_pem(&fs::read_to_string(&made.key).unwrap()).unwrap();

    for make in [ServerFiles::nginx, ServerFiles::dovecot, ServerFiles::haproxy, ServerFiles::postfix] {
        let files = make(&chain, &key).unwrap();
        let paths = files.files().iter().map(|file| {
            let path = folder.path().join(file.directive());
            fs::write(&path, file.text()).unwrap();
            path
        });
        let paths = paths.collect::<Vec<_>>();
        let (chain, key) = (paths.first().unwrap().clone(), paths.last().unwrap().clone());
        let server = PageServer::start(&ChainFiles {
            root: made.root.clone(),
            chain: chain.clone(),
            key: key.clone(),
        })?;
        assert_eq!(openssl::judge_server(server.address(), NAME, &made.root)?.verified_name, NAME);
        openssl::judge_key(&chain, &key)?;
    }
    Ok(())
}
