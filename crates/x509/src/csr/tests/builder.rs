//! A builder of CSRs with one defect.

use std::sync::LazyLock;

use crate::der::{encode, null, oid, positive_small, tag};
use crate::{KeyKind, KeyPair, SignatureAlgorithm, SigningKey};

pub(super) const NAME: &str = "xi8qz.fleet.test";

pub(super) static KEY: LazyLock<KeyPair> = LazyLock::new(|| KeyPair::generate(KeyKind::P256).unwrap());

/// The encoded parts of a CSR, initially valid.
pub(super) struct CsrParts {
    pub(super) version: Vec<u8>,
    pub(super) subject: Vec<u8>,
    pub(super) spki: Vec<u8>,
    /// Encoded attributes.
    pub(super) attributes: Vec<Vec<u8>>,
    /// Octets after the attributes, within the CertificationRequestInfo.
    pub(super) after_info: Vec<u8>,
    pub(super) signature_algorithm: Vec<u8>,
    /// Replacement for a valid signature.
    pub(super) signature: Option<Vec<u8>>,
    /// Octets after the signature, within the CSR.
    pub(super) after_signature: Vec<u8>,
}

/// Returns a CSR with a change that is made before it is signed.
pub(super) fn csr(change: impl FnOnce(&mut CsrParts)) -> Vec<u8> {
    let mut parts = CsrParts {
        version: positive_small(0),
        subject: sequence(&[]),
        spki: KEY.spki_der().to_vec(),
        attributes: vec![request(&[san(&[dns(NAME)])])],
        after_info: Vec::new(),
        signature_algorithm: SignatureAlgorithm::EcdsaSha256.identifier(),
        signature: None,
        after_signature: Vec::new(),
    };
    change(&mut parts);
    let info = sequence(&[
        parts.version,
        parts.subject,
        parts.spki,
        encode(tag::ATTRIBUTES, &[&parts.attributes.concat()]),
        parts.after_info,
    ]);
    let signature = parts.signature.unwrap_or_else(|| KEY.sign(&info).unwrap());
    sequence(&[info, parts.signature_algorithm, bits(&signature), parts.after_signature])
}

/// Returns a CSR with these extensions.
pub(super) fn with_extensions(extensions: &[Vec<u8>]) -> Vec<u8> {
    csr(|parts| parts.attributes = vec![request(extensions)])
}

/// Returns a CSR with the usual name and one additional extension.
pub(super) fn with_extension(kind: &[u8], value: &[u8]) -> Vec<u8> {
    with_extensions(&[san(&[dns(NAME)]), extension(kind, value)])
}

/// Returns a CSR with these GeneralNames.
pub(super) fn with_names(names: &[Vec<u8>]) -> Vec<u8> {
    with_extensions(&[san(names)])
}

/// Returns a CSR with these relative distinguished names as its subject.
pub(super) fn with_subject(rdns: &[Vec<u8>]) -> Vec<u8> {
    csr(|parts| parts.subject = sequence(rdns))
}

pub(super) fn dns(name: &str) -> Vec<u8> {
    encode(tag::DNS_NAME, &[name.as_bytes()])
}

pub(super) fn san(names: &[Vec<u8>]) -> Vec<u8> {
    extension(oid::SUBJECT_ALT_NAME, &sequence(names))
}

pub(super) fn extension(kind: &[u8], value: &[u8]) -> Vec<u8> {
    sequence(&[encode(tag::OID, &[kind]), encode(tag::OCTET_STRING, &[value])])
}

pub(super) fn request(extensions: &[Vec<u8>]) -> Vec<u8> {
    attribute(oid::EXTENSION_REQUEST, &[sequence(extensions)])
}

pub(super) fn attribute(kind: &[u8], values: &[Vec<u8>]) -> Vec<u8> {
    sequence(&[encode(tag::OID, &[kind]), encode(tag::SET, &[&values.concat()])])
}

/// Returns a relative distinguished name of one attribute.
pub(super) fn rdn(kind: &[u8], string: u8, text: &[u8]) -> Vec<u8> {
    encode(tag::SET, &[&sequence(&[encode(tag::OID, &[kind]), encode(string, &[text])])])
}

pub(super) fn ec_spki(curve: Vec<u8>, point: &[u8]) -> Vec<u8> {
    sequence(&[sequence(&[encode(tag::OID, &[oid::EC_PUBLIC_KEY]), curve]), bits(point)])
}

/// Returns an RSA key from the contents of its two INTEGERs.
pub(super) fn rsa_spki(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let key = sequence(&[encode(tag::INTEGER, &[modulus]), encode(tag::INTEGER, &[exponent])]);
    sequence(&[sequence(&[encode(tag::OID, &[oid::RSA_ENCRYPTION]), null()]), bits(&key)])
}

/// Returns the content of an odd modulus INTEGER of `bits` bits.
pub(super) fn modulus(bits: usize) -> Vec<u8> {
    let mut octets = vec![0x5b; bits.div_ceil(8)];
    octets[0] = 1 << ((bits - 1) % 8);
    if octets[0] & 0x80 != 0 {
        octets.insert(0, 0);
    }
    octets
}

pub(super) fn bits(octets: &[u8]) -> Vec<u8> {
    encode(tag::BIT_STRING, &[&[0], octets])
}

pub(super) fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    encode(tag::SEQUENCE, &[&parts.concat()])
}
