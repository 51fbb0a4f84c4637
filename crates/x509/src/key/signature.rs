//! Signature algorithms: the six that a public CA accepts in a CSR.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, ECDSA_P256_SHA512_ASN1, ECDSA_P384_SHA256_ASN1,
    ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA512_ASN1, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, UnparsedPublicKey, VerificationAlgorithm,
};

use super::PublicKey;
use crate::KeyKind;
use crate::der::{encode, null, oid, tag};

/// The signature algorithm of a CSR. The curve is independent: a P-256 key may sign with SHA-384.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SignatureAlgorithm {
    /// ecdsa-with-SHA256 (RFC 5758 section 3.2).
    EcdsaSha256,
    /// ecdsa-with-SHA384.
    EcdsaSha384,
    /// ecdsa-with-SHA512.
    EcdsaSha512,
    /// sha256WithRSAEncryption, PKCS #1 v1.5 (RFC 4055 section 5).
    RsaSha256,
    /// sha384WithRSAEncryption.
    RsaSha384,
    /// sha512WithRSAEncryption.
    RsaSha512,
}

impl SignatureAlgorithm {
    const ALL: [Self; 6] = [
        Self::EcdsaSha256,
        Self::EcdsaSha384,
        Self::EcdsaSha512,
        Self::RsaSha256,
        Self::RsaSha384,
        Self::RsaSha512,
    ];

    /// Returns the algorithm with exactly this AlgorithmIdentifier, including its parameters.
    pub(crate) fn from_identifier(der: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.identifier() == der)
    }

    /// Returns the ECDSA algorithm whose AlgorithmIdentifier has NULL parameters instead of none (RFC 5758 section
    /// 3.2).
    pub(crate) fn from_ecdsa_with_null(der: &[u8]) -> Option<Self> {
        let ecdsa = [
            (Self::EcdsaSha256, oid::ECDSA_WITH_SHA256),
            (Self::EcdsaSha384, oid::ECDSA_WITH_SHA384),
            (Self::EcdsaSha512, oid::ECDSA_WITH_SHA512),
        ];
        let identifier = |oid: &[u8]| encode(tag::SEQUENCE, &[&encode(tag::OID, &[oid]), &null()]);
        ecdsa.into_iter().find(|(_, oid)| identifier(oid) == der).map(|(algorithm, _)| algorithm)
    }

    /// Returns the AlgorithmIdentifier: parameters are absent for ECDSA and NULL for RSA.
    pub(crate) fn identifier(self) -> Vec<u8> {
        let (oid, parameters) = match self {
            Self::EcdsaSha256 => (oid::ECDSA_WITH_SHA256, Vec::new()),
            Self::EcdsaSha384 => (oid::ECDSA_WITH_SHA384, Vec::new()),
            Self::EcdsaSha512 => (oid::ECDSA_WITH_SHA512, Vec::new()),
            Self::RsaSha256 => (oid::RSA_WITH_SHA256, null()),
            Self::RsaSha384 => (oid::RSA_WITH_SHA384, null()),
            Self::RsaSha512 => (oid::RSA_WITH_SHA512, null()),
        };
        encode(tag::SEQUENCE, &[&encode(tag::OID, &[oid]), &parameters])
    }

    /// Returns whether `signature` by `key` verifies over `message`; `false` also if key and algorithm do not fit.
    pub(crate) fn verifies(self, key: &PublicKey<'_>, message: &[u8], signature: &[u8]) -> bool {
        self.over(key.kind()).is_some_and(|algorithm| {
            UnparsedPublicKey::new(algorithm, key.bits()).verify(message, signature).is_ok()
        })
    }

    fn over(self, key: KeyKind) -> Option<&'static dyn VerificationAlgorithm> {
        Some(match (self, key) {
            (Self::EcdsaSha256, KeyKind::P256) => &ECDSA_P256_SHA256_ASN1,
            (Self::EcdsaSha384, KeyKind::P256) => &ECDSA_P256_SHA384_ASN1,
            (Self::EcdsaSha512, KeyKind::P256) => &ECDSA_P256_SHA512_ASN1,
            (Self::EcdsaSha256, KeyKind::P384) => &ECDSA_P384_SHA256_ASN1,
            (Self::EcdsaSha384, KeyKind::P384) => &ECDSA_P384_SHA384_ASN1,
            (Self::EcdsaSha512, KeyKind::P384) => &ECDSA_P384_SHA512_ASN1,
            (Self::RsaSha256, key) if key.is_rsa() => &RSA_PKCS1_2048_8192_SHA256,
            (Self::RsaSha384, key) if key.is_rsa() => &RSA_PKCS1_2048_8192_SHA384,
            (Self::RsaSha512, key) if key.is_rsa() => &RSA_PKCS1_2048_8192_SHA512,
            _ => return None,
        })
    }
}
