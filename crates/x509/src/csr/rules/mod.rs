//! The rules, one file for each part of a CSR.

mod attributes;
mod extensions;
mod key;
mod names;
mod subject;

use super::parse::CertificationRequest;
use super::refusal::CsrRefusal;
use crate::CsrPolicy;

pub(super) use key::{key_and_signature, not_blocked, not_weak};
pub(super) use names::Names;

/// All that is asked for, apart from the key: attributes, extensions, names, subject, grant.
pub(super) fn names(request: &CertificationRequest<'_>, policy: &CsrPolicy) -> Result<Names, CsrRefusal> {
    let extensions = attributes::extension_request(request.attributes, policy)?;
    let names = names::names(extensions, policy)?;
    subject::subject(request.subject, &names, policy)?;
    if let Some(grant) = policy.grant() {
        grant.check(&names.exact)?;
    }
    Ok(names)
}
