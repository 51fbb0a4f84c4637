//! Files of OpenSSL, parsed by the public API: `fixtures/README.md` describes them.

use fleetcert_x509::{
    CsrPolicy, CsrRefusalCode, KeyKind, KeyPair, SigningKey, VerifiedCsr, X509ErrorKind, csr_for,
};

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("fixtures/", $name))
    };
}

fn parse(text: &str, policy: &CsrPolicy) -> VerifiedCsr {
    VerifiedCsr::parse(text.as_bytes(), policy).expect("the fixture is a good CSR")
}

#[test]
fn elliptic_csrs_of_openssl_pass() {
    let device = CsrPolicy::device();
    let names = "xi8qz.fleet.test".parse().unwrap();
    for (text, kind) in [
        (fixture!("p256-cn-san.csr.pem"), KeyKind::P256),
        (fixture!("p256-text.csr.pem"), KeyKind::P256),
        // Signed with the usual hash of the other curve.
        (fixture!("p256-sha384.csr.pem"), KeyKind::P256),
        (fixture!("p384-sha256-extensions.csr.pem"), KeyKind::P384),
    ] {
        let csr = parse(text, &device);
        assert_eq!(csr.key_kind(), kind);
        csr.require_identifiers(&names).unwrap();
    }
}

#[test]
fn request_is_equal_in_each_form() {
    let text = parse(fixture!("p256-cn-san.csr.pem"), &CsrPolicy::device());
    let der = VerifiedCsr::parse(text.der(), &CsrPolicy::device()).unwrap();
    assert_eq!((text.sha256(), &text), (der.sha256(), &der));
}

#[test]
fn rsa_csrs_pass_by_choice() {
    let text = fixture!("rsa2048-two-names.csr.pem");
    let csr = parse(text, &CsrPolicy::lets_encrypt());
    assert_eq!(csr.key_kind(), KeyKind::Rsa2048);
    assert_eq!(csr.identifiers(), &"b.fleet.test,xi8qz.fleet.test".parse().unwrap());
    let by_choice = CsrPolicy::device().with_keys(&KeyKind::ALL).with_max_names(2);
    assert_eq!(parse(text, &by_choice), csr);

    let refusal = VerifiedCsr::parse(text.as_bytes(), &CsrPolicy::device()).unwrap_err();
    assert_eq!(refusal.code(), CsrRefusalCode::KeyTypeNotAllowed);
}

#[test]
fn incomplete_requests_are_refused() {
    for (text, code) in [
        (fixture!("refused-organisation.csr.pem"), CsrRefusalCode::SubjectNotAllowed),
        (fixture!("refused-no-san.csr.pem"), CsrRefusalCode::SanMissing),
        (fixture!("p256.key.pem"), CsrRefusalCode::PrivateKeySent),
    ] {
        let refusal = VerifiedCsr::parse(text.as_bytes(), &CsrPolicy::device()).unwrap_err();
        assert_eq!(refusal.code(), code, "{refusal}");
    }
}

#[test]
fn private_keys_are_parsed_in_all_forms() {
    let names = "xi8qz.fleet.test".parse().unwrap();
    for (text, kind, request) in [
        (fixture!("p256.key.pem"), KeyKind::P256, fixture!("p256-cn-san.csr.pem")),
        (fixture!("p256-pkcs8.key.pem"), KeyKind::P256, fixture!("p256-cn-san.csr.pem")),
        (fixture!("p384.key.pem"), KeyKind::P384, fixture!("p384-sha256-extensions.csr.pem")),
        (fixture!("rsa2048.key.pem"), KeyKind::Rsa2048, fixture!("rsa2048-two-names.csr.pem")),
        (fixture!("rsa2048-pkcs1.key.pem"), KeyKind::Rsa2048, fixture!("rsa2048-two-names.csr.pem")),
    ] {
        let key = KeyPair::from_pem(text).unwrap();
        assert_eq!(key.kind(), kind);
        assert_eq!(key.spki_der(), parse(request, &CsrPolicy::lets_encrypt()).spki());
        assert!(csr_for(&names, &key).is_ok());
        let again = KeyPair::from_pkcs8_der(&key.to_pkcs8_der().unwrap()).unwrap();
        assert_eq!(again.spki_der(), key.spki_der());
    }
    let request = fixture!("p256-cn-san.csr.pem");
    assert_eq!(KeyPair::from_pem(request).unwrap_err().kind(), X509ErrorKind::Malformed);
}
