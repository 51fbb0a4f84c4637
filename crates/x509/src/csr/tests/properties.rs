//! What holds for all bytes.

use proptest::prelude::*;

use super::builder::*;
use crate::der::{encode, oid, tag};
use fleetcert_names::IdentifierSet;

use crate::{CsrPolicy, KeyKind, KeyPair, SigningKey, VerifiedCsr, X509Error, X509ErrorKind, csr_for, pem};

fn parse(bytes: &[u8]) -> Result<VerifiedCsr, crate::CsrRefusal> {
    VerifiedCsr::parse(bytes, &CsrPolicy::lets_encrypt())
}

/// A good CSR with all that is allowed in it.
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
fn every_changed_bit_is_refused_or_means_the_same() {
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
fn every_changed_character_of_pem_is_refused_or_means_the_same() {
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

/// A signer that gives out another key than the one it signs with.
#[derive(Debug)]
struct Confused(KeyPair, KeyPair);

impl SigningKey for Confused {
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
fn a_signer_that_signs_badly_is_found() {
    let [one, other] = [(); 2].map(|()| KeyPair::generate(KeyKind::P256).unwrap());
    let error = csr_for(&NAME.parse().unwrap(), &Confused(one, other)).unwrap_err();
    assert_eq!(error.kind(), X509ErrorKind::Signing);
    let address = csr_for(&"10.0.0.1".parse().unwrap(), &*KEY).unwrap_err();
    assert_eq!(address.kind(), X509ErrorKind::Unsupported);
}

#[test]
fn keys_of_each_kind_make_csrs() {
    for kind in [KeyKind::P256, KeyKind::P384, KeyKind::Rsa2048] {
        let csr = csr_for(&NAME.parse().unwrap(), &KeyPair::generate(kind).unwrap()).unwrap();
        assert_eq!(parse(&csr).unwrap().key_kind(), kind);
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>) {
        prop_assert!(parse(&bytes).is_err());
    }

    #[test]
    fn no_change_panics_or_gets_a_name_through(
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
    fn any_signed_name_is_refused_or_a_host_name(name in "[a-zA-Z0-9.*_-]{0,40}") {
        if let Ok(csr) = parse(&with_names(&[dns(&name)])) {
            prop_assert_eq!(csr.identifiers().canonical(), name.to_ascii_lowercase());
        }
    }

    #[test]
    fn any_signed_extension_passes_without_a_panic(kind in 0usize..4, value: Vec<u8>) {
        let kinds = [oid::SUBJECT_ALT_NAME, oid::KEY_USAGE, oid::EXTENDED_KEY_USAGE, oid::BASIC_CONSTRAINTS];
        let _ = parse(&with_extensions(&[extension(kinds[kind], &value)]));
    }

    #[test]
    fn csrs_for_any_names_come_through(labels in proptest::collection::btree_set("[a-z]([a-z0-9]{0,20}[a-z0-9])?", 1..20)) {
        let names = labels.iter().map(|label| format!("{label}.fleet.test").parse().unwrap());
        let names = IdentifierSet::new(names).unwrap();
        let csr = parse(&csr_for(&names, &*KEY).unwrap()).unwrap();
        prop_assert_eq!(csr.identifiers(), &names);
    }
}
