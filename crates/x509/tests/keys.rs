//! Each kind of key is generated, exported, imported and used.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

use fleetcert_x509::{CsrPolicy, KeyKind, KeyPair, SigningKey, VerifiedCsr, csr_for};

#[test]
fn each_kind_of_key_survives_export_and_import() {
    let names = "xi8qz.fleet.test".parse().unwrap();
    for kind in KeyKind::ALL {
        let key = KeyPair::generate(kind).unwrap();
        let from_pem = KeyPair::from_pem(&key.to_pkcs8_pem().unwrap()).unwrap();
        let from_der = KeyPair::from_pkcs8_der(&key.to_pkcs8_der().unwrap()).unwrap();
        for again in [from_pem, from_der] {
            assert_eq!((again.kind(), again.spki_der()), (kind, key.spki_der()));
            let csr = csr_for(&names, &again).unwrap();
            let csr = VerifiedCsr::parse(&csr, &CsrPolicy::lets_encrypt()).unwrap();
            assert_eq!((csr.key_kind(), csr.spki()), (kind, key.spki_der()));
        }
    }
}
