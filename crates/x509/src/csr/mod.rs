//! Certificate signing requests: the gate for CSRs of others, and making our own.
//!
//! The gate, in order: [`input`] finds the one DER document, [`parse`] splits it into parts, [`rules`] checks each
//! part.

mod build;
mod input;
mod known_keys;
mod name_grant;
mod parse;
mod policy;
mod refusal;
mod rules;
#[cfg(test)]
mod tests;
mod verified;

pub use build::csr_for;
pub use known_keys::KnownKeys;
pub use name_grant::NameGrant;
pub use policy::{CsrExtension, CsrPolicy, SubjectRule, Surplus};
pub use refusal::{CsrRefusal, CsrRefusalCode};
pub use verified::VerifiedCsr;

/// Runs all rules except those of the key and the signature, and then parses the key.
#[cfg(fuzzing)]
pub(crate) fn rules_without_signature(bytes: &[u8], policy: &CsrPolicy) {
    let Ok(der) = input::document(bytes) else { return };
    let Ok(request) = parse::CertificationRequest::parse(&der) else { return };
    let _ = rules::identifiers(&request, policy);
    let _ = crate::key::PublicKey::parse(request.spki).map(|key| key.weakness());
}
