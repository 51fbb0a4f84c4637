//! Public keys of the crypto provider.

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    VerificationAlgorithm,
};

use crate::{Algorithm, JoseError, JoseErrorKind};

/// A public key that passed the checks.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum PublicKey {
    /// Uncompressed point: 65 octets.
    P256(Vec<u8>),
    /// Uncompressed point: 97 octets.
    P384(Vec<u8>),
    /// Key of 32 octets.
    Ed25519(Vec<u8>),
    /// Modulus and exponent, big-endian, without leading zeros.
    Rsa { n: Vec<u8>, e: Vec<u8> },
}

/// 65537. Other exponents are weak or make verification slow.
const RSA_EXPONENT: [u8; 3] = [1, 0, 1];
const RSA_OCTETS: [usize; 3] = [256, 384, 512];

impl PublicKey {
    pub(crate) fn p256(x: &[u8], y: &[u8]) -> Result<Self, JoseError> {
        Self::P256(point(x, y, 32)?).checked()
    }

    pub(crate) fn p384(x: &[u8], y: &[u8]) -> Result<Self, JoseError> {
        Self::P384(point(x, y, 48)?).checked()
    }

    pub(crate) fn ed25519(x: &[u8]) -> Result<Self, JoseError> {
        Self::Ed25519(x.to_vec()).checked()
    }

    pub(crate) fn rsa(n: &[u8], e: &[u8]) -> Result<Self, JoseError> {
        let whole_size = RSA_OCTETS.contains(&n.len()) && n.first().is_some_and(|first| *first >= 0x80);
        let odd = n.last().is_some_and(|last| last % 2 == 1);
        if !whole_size || !odd || e != RSA_EXPONENT {
            let why = "the RSA key does not have 2048, 3072 or 4096 bits and the exponent 65537";
            return Err(JoseError::new(JoseErrorKind::BadKey, why));
        }
        Self::Rsa { n: n.to_vec(), e: e.to_vec() }.checked()
    }

    fn checked(self) -> Result<Self, JoseError> {
        self.parsed().map(|_| self)
    }

    pub(crate) fn algorithm(&self) -> Algorithm {
        match self {
            Self::P256(_) => Algorithm::Es256,
            Self::P384(_) => Algorithm::Es384,
            Self::Ed25519(_) => Algorithm::EdDsa,
            Self::Rsa { .. } => Algorithm::Rs256,
        }
    }

    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), JoseError> {
        let bad =
            |_| JoseError::new(JoseErrorKind::BadSignature, "the signature does not verify with this key");
        self.parsed()?.verify_sig(message, signature).map_err(bad)
    }

    pub(crate) fn spki_der(&self) -> Vec<u8> {
        let parsed = self.parsed().expect("the key was parsed when it was made");
        let der: PublicKeyX509Der<'_> = parsed.as_der().expect("a parsed key has a DER form");
        der.as_ref().to_vec()
    }

    fn parsed(&self) -> Result<ParsedPublicKey, JoseError> {
        let (algorithm, bytes): (&'static dyn VerificationAlgorithm, Vec<u8>) = match self {
            Self::P256(point) => (&ECDSA_P256_SHA256_FIXED, point.clone()),
            Self::P384(point) => (&ECDSA_P384_SHA384_FIXED, point.clone()),
            Self::Ed25519(x) => (&ED25519, x.clone()),
            Self::Rsa { n, e } => (&RSA_PKCS1_2048_8192_SHA256, rsa_public_key(n, e)),
        };
        ParsedPublicKey::new(algorithm, bytes).map_err(|error| JoseError::new(JoseErrorKind::BadKey, error))
    }
}

/// Returns the uncompressed point (SEC 1 section 2.3.3) of two coordinates of full length.
fn point(x: &[u8], y: &[u8], length: usize) -> Result<Vec<u8>, JoseError> {
    if x.len() != length || y.len() != length {
        return Err(JoseError::new(JoseErrorKind::BadKey, "a coordinate has the wrong length"));
    }
    Ok([&[4], x, y].concat())
}

/// Encodes an RSAPublicKey in DER (RFC 8017 appendix A.1.1): a sequence of two integers.
fn rsa_public_key(n: &[u8], e: &[u8]) -> Vec<u8> {
    let integer = |value: &[u8]| {
        // A leading zero keeps a number positive if its first bit is set.
        let zero: &[u8] = if value[0] >= 0x80 { &[0] } else { &[] };
        der(2, &[zero, value].concat())
    };
    der(0x30, &[integer(n), integer(e)].concat())
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let header = match length {
        0..=0x7f => vec![tag, length as u8],
        0x80..=0xff => vec![tag, 0x81, length as u8],
        _ => vec![tag, 0x82, (length >> 8) as u8, length as u8],
    };
    [&header, content].concat()
}
