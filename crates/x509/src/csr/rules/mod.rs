//! The rules, one file for each part of a CSR.

mod attributes;
mod extensions;
mod key;
mod names;
mod subject;

use fleetcert_names::IdentifierSet;

use super::parse::CertificationRequest;
use super::refusal::CsrRefusal;
use crate::CsrPolicy;

pub(super) use key::{key_and_signature, not_blocked, not_weak};

/// Checks everything except the key: attributes, extensions, names, subject, grant. Returns the identifiers.
pub(super) fn identifiers(
    request: &CertificationRequest<'_>,
    policy: &CsrPolicy,
) -> Result<IdentifierSet, CsrRefusal> {
    let extensions = attributes::extension_request(request.attributes, policy)?;
    let identifiers = names::identifiers(extensions, policy)?;
    subject::subject(request.subject, &identifiers, policy)?;
    if let Some(grant) = policy.grant() {
        grant.check(&identifiers)?;
    }
    Ok(identifiers)
}
