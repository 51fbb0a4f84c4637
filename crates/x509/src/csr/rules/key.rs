//! The key, and the proof that the sender has it.

use super::super::parse::CertificationRequest;
use super::super::refusal::{CsrRefusal, CsrRefusalCode as Code};
use crate::key::{KeyFault, PublicKey};
use crate::{CsrPolicy, SignatureAlgorithm};

const KEY: &str = "subjectPKInfo";

/// Key and signature are read each on its own: a P-256 key may sign with SHA-384 and stays a P-256 key.
pub(in super::super) fn key_and_signature<'a>(
    request: &CertificationRequest<'a>,
    policy: &CsrPolicy,
) -> Result<PublicKey<'a>, CsrRefusal> {
    let algorithm = SignatureAlgorithm::from_identifier(request.signature_algorithm).ok_or_else(|| {
        let sentence =
            "The CSR must be signed by ECDSA or RSA PKCS #1 v1.5 with SHA-256, SHA-384 or SHA-512.";
        CsrRefusal::new(Code::SignatureAlgorithmUnsupported, "signatureAlgorithm", sentence)
    })?;
    let key = PublicKey::parse(request.spki).map_err(|fault| refuse(&fault, policy))?;
    if !policy.allows_key(key.kind()) {
        let by_size = key.kind().is_rsa() && policy.allows_rsa();
        let code = if by_size { Code::KeySizeNotAllowed } else { Code::KeyTypeNotAllowed };
        return Err(CsrRefusal::new(code, KEY, format!("Keys of the kind {} are not taken.", key.kind())));
    }
    if !algorithm.verifies(&key, request.signed, request.signature) {
        let sentence = "The signature was not made by the key in the CSR over this CSR.";
        return Err(CsrRefusal::new(Code::BadSignature, "signature", sentence));
    }
    Ok(key)
}

fn refuse(fault: &KeyFault, policy: &CsrPolicy) -> CsrRefusal {
    let code = match fault {
        KeyFault::Der(fault) => return CsrRefusal::der(KEY)(*fault),
        KeyFault::RsaSize(_) | KeyFault::RsaExponent | KeyFault::RsaModulus if !policy.allows_rsa() => {
            Code::KeyTypeNotAllowed
        }
        KeyFault::Kind(_) => Code::KeyTypeNotAllowed,
        KeyFault::RsaSize(_) => Code::KeySizeNotAllowed,
        KeyFault::RsaExponent => Code::KeyBadExponent,
        KeyFault::RsaModulus => Code::KeyWeak,
        KeyFault::Point(_) => Code::KeyInvalidPoint,
    };
    CsrRefusal::new(code, KEY, format!("The key is not taken: {fault}."))
}
