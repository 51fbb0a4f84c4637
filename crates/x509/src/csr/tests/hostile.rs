//! One vector for each defect of a CSR; the numbers are those of the rules, in order.

use super::builder::*;
use crate::CsrRefusalCode as Code;
use crate::der::{encode, null, oid, positive_small, tag};
use crate::{CsrPolicy, KeyKind, KeyPair, SigningKey, VerifiedCsr, csr_for, pem};

type Vector = (&'static str, Vec<u8>, Code);

fn assert_all_refused(policy: &CsrPolicy, vectors: Vec<Vector>) {
    for (what, bytes, code) in vectors {
        match VerifiedCsr::parse(&bytes, policy) {
            Ok(csr) => panic!("{what}: accepted as {csr:?}"),
            Err(refusal) => {
                assert_eq!(refusal.code(), code, "{what}: {refusal}");
                assert!(
                    refusal.to_string().is_ascii() && refusal.to_string().len() < 300,
                    "{what}: {refusal}"
                );
                assert!(!refusal.field().is_empty());
            }
        }
    }
}

fn device(vectors: Vec<Vector>) {
    assert_all_refused(&CsrPolicy::device(), vectors);
}

#[test]
fn builder_makes_valid_csrs() {
    let csr = VerifiedCsr::parse(&csr(|_| ()), &CsrPolicy::device()).unwrap();
    assert_eq!(csr.identifiers(), &NAME.parse().unwrap());
    assert_eq!((csr.spki(), csr.key_kind()), (KEY.spki_der(), KeyKind::P256));
}

/// Rule 1.
#[test]
fn invalid_input_is_refused() {
    let good = csr(|_| ());
    let text = |label: &str| pem::encode(label, &good).as_bytes().to_vec();
    let good_text = text("CERTIFICATE REQUEST");
    assert!(VerifiedCsr::parse(&good_text, &CsrPolicy::device()).is_ok());
    assert!(VerifiedCsr::parse(&text("NEW CERTIFICATE REQUEST"), &CsrPolicy::device()).is_ok());
    let commented = [b"Certificate Request:\n    Version: 1\n", &good_text[..]].concat();
    assert!(VerifiedCsr::parse(&commented, &CsrPolicy::device()).is_ok());

    let key = KeyPair::generate(KeyKind::P256).unwrap();
    let key_der = key.to_pkcs8_der().unwrap();
    let key_pem = key.to_pkcs8_pem().unwrap();
    let rsa_key = KeyPair::generate(KeyKind::Rsa2048).unwrap().to_pkcs8_der().unwrap();
    device(vec![
        ("at the maximum size", vec![b' '; 16 * 1024], Code::NotPem),
        ("too large as PEM", vec![b' '; 16 * 1024 + 1], Code::TooLarge),
        ("too large as DER", [&good[..], &vec![0; 16 * 1024]].concat(), Code::TooLarge),
        ("two blocks", [&good_text[..], &good_text].concat(), Code::NotPem),
        ("another label", text("CERTIFICATE"), Code::NotPem),
        ("no end", good_text[..good_text.len() - 10].to_vec(), Code::NotPem),
        ("text", b"<html></html>".to_vec(), Code::NotPem),
        ("base64 without PEM", b"MIIB".to_vec(), Code::NotPem),
        ("a key after it", [&good_text[..], key_pem.as_bytes()].concat(), Code::PrivateKeySent),
        ("a key in PEM", key_pem.as_bytes().to_vec(), Code::PrivateKeySent),
        ("a key in another form", b"-----BEGIN EC PRIVATE KEY-----".to_vec(), Code::PrivateKeySent),
        ("a key in DER", key_der.to_vec(), Code::PrivateKeySent),
        ("an RSA key in DER", rsa_key.to_vec(), Code::PrivateKeySent),
        ("an RSA key in the form of RFC 8017", der_of(PKCS1), Code::PrivateKeySent),
        ("an EC key in the form of RFC 5915", der_of(SEC1), Code::PrivateKeySent),
        // Data that only begins like a key is not a key.
        (
            "version and octets",
            sequence(&[positive_small(0), encode(tag::OCTET_STRING, &[&[1]])]),
            Code::NotDer,
        ),
        ("two numbers", sequence(&[positive_small(0), positive_small(1)]), Code::NotDer),
        (
            "a number and a large one",
            sequence(&[positive_small(1), encode(tag::INTEGER, &[&[1; 64]])]),
            Code::NotDer,
        ),
        ("version and a list", sequence(&[positive_small(0), sequence(&[null()])]), Code::NotDer),
        (
            "a key with a wrong label",
            pem::encode("CERTIFICATE REQUEST", &key_der).as_bytes().to_vec(),
            Code::PrivateKeySent,
        ),
        ("nothing", Vec::new(), Code::NotDer),
    ]);
}

const PKCS1: &str = include_str!("../../../tests/fixtures/rsa2048-pkcs1.key.pem");
const SEC1: &str = include_str!("../../../tests/fixtures/p384.key.pem");

fn der_of(text: &str) -> Vec<u8> {
    pem::blocks(text.as_bytes(), 2).unwrap().last().unwrap().der.to_vec()
}

/// Rules 2 to 5.
#[test]
fn invalid_encoding_is_refused() {
    let good = csr(|_| ());
    assert_eq!(good[..2], [0x30, 0x81]);
    let indefinite = [&[0x30, 0x80][..], &good[3..], &[0, 0]].concat();
    let not_minimal = [&[0x30, 0x84, 0, 0, 0], &good[2..]].concat();
    let deep = |levels: usize| (0..levels).fold(Vec::new(), |inner, _| encode(tag::SEQUENCE, &[&inner]));
    device(vec![
        ("indefinite length", indefinite, Code::NotDer),
        ("length not minimal", not_minimal, Code::NotDer),
        ("length of eight octets", [&[0x30, 0x88][..], &[0xff; 8]].concat(), Code::NotDer),
        ("length beyond the end", vec![0x30, 0x84, 0xff, 0xff, 0xff, 0xff], Code::NotDer),
        ("an empty SEQUENCE", vec![0x30, 0x00], Code::NotDer),
        ("trailing element", [&good[..], &[0x30, 0x00]].concat(), Code::TrailingData),
        ("trailing byte", [&good[..], &[0]].concat(), Code::TrailingData),
        ("trailing in the CSR", csr(|parts| parts.after_signature = null()), Code::TrailingData),
        ("trailing in the info", csr(|parts| parts.after_info = null()), Code::TrailingData),
        (
            "trailing in the subject's attribute",
            {
                let pair = [
                    encode(tag::OID, &[oid::COMMON_NAME]),
                    encode(tag::UTF8_STRING, &[NAME.as_bytes()]),
                    null(),
                ];
                with_subject(&[encode(tag::SET, &[&sequence(&pair)])])
            },
            Code::TrailingData,
        ),
        (
            "trailing in an extension",
            {
                let value = [sequence(&[dns(NAME)]), null()].concat();
                with_extensions(&[extension(oid::SUBJECT_ALT_NAME, &value)])
            },
            Code::TrailingData,
        ),
        (
            "trailing in an attribute",
            {
                let parts = [encode(tag::OID, &[oid::EXTENSION_REQUEST]), encode(tag::SET, &[]), null()];
                csr(|csr| csr.attributes = vec![sequence(&parts)])
            },
            Code::TrailingData,
        ),
        (
            "trailing in the key",
            csr(|parts| {
                let key = sequence(&[
                    encode(tag::OID, &[oid::EC_PUBLIC_KEY]),
                    encode(tag::OID, &[oid::P256]),
                    null(),
                ]);
                parts.spki = sequence(&[key, bits(&[4; 65])]);
            }),
            Code::TrailingData,
        ),
        ("deep in an attribute", csr(|parts| parts.attributes.push(deep(3500))), Code::TooDeep),
        ("deep in the subject", csr(|parts| parts.subject = deep(3500)), Code::TooDeep),
        ("deep in an extension", with_extension(oid::EXTENDED_KEY_USAGE, &deep(3500)), Code::TooDeep),
        ("constructed string", csr(|parts| parts.subject = encode(0x2c, &[])), Code::NotDer),
        (
            "criticality FALSE",
            {
                let parts = [
                    encode(tag::OID, &[oid::KEY_USAGE]),
                    encode(tag::BOOLEAN, &[&[0]]),
                    encode(tag::OCTET_STRING, &[&[3, 2, 7, 0x80]]),
                ];
                with_extensions(&[san(&[dns(NAME)]), sequence(&parts)])
            },
            Code::NotDer,
        ),
        (
            "a certificate",
            rcgen::generate_simple_self_signed([NAME.to_owned()]).unwrap().cert.der().to_vec(),
            Code::BadVersion,
        ),
    ]);
}

/// Rules 6 to 8.
#[test]
fn invalid_version_or_signature_is_refused() {
    let algorithm = |oid: &[u8], parameters: Vec<u8>| sequence(&[encode(tag::OID, &[oid]), parameters]);
    let signed_by = |identifier: Vec<u8>| csr(|parts| parts.signature_algorithm = identifier);
    let unsupported = Code::SignatureAlgorithmUnsupported;
    let mut flipped = csr(|_| ());
    let at = flipped.windows(5).position(|window| window == b"xi8qz").unwrap();
    flipped[at] ^= 0x01;
    let one = encode(tag::SEQUENCE, &[&positive_small(1), &positive_small(1)]);
    let other = KeyPair::generate(KeyKind::P256).unwrap();
    device(vec![
        ("version 1", csr(|parts| parts.version = positive_small(1)), Code::BadVersion),
        ("version 2", csr(|parts| parts.version = positive_small(2)), Code::BadVersion),
        ("version -1", csr(|parts| parts.version = encode(tag::INTEGER, &[&[0xff]])), Code::BadVersion),
        ("no version", csr(|parts| parts.version = Vec::new()), Code::BadVersion),
        ("MD5", signed_by(algorithm(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 4], null())), unsupported),
        (
            "SHA-1 with RSA",
            signed_by(algorithm(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 5], null())),
            unsupported,
        ),
        (
            "SHA-1 with ECDSA",
            signed_by(algorithm(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1], Vec::new())),
            unsupported,
        ),
        (
            "RSA-PSS",
            signed_by(algorithm(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10], sequence(&[]))),
            unsupported,
        ),
        ("DSA", signed_by(algorithm(&[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 3, 2], Vec::new())), unsupported),
        ("Ed25519", signed_by(algorithm(&[0x2b, 0x65, 0x70], Vec::new())), unsupported),
        ("RSA without NULL", signed_by(algorithm(oid::RSA_WITH_SHA256, Vec::new())), unsupported),
        ("another hash", signed_by(algorithm(oid::ECDSA_WITH_SHA384, Vec::new())), Code::BadSignature),
        ("another scheme", signed_by(algorithm(oid::RSA_WITH_SHA256, null())), Code::BadSignature),
        ("a changed bit", flipped, Code::BadSignature),
        ("r and s are 1", csr(|parts| parts.signature = Some(one)), Code::BadSignature),
        ("an empty signature", csr(|parts| parts.signature = Some(Vec::new())), Code::BadSignature),
        ("another's key", csr(|parts| parts.spki = other.spki_der().to_vec()), Code::BadSignature),
    ]);
}

/// Rules 9 and 11.
#[test]
fn invalid_elliptic_keys_are_refused() {
    let named = |oid: &[u8]| encode(tag::OID, &[oid]);
    let key = |spki: Vec<u8>| csr(|parts| parts.spki = spki);
    let point = &KEY.spki_der()[26..];
    assert_eq!((point.len(), point[0]), (65, 4));
    let compressed = [&[2 | point[64] & 1], &point[1..33]].concat();
    let off_curve = [&point[..64], &[point[64] ^ 1]].concat();
    let beyond_p = [&[4][..], &[0xff; 32], &point[33..]].concat();
    let unknown = |oid: &[u8]| sequence(&[sequence(&[named(oid)]), bits(&[7; 32])]);
    device(vec![
        ("P-224", key(ec_spki(named(&[0x2b, 0x81, 4, 0, 33]), &[4; 57])), Code::KeyTypeNotAllowed),
        ("P-521", key(ec_spki(named(&[0x2b, 0x81, 4, 0, 35]), &[4; 133])), Code::KeyTypeNotAllowed),
        ("secp256k1", key(ec_spki(named(&[0x2b, 0x81, 4, 0, 10]), point)), Code::KeyTypeNotAllowed),
        ("Ed25519", key(unknown(&[0x2b, 0x65, 0x70])), Code::KeyTypeNotAllowed),
        ("DSA", key(unknown(&[0x2a, 0x86, 0x48, 0xce, 0x38, 4, 1])), Code::KeyTypeNotAllowed),
        ("RSA where none is allowed", key(rsa_spki(&modulus(2048), &[1, 0, 1])), Code::KeyTypeNotAllowed),
        ("small RSA where none is allowed", key(rsa_spki(&modulus(1024), &[3])), Code::KeyTypeNotAllowed),
        ("compressed", key(ec_spki(named(oid::P256), &compressed)), Code::KeyInvalidPoint),
        (
            "hybrid",
            key(ec_spki(named(oid::P256), &[&[6 | point[64] & 1], &point[1..]].concat())),
            Code::KeyInvalidPoint,
        ),
        ("infinity", key(ec_spki(named(oid::P256), &[0])), Code::KeyInvalidPoint),
        ("no point", key(ec_spki(named(oid::P256), &[])), Code::KeyInvalidPoint),
        ("short", key(ec_spki(named(oid::P256), &point[..64])), Code::KeyInvalidPoint),
        ("on the other curve", key(ec_spki(named(oid::P384), point)), Code::KeyInvalidPoint),
        ("off the curve", key(ec_spki(named(oid::P256), &off_curve)), Code::KeyInvalidPoint),
        ("coordinate beyond p", key(ec_spki(named(oid::P256), &beyond_p)), Code::KeyInvalidPoint),
        ("explicit curve", key(ec_spki(sequence(&[positive_small(1)]), point)), Code::KeyInvalidPoint),
        ("no curve", key(ec_spki(Vec::new(), point)), Code::KeyInvalidPoint),
    ]);
}

/// Rules 9, 12 and the beginning of 13.
#[test]
fn invalid_rsa_keys_are_refused() {
    const F4: &[u8] = &[1, 0, 1];
    let key = |modulus: &[u8], exponent: &[u8]| csr(|parts| parts.spki = rsa_spki(modulus, exponent));
    let even = [&modulus(2048)[..256], &[0x5a]].concat();
    let negative = modulus(2048)[1..].to_vec();
    assert_all_refused(
        &CsrPolicy::lets_encrypt(),
        vec![
            ("1024 bits", key(&modulus(1024), F4), Code::KeySizeNotAllowed),
            ("2047 bits", key(&modulus(2047), F4), Code::KeySizeNotAllowed),
            ("2056 bits", key(&modulus(2056), F4), Code::KeySizeNotAllowed),
            ("8192 bits", key(&modulus(8192), F4), Code::KeySizeNotAllowed),
            ("modulus 0", key(&[0], F4), Code::KeySizeNotAllowed),
            ("exponent 1", key(&modulus(2048), &[1]), Code::KeyBadExponent),
            ("exponent 3", key(&modulus(2048), &[3]), Code::KeyBadExponent),
            ("exponent 2^32+1", key(&modulus(2048), &[1, 0, 0, 0, 1]), Code::KeyBadExponent),
            ("exponent even", key(&modulus(2048), &[1, 0, 0]), Code::KeyBadExponent),
            ("modulus even", key(&even, F4), Code::KeyWeak),
            ("modulus negative", key(&negative, F4), Code::KeyWeak),
            ("modulus not minimal", key(&[&[0], &modulus(2048)[..]].concat(), F4), Code::NotDer),
            ("not its signature", key(&modulus(2048), F4), Code::BadSignature),
        ],
    );
    let only_small = CsrPolicy::device().with_keys(&[KeyKind::Rsa2048]);
    assert_all_refused(
        &only_small,
        vec![
            ("a size that is not allowed", key(&modulus(4096), F4), Code::KeySizeNotAllowed),
            ("a kind that is not allowed", csr(|_| ()), Code::KeyTypeNotAllowed),
        ],
    );
}

/// Rules 19 to 22.
#[test]
fn forbidden_attributes_and_extensions_are_refused() {
    let usage = |bits: &[u8]| with_extension(oid::KEY_USAGE, &encode(tag::BIT_STRING, &[bits]));
    let purposes = |oids: &[&[u8]]| {
        let oids = oids.iter().map(|oid| encode(tag::OID, &[oid])).collect::<Vec<_>>();
        with_extension(oid::EXTENDED_KEY_USAGE, &sequence(&oids))
    };
    let constraints = |parts: &[Vec<u8>]| with_extension(oid::BASIC_CONSTRAINTS, &sequence(parts));
    for good in [
        usage(&[7, 0x80]),
        usage(&[5, 0xa0]),
        usage(&[5, 0x20]),
        purposes(&[oid::SERVER_AUTH]),
        constraints(&[]),
    ] {
        VerifiedCsr::parse(&good, &CsrPolicy::device()).unwrap();
    }

    let good = || request(&[san(&[dns(NAME)])]);
    let one = sequence(&[san(&[dns(NAME)])]);
    let twice = attribute(oid::EXTENSION_REQUEST, &[one.clone(), one.clone()]);
    let password =
        attribute(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 7], &[encode(tag::UTF8_STRING, &[b"secret"])]);
    let microsoft = attribute(&[0x2b, 6, 1, 4, 1, 0x82, 0x37, 2, 1, 14], &[one]);
    let attributes = |attributes: Vec<Vec<u8>>| csr(|parts| parts.attributes = attributes);
    let not_allowed = Code::ExtensionNotAllowed;
    device(vec![
        (
            "two requests",
            attributes(vec![good(), request(&[san(&[dns("evil.test")])])]),
            Code::DuplicateAttribute,
        ),
        ("two values", attributes(vec![twice]), Code::DuplicateAttribute),
        ("no value", attributes(vec![attribute(oid::EXTENSION_REQUEST, &[])]), Code::DuplicateAttribute),
        ("challenge password", attributes(vec![good(), password]), Code::AttributeNotAllowed),
        ("Microsoft's request", attributes(vec![microsoft]), Code::AttributeNotAllowed),
        (
            "unknown attribute",
            attributes(vec![attribute(&[0x2a, 3], &[]), good()]),
            Code::AttributeNotAllowed,
        ),
        (
            "two SAN extensions",
            with_extensions(&[san(&[dns(NAME)]), san(&[dns("evil.test")])]),
            Code::DuplicateExtension,
        ),
        (
            "key usage twice",
            with_extensions(&[extension(oid::KEY_USAGE, &[3, 2, 7, 0x80]), extension(oid::KEY_USAGE, &[])]),
            Code::DuplicateExtension,
        ),
        ("CA", constraints(&[encode(tag::BOOLEAN, &[&[0xff]])]), not_allowed),
        ("CA said to be FALSE", constraints(&[encode(tag::BOOLEAN, &[&[0]])]), Code::NotDer),
        ("path length", constraints(&[positive_small(0)]), not_allowed),
        ("keyCertSign", usage(&[2, 0x04]), not_allowed),
        ("digitalSignature and keyCertSign", usage(&[2, 0x84]), not_allowed),
        ("decipherOnly", usage(&[7, 0x80, 0x80]), not_allowed),
        ("no usage", usage(&[0]), not_allowed),
        ("zero bits after the last", usage(&[0, 0x80]), Code::NotDer),
        ("codeSigning", purposes(&[&[0x2b, 6, 1, 5, 5, 7, 3, 3]]), not_allowed),
        ("clientAuth too", purposes(&[oid::SERVER_AUTH, &[0x2b, 6, 1, 5, 5, 7, 3, 2]]), not_allowed),
        ("any purpose", purposes(&[&[0x55, 0x1d, 0x25, 0]]), not_allowed),
        ("no purpose", purposes(&[]), Code::NotDer),
        ("CT poison", with_extension(&[0x2b, 6, 1, 4, 1, 0xd6, 0x79, 2, 4, 3], &null()), not_allowed),
        ("must-staple", with_extension(&[0x2b, 6, 1, 5, 5, 7, 1, 24], &[0x30, 3, 2, 1, 5]), not_allowed),
        ("name constraints", with_extension(&[0x55, 0x1d, 30], &sequence(&[])), not_allowed),
        ("unknown extension", with_extension(&[0x2a, 3], &[]), not_allowed),
    ]);
}

/// Rules 23 and 26 to 30.
#[test]
fn names() {
    let name = |name: &str| with_names(&[dns(name)]);
    let raw = |bytes: &[u8]| with_names(&[encode(tag::DNS_NAME, &[bytes])]);
    let typed = |tag: u8, content: &[u8]| with_names(&[encode(tag, &[content])]);
    let (bad, form, kind) = (Code::NameBadCharacter, Code::NameMalformed, Code::SanTypeNotAllowed);
    let long = format!("{}.test", ["a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(57)].join("."));
    device(vec![
        ("no attributes", csr(|parts| parts.attributes = Vec::new()), Code::SanMissing),
        ("no extensions", with_extensions(&[]), Code::SanMissing),
        ("no SAN", with_extensions(&[extension(oid::KEY_USAGE, &[3, 2, 7, 0x80])]), Code::SanMissing),
        ("empty SAN", with_names(&[]), Code::SanMissing),
        (
            "SAN not a SEQUENCE",
            with_extensions(&[extension(oid::SUBJECT_ALT_NAME, &dns(NAME))]),
            Code::NotDer,
        ),
        ("two names", with_names(&[dns(NAME), dns("b.fleet.test")]), Code::SanTooMany),
        ("many names", with_names(&vec![dns("a.b"); 2000]), Code::SanTooMany),
        ("IP address", typed(0x87, &[10, 0, 0, 1]), kind),
        ("URI", typed(0x86, b"https://xi8qz.fleet.test"), kind),
        ("email", typed(0x81, b"a@fleet.test"), kind),
        ("otherName", typed(0xa0, &encode(tag::OID, &[&[0x2a, 3]])), kind),
        ("directory name", typed(0xa4, &sequence(&[])), kind),
        ("registered id", typed(0x88, &[0x2a, 3]), kind),
        ("X.400", typed(0xa3, &[]), kind),
        ("EDI party", typed(0xa5, &[]), kind),
        ("IA5String without its tag", typed(0x16, NAME.as_bytes()), kind),
        ("NUL", raw(b"xi8qz.fleet.test\0.evil.test"), bad),
        ("0xff", raw(b"xi8qz\xff.fleet.test"), bad),
        ("space", name("xi8qz .fleet.test"), bad),
        ("underscore", name("_acme-challenge.xi8qz.fleet.test"), bad),
        ("line end", name("xi8qz.fleet.test\r\n"), bad),
        ("right-to-left mark", name("\u{200f}xi8qz.fleet.test"), bad),
        ("percent", name("xi8qz%2e.fleet.test"), bad),
        ("port", name("xi8qz.fleet.test:443"), bad),
        ("dotted capital I", name("İ.fleet.test"), bad),
        ("long s", name("ſ.fleet.test"), bad),
        ("empty name", name(""), form),
        ("empty label", name("xi8qz..test"), form),
        ("dot before", name(".fleet.test"), form),
        ("dot after", name("xi8qz.fleet.test."), form),
        ("hyphen before", name("-a.fleet.test"), form),
        ("hyphen after", name("a-.fleet.test"), form),
        ("label of 64", name(&format!("{}.test", "a".repeat(64))), form),
        ("name of 254", name(&long), form),
        ("eleven labels", name("a.b.c.d.e.f.g.h.i.fleet.test"), form),
        ("one label", name("test"), form),
        ("reserved label", name("bq--x.fleet.test"), form),
        ("A-label", name("xn--bcher-kva.fleet.test"), form),
        ("IPv4 address as a name", name("10.0.0.1"), form),
        ("hexadecimal address", name("10.0.0.0x1"), form),
        ("a short address", name("a.0x"), form),
        ("wildcard", name("*.fleet.test"), Code::WildcardNotGranted),
        ("two wildcards", name("*.*.test"), Code::WildcardNotGranted),
        ("part of a label", name("f*o.fleet.test"), Code::WildcardNotGranted),
    ]);
    let many = CsrPolicy::lets_encrypt();
    assert_all_refused(
        &many,
        vec![
            ("the same name twice", with_names(&[dns(NAME), dns("b.test"), dns(NAME)]), Code::SanDuplicate),
            ("twice but for case", with_names(&[dns(NAME), dns("XI8QZ.fleet.test")]), Code::SanDuplicate),
            (
                "101 names",
                with_names(&(0..101).map(|n| dns(&format!("n{n}.test"))).collect::<Vec<_>>()),
                Code::SanTooMany,
            ),
            ("reserved label", name("bq--x.fleet.test"), form),
        ],
    );
    assert!(VerifiedCsr::parse(&name("xn--bcher-kva.fleet.test"), &many).is_ok());
}

/// Rule 28: letters are folded to lower case, and names are sorted.
#[test]
fn names_are_canonical() {
    let bytes = with_names(&[dns("XI8QZ.Fleet.TEST"), dns("a.fleet.test")]);
    let csr = VerifiedCsr::parse(&bytes, &CsrPolicy::lets_encrypt()).unwrap();
    assert_eq!(csr.identifiers(), &format!("a.fleet.test,{NAME}").parse().unwrap());
}

/// Rules 24 and 25.
#[test]
fn invalid_subjects_are_refused() {
    let cn = |string: u8, text: &[u8]| with_subject(&[rdn(oid::COMMON_NAME, string, text)]);
    for good in [cn(tag::UTF8_STRING, NAME.as_bytes()), cn(tag::PRINTABLE_STRING, b"XI8QZ.fleet.test")] {
        VerifiedCsr::parse(&good, &CsrPolicy::device()).unwrap();
    }
    let part = |last: u8, text: &str| rdn(&[0x55, 4, last], tag::UTF8_STRING, text.as_bytes());
    let own = || part(3, NAME);
    let member = |kind: u8, text: &str| {
        sequence(&[encode(tag::OID, &[&[0x55, 4, kind]]), encode(tag::UTF8_STRING, &[text.as_bytes()])])
    };
    let multi_valued = encode(tag::SET, &[&member(3, NAME), &member(10, "Acme")]);
    let subject = Code::SubjectNotAllowed;
    device(vec![
        ("organisation", with_subject(&[part(10, "Acme")]), subject),
        ("organisation and CN", with_subject(&[part(10, "Acme"), own()]), subject),
        ("CN and unit", with_subject(&[own(), part(11, "Unit")]), subject),
        ("serial number", with_subject(&[part(5, "123")]), subject),
        ("two CNs", with_subject(&[own(), own()]), subject),
        ("multi-valued", with_subject(&[multi_valued]), subject),
        ("BMPString", cn(0x1e, b"\0x\0i"), subject),
        ("T61String", cn(0x14, NAME.as_bytes()), subject),
        ("65 characters", cn(tag::UTF8_STRING, &[b'a'; 65]), subject),
        ("empty CN", cn(tag::UTF8_STRING, b""), subject),
        ("NUL", cn(tag::UTF8_STRING, b"xi8qz.fleet.test\0"), subject),
        ("not UTF-8", cn(tag::UTF8_STRING, b"\xff"), subject),
        ("not printable", cn(tag::PRINTABLE_STRING, b"*.fleet.test"), subject),
        ("an empty RDN", with_subject(&[encode(tag::SET, &[])]), Code::NotDer),
        ("another name", cn(tag::UTF8_STRING, b"evil.test"), Code::CommonNameMismatch),
        ("IP address", cn(tag::UTF8_STRING, b"10.0.0.1"), Code::CommonNameMismatch),
        ("a dot more", cn(tag::UTF8_STRING, b"xi8qz.fleet.test."), Code::CommonNameMismatch),
        (
            "folds outside ASCII",
            cn(tag::UTF8_STRING, "xi8qz.fleet.teſt".as_bytes()),
            Code::CommonNameMismatch,
        ),
    ]);
}

/// Rule 29.
#[test]
fn names_outside_the_grant_are_refused() {
    let csr_of = |name: &str| {
        let der = csr_for(&name.parse().unwrap(), &*KEY).unwrap();
        VerifiedCsr::parse(&der, &CsrPolicy::device()).unwrap()
    };
    let granted = NAME.parse().unwrap();
    csr_of(NAME).require_identifiers(&granted).unwrap();
    for foreign in [
        "evil-xi8qz.fleet.test",
        "xi8qz.fleet.test.evil.com",
        "a.xi8qz.fleet.test",
        "fleet.test",
        "b.fleet.test",
    ] {
        let refusal = csr_of(foreign).require_identifiers(&granted).unwrap_err();
        assert_eq!(refusal.code(), Code::NameNotGranted, "{foreign}");
    }
    let two = format!("{NAME},b.fleet.test").parse().unwrap();
    assert_eq!(csr_of(NAME).require_identifiers(&two).unwrap_err().code(), Code::NameNotGranted);
    let others = "a.fleet.test,b.fleet.test".parse().unwrap();
    assert_eq!(csr_of(NAME).require_identifiers(&others).unwrap_err().code(), Code::NameNotGranted);
}
