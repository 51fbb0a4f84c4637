//! Java reads the PKCS#12 files that we write: it lists the chain, and signs with the key.

use std::fs;

use fleetcert_tests::{Fault, keytool, openssl};
use fleetcert_x509::{Chain, CsrPolicy, KeyKind, KeyPair, SigningKey, VerifiedCsr, pkcs12};
use secrecy::SecretString;
use tempfile::tempdir;

const NAME: &str = "xi8qz.fleet.test";
const PASSPHRASE: &str = "a b'c$d:e,f";

#[test]
fn java_lists_the_chain_and_signs_with_the_key() -> Result<(), Fault> {
    for kind in [KeyKind::P256, KeyKind::P384, KeyKind::Rsa2048] {
        let folder = tempdir().unwrap();
        let key = KeyPair::generate(kind).unwrap();
        let key_file = folder.path().join("key.pem");
        fs::write(&key_file, key.to_pkcs8_pem().unwrap().as_bytes()).unwrap();
        let certificate = openssl::make_self_signed(folder.path(), &key_file, NAME)?;
        let chain = Chain::from_pem(&fs::read(certificate).unwrap()).unwrap();

        let file = folder.path().join("entry.p12");
        fs::write(&file, pkcs12(&key, &chain, NAME, &SecretString::from(PASSPHRASE)).unwrap()).unwrap();
        let listed = keytool::list(&file, PASSPHRASE)?;
        assert!(listed.contains(&format!("Alias name: {NAME}")), "{listed}");
        assert!(listed.contains("PrivateKeyEntry"), "{listed}");
        let pem = &listed[listed.find("-----BEGIN CERTIFICATE").unwrap()..];
        let end = pem.find("-----END CERTIFICATE-----").unwrap() + 25;
        assert_eq!(Chain::from_pem(&pem.as_bytes()[..end]).unwrap(), chain);

        let csr = keytool::sign_csr(&file, PASSPHRASE, NAME, NAME)?;
        let csr = csr.replace("NEW CERTIFICATE REQUEST", "CERTIFICATE REQUEST");
        let csr = VerifiedCsr::parse(csr.as_bytes(), &CsrPolicy::lets_encrypt()).unwrap();
        assert_eq!(csr.spki(), key.spki_der());

        assert!(keytool::list(&file, "another").is_err());
    }
    Ok(())
}
