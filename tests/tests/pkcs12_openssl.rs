//! OpenSSL reads the PKCS#12 files that we write, under the passphrase and no other.

use std::fs;

use fleetcert_tests::Fault;
use fleetcert_tests::openssl;
use fleetcert_x509::{Chain, KeyKind, KeyPair, SigningKey, pkcs12};
use secrecy::SecretString;
use tempfile::tempdir;

const NAME: &str = "xi8qz.fleet.test";
/// With all that a shell or a field separator could stumble over.
const PASSPHRASE: &str = "a b\"c'd\\e$f:g,h=i;j~";

#[test]
fn every_kind_of_key_comes_back() -> Result<(), Fault> {
    for kind in [KeyKind::P256, KeyKind::P384, KeyKind::Rsa2048] {
        let folder = tempdir().unwrap();
        let key = KeyPair::generate(kind).unwrap();
        let key_file = folder.path().join("key.pem");
        fs::write(&key_file, key.to_pkcs8_pem().unwrap().as_bytes()).unwrap();
        let certificate = openssl::make_self_signed(folder.path(), &key_file, NAME)?;
        let chain = Chain::from_pem(&fs::read(certificate).unwrap()).unwrap();

        let file = folder.path().join("entry.p12");
        fs::write(&file, pkcs12(&key, &chain, "My Entry", &SecretString::from(PASSPHRASE)).unwrap()).unwrap();
        let read = openssl::read_pkcs12(&file, PASSPHRASE)?;
        let (certificates, secret) = read.pem.split_at(read.pem.find("-----BEGIN PRIVATE KEY").unwrap());
        assert_eq!(KeyPair::from_pem(secret).unwrap().spki_der(), key.spki_der());
        assert_eq!(Chain::from_pem(certificates.as_bytes()).unwrap(), chain);
        assert_eq!(read.pem.matches("friendlyName: My Entry").count(), 2, "{certificates}");
        assert_eq!(read.pem.matches("localKeyID:").count(), 2, "{certificates}");

        for line in [
            "MAC: sha256, Iteration 100000",
            "PKCS7 Encrypted data: PBES2, PBKDF2, AES-256-CBC, Iteration 100000, PRF hmacWithSHA256",
            "Shrouded Keybag: PBES2, PBKDF2, AES-256-CBC, Iteration 100000, PRF hmacWithSHA256",
        ] {
            assert!(read.protection.contains(line), "{line} is not in {}", read.protection);
        }
        let fault = openssl::read_pkcs12(&file, "another").unwrap_err().to_string();
        assert!(fault.contains("invalid password"), "{fault}");
    }
    Ok(())
}

#[test]
fn a_chain_of_several_stays_whole() -> Result<(), Fault> {
    let folder = tempdir().unwrap();
    let files = openssl::make_chain(folder.path(), NAME)?;
    let text = [fs::read(&files.chain).unwrap(), fs::read(&files.root).unwrap()].concat();
    let chain = Chain::from_pem(&text).unwrap();
    let key = KeyPair::from_pem(&fs::read_to_string(&files.key).unwrap()).unwrap();

    let file = folder.path().join("entry.p12");
    fs::write(&file, pkcs12(&key, &chain, NAME, &SecretString::from(PASSPHRASE)).unwrap()).unwrap();
    let read = openssl::read_pkcs12(&file, PASSPHRASE)?;
    let certificates = read.pem.split("-----BEGIN PRIVATE KEY").next().unwrap();
    assert_eq!(Chain::from_pem(certificates.as_bytes()).unwrap(), chain);
    Ok(())
}
