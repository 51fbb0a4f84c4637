//! The key, and the proof of its possession.

use super::super::parse::CertificationRequest;
use super::super::refusal::{CsrRefusal, CsrRefusalCode as Code};
use crate::key::{KeyFault, PublicKey, Weakness};
use crate::{CsrPolicy, SignatureAlgorithm};

const KEY: &str = "subjectPKInfo";

/// Parses key and signature independently: a P-256 key may sign with SHA-384 and stays a P-256 key.
pub(in super::super) fn key_and_signature<'a>(
    request: &CertificationRequest<'a>,
    policy: &CsrPolicy,
) -> Result<PublicKey<'a>, CsrRefusal> {
    let algorithm = signature_algorithm(request.signature_algorithm, policy)?;
    let key = PublicKey::parse(request.spki).map_err(|fault| refuse(&fault, policy))?;
    if !policy.allows_key(key.kind()) {
        let by_size = key.kind().is_rsa() && policy.allows_rsa();
        let code = if by_size { Code::KeySizeNotAllowed } else { Code::KeyTypeNotAllowed };
        return Err(not_allowed(code, &format!("Keys of the kind {} are not allowed.", key.kind()), policy));
    }
    if !algorithm.verifies(&key, request.signed, request.signature) {
        let what = "The signature was not made by the key in the CSR over this CSR.";
        return Err(CsrRefusal::new(Code::BadSignature, "signature", what));
    }
    Ok(key)
}

fn signature_algorithm(identifier: &[u8], policy: &CsrPolicy) -> Result<SignatureAlgorithm, CsrRefusal> {
    if let Some(algorithm) = SignatureAlgorithm::from_identifier(identifier) {
        return Ok(algorithm);
    }
    let what = match SignatureAlgorithm::from_ecdsa_with_null(identifier) {
        Some(algorithm) if policy.allows_ecdsa_with_null() => return Ok(algorithm),
        Some(_) => "The identifier of ECDSA has NULL parameters, as Mbed TLS before 2.28.4 writes them.",
        None => "The CSR is signed with an algorithm that no public CA accepts.",
    };
    Err(CsrRefusal::new(Code::SignatureAlgorithmUnsupported, "signatureAlgorithm", what))
}

/// Checks the arithmetic of RSA keys. It is expensive, so it runs after the proof of possession.
pub(in super::super) fn not_weak(key: &PublicKey<'_>) -> Result<(), CsrRefusal> {
    let Some(weakness) = key.weakness() else {
        return Ok(());
    };
    let code = match weakness {
        Weakness::SmallFactor(_) | Weakness::PerfectPower(_) => Code::KeyWeak,
        Weakness::ClosePrimes => Code::KeyClosePrimes,
        Weakness::Roca => Code::KeyRoca,
    };
    Err(CsrRefusal::new(code, KEY, format!("The key is weak: {weakness}.")))
}

/// Queries each list of the policy. If one is unavailable, the key is refused.
pub(in super::super) fn not_blocked(spki_sha256: &[u8; 32], policy: &CsrPolicy) -> Result<(), CsrRefusal> {
    for list in policy.blocklists() {
        let refusal = match list.contains(spki_sha256) {
            Ok(false) => continue,
            Ok(true) => (Code::KeyBlocked, "The key is on a list of keys that are known to others."),
            Err(_) => (Code::KeyCheckUnavailable, "A list of blocked keys is unavailable."),
        };
        return Err(CsrRefusal::new(refusal.0, KEY, refusal.1));
    }
    Ok(())
}

fn refuse(fault: &KeyFault, policy: &CsrPolicy) -> CsrRefusal {
    let what = format!("The key is not allowed: {fault}.");
    let code = match fault {
        KeyFault::Der(fault) => return CsrRefusal::der(KEY)(*fault),
        KeyFault::RsaSize(_) | KeyFault::RsaExponent | KeyFault::RsaModulus if !policy.allows_rsa() => {
            return not_allowed(Code::KeyTypeNotAllowed, "RSA keys are not allowed.", policy);
        }
        KeyFault::Kind(_) => return not_allowed(Code::KeyTypeNotAllowed, &what, policy),
        KeyFault::RsaSize(_) => return not_allowed(Code::KeySizeNotAllowed, &what, policy),
        KeyFault::RsaExponent => Code::KeyBadExponent,
        KeyFault::RsaModulus => Code::KeyWeak,
        KeyFault::Point(_) => Code::KeyInvalidPoint,
    };
    CsrRefusal::new(code, KEY, what)
}

fn not_allowed(code: Code, what: &str, policy: &CsrPolicy) -> CsrRefusal {
    let kinds = policy.keys().iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ");
    CsrRefusal::with_remedy(code, KEY, what, &format!("make a new key: {kinds}"))
}
