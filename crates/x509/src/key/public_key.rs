//! A public key parsed from a SubjectPublicKeyInfo.

use std::fmt;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ParsedPublicKey};

use super::rsa::{Weakness, weakness};
use crate::KeyKind;
use crate::der::{DerFault, Reader, check_document, oid, tag};

/// A public key of a supported kind that passed the basic checks.
///
/// An EC point is on its curve and is not infinity. An RSA key has a usual size, the exponent 65537 and an odd
/// modulus; [`weakness`](Self::weakness) checks the modulus further.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PublicKey<'a> {
    kind: KeyKind,
    bits: &'a [u8],
    /// Modulus of an RSA key, without the octet of its sign.
    modulus: Option<&'a [u8]>,
}

/// Why a SubjectPublicKeyInfo is not a [`PublicKey`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KeyFault {
    Der(DerFault),
    /// Object identifier of an algorithm or curve that is not supported.
    Kind(String),
    /// RSA with this number of bits.
    RsaSize(usize),
    RsaExponent,
    /// The modulus cannot be the product of two large primes.
    RsaModulus,
    /// Fault of the EC point or its parameters.
    Point(&'static str),
}

impl fmt::Display for KeyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Der(_) => write!(f, "it is not a SubjectPublicKeyInfo in DER"),
            Self::Kind(oid) => write!(f, "its algorithm or curve {oid} is not P-256, P-384 or RSA"),
            Self::RsaSize(bits) => write!(f, "it is RSA with {bits} bits instead of 2048, 3072 or 4096"),
            Self::RsaExponent => write!(f, "its RSA exponent is not 65537"),
            Self::RsaModulus => write!(f, "its RSA modulus is even or negative"),
            Self::Point(what) => write!(f, "{what}"),
        }
    }
}

impl From<DerFault> for KeyFault {
    fn from(fault: DerFault) -> Self {
        Self::Der(fault)
    }
}

impl<'a> PublicKey<'a> {
    pub(crate) fn parse(spki: &'a [u8]) -> Result<Self, KeyFault> {
        check_document(spki)?;
        let mut outer = Reader::new(spki);
        let mut info = outer.sequence()?;
        let mut algorithm = info.sequence()?;
        let bits = info.octets_of_bits()?;
        info.finish()?;

        match algorithm.read(tag::OID)?.content {
            oid::EC_PUBLIC_KEY => Ok(Self { kind: ec_kind(algorithm, bits)?, bits, modulus: None }),
            oid::RSA_ENCRYPTION => {
                let (kind, modulus) = rsa_kind(algorithm, bits)?;
                Ok(Self { kind, bits, modulus: Some(modulus) })
            }
            other => Err(KeyFault::Kind(oid::dotted(other))),
        }
    }

    /// Returns how the key can be broken, if the gate's arithmetic finds it. Costs as much as several signatures.
    pub(crate) fn weakness(&self) -> Option<Weakness> {
        self.modulus.and_then(weakness)
    }

    pub(crate) fn kind(&self) -> KeyKind {
        self.kind
    }

    /// Returns the content of the subjectPublicKey: an EC point or an RSAPublicKey.
    pub(crate) fn bits(&self) -> &'a [u8] {
        self.bits
    }
}

/// Checks an EC key by RFC 5480 section 2: a named curve, and an uncompressed point.
fn ec_kind(mut parameters: Reader<'_>, point: &[u8]) -> Result<KeyKind, KeyFault> {
    if !parameters.is_next(tag::OID) {
        return Err(KeyFault::Point("its curve is not named"));
    }
    let curve = parameters.read(tag::OID)?.content;
    parameters.finish()?;
    let (kind, coordinate) = match curve {
        oid::P256 => (KeyKind::P256, 32),
        oid::P384 => (KeyKind::P384, 48),
        other => return Err(KeyFault::Kind(oid::dotted(other))),
    };
    match point.first() {
        Some(0x04) if point.len() == 1 + 2 * coordinate => {}
        Some(0x02 | 0x03) => return Err(KeyFault::Point("its point is compressed")),
        Some(0x00) => return Err(KeyFault::Point("its point is the point at infinity")),
        _ => return Err(KeyFault::Point("its point has an invalid length or form")),
    }
    let parsed = match kind {
        KeyKind::P384 => ParsedPublicKey::new(&ECDSA_P384_SHA384_ASN1, point),
        _ => ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point),
    };
    parsed.map(|_| kind).map_err(|_| KeyFault::Point("its point is not on the curve"))
}

/// Checks an RSA key by RFC 3279 section 2.3.1. The exponent is the only one that the large CAs accept.
fn rsa_kind<'a>(mut parameters: Reader<'_>, key: &'a [u8]) -> Result<(KeyKind, &'a [u8]), KeyFault> {
    parameters.read(tag::NULL)?;
    parameters.finish()?;

    check_document(key)?;
    let mut key = Reader::new(key).sequence()?;
    let modulus = key.read(tag::INTEGER)?.content;
    let exponent = key.read(tag::INTEGER)?.content;
    key.finish()?;

    if modulus[0] & 0x80 != 0 {
        return Err(KeyFault::RsaModulus);
    }
    let significant = modulus.strip_prefix(&[0]).unwrap_or(modulus);
    let leading = significant.first().map_or(0, |octet| octet.leading_zeros() as usize);
    let kind = match significant.len() * 8 - leading {
        2048 => KeyKind::Rsa2048,
        3072 => KeyKind::Rsa3072,
        4096 => KeyKind::Rsa4096,
        bits => return Err(KeyFault::RsaSize(bits)),
    };
    if exponent != [0x01, 0x00, 0x01] {
        return Err(KeyFault::RsaExponent);
    }
    if significant.last().is_none_or(|octet| octet & 1 == 0) {
        return Err(KeyFault::RsaModulus);
    }
    Ok((kind, significant))
}
