//! Properties of arbitrary bytes.

use proptest::prelude::*;

use super::builder::*;
use crate::der::{encode, oid, tag};
use fleetcert_names::IdentifierSet;

use crate::{CsrPolicy, KeyKind, KeyPair, SigningKey, VerifiedCsr, X509Error, X509ErrorKind, csr_for, pem};

fn parse(bytes: &[u8]) -> Result<VerifiedCsr, crate::CsrRefusal> {
    VerifiedCsr::parse(bytes, &CsrPolicy::lets_encrypt())
}

/// Returns a valid CSR with everything that is allowed.
fn full() -> Vec<u8> {
    csr(|parts| {
        parts.subject = sequence(&[rdn(oid::COMMON_NAME, tag::UTF8_STRING, NAME.as_bytes())]);
        parts.attributes = vec![request(&[
            san(&[dns(NAME)]),
            extension(oid::KEY_USAGE, &[3, 2, 7, 0x80]),
            extension(oid::EXTENDED_KEY_USAGE, &sequence(&[encode(tag::OID, &[oid::SERVER_AUTH])])),
            extension(oid::BASIC_CONSTRAINTS, &sequence(&[])),
        ])];
    })
}

#[test]
fn every_prefix_is_refused() {
    let good = full();
    parse(&good).unwrap();
    for end in 0..good.len() {
        assert!(parse(&good[..end]).is_err(), "{end}");
    }
}

#[test]
fn changed_bit_is_refused_or_harmless() {
    let good = full();
    let meaning = parse(&good).unwrap();
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut changed = good.clone();
            changed[at] ^= 1 << bit;
            if let Ok(csr) = parse(&changed) {
                assert_eq!(
                    (csr.identifiers(), csr.spki()),
                    (meaning.identifiers(), meaning.spki()),
                    "octet {at}, bit {bit}"
                );
            }
        }
    }
}

#[test]
fn changed_character_of_pem_is_refused_or_harmless() {
    let good = full();
    let text = pem::encode("CERTIFICATE REQUEST", &good);
    for at in 0..text.len() {
        for character in [b'A', b'z', b'=', b'-', b'\n', b' ', 0] {
            let mut changed = text.as_bytes().to_vec();
            changed[at] = character;
            if let Ok(csr) = parse(&changed) {
                assert_eq!(csr.der(), good, "character {at}");
            }
        }
    }
}

/// A signer that publishes another key than the one it signs with.
#[derive(Debug)]
struct MismatchedSigner(KeyPair, KeyPair);

impl SigningKey for MismatchedSigner {
    fn spki_der(&self) -> &[u8] {
        self.0.spki_der()
    }
    fn signature_algorithm(&self) -> crate::SignatureAlgorithm {
        self.1.signature_algorithm()
    }
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, X509Error> {
        self.1.sign(message)
    }
}

#[test]
fn signer_with_wrong_signatures_is_detected() {
    let [one, other] = [(); 2].map(|()| KeyPair::generate(KeyKind::P256).unwrap());
    let error = csr_for(&NAME.parse().unwrap(), &MismatchedSigner(one, other)).unwrap_err();
    assert_eq!(error.kind(), X509ErrorKind::Signing);
    let address = csr_for(&"10.0.0.1".parse().unwrap(), &*KEY).unwrap_err();
    assert_eq!(address.kind(), X509ErrorKind::Unsupported);
}

#[test]
fn each_kind_of_key_makes_a_csr() {
    for kind in [KeyKind::P256, KeyKind::P384, KeyKind::Rsa2048] {
        let csr = csr_for(&NAME.parse().unwrap(), &KeyPair::generate(kind).unwrap()).unwrap();
        assert_eq!(parse(&csr).unwrap().key_kind(), kind);
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_do_not_panic(bytes: Vec<u8>) {
        prop_assert!(parse(&bytes).is_err());
    }

    #[test]
    fn changes_neither_panic_nor_add_a_name(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)
    ) {
        let mut bytes = full();
        for (at, octet) in changes {
            let at = at.index(bytes.len());
            bytes[at] = octet;
        }
        if let Ok(csr) = parse(&bytes) {
            prop_assert_eq!(csr.identifiers(), &NAME.parse().unwrap());
        }
    }

    #[test]
    fn signed_name_is_refused_or_a_host_name(name in "[a-zA-Z0-9.*_-]{0,40}") {
        if let Ok(csr) = parse(&with_names(&[dns(&name)])) {
            prop_assert_eq!(csr.identifiers().canonical(), name.to_ascii_lowercase());
        }
    }

    #[test]
    fn signed_extensions_do_not_panic(kind in 0usize..4, value: Vec<u8>) {
        let kinds = [oid::SUBJECT_ALT_NAME, oid::KEY_USAGE, oid::EXTENDED_KEY_USAGE, oid::BASIC_CONSTRAINTS];
        let _ = parse(&with_extensions(&[extension(kinds[kind], &value)]));
    }

    #[test]
    fn csrs_for_valid_names_pass(labels in proptest::collection::btree_set("[a-z]([a-z0-9]{0,20}[a-z0-9])?", 1..20)) {
        let names = labels.iter().map(|label| format!("{label}.fleet.test").parse().unwrap());
        let names = IdentifierSet::new(names).unwrap();
        let csr = parse(&csr_for(&names, &*KEY).unwrap()).unwrap();
        prop_assert_eq!(csr.identifiers(), &names);
    }
}
