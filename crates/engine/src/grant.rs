//! Grants: authorisation as a value.

use fleetcert_jose::Jwk;
use fleetcert_names::{HostName, Identifier, IdentifierSet};
use fleetcert_protocol::DeviceId;
use fleetcert_x509::{CsrPolicy, CsrRefusal, NameGrant, VerifiedCsr};

use crate::records::DeviceRecord;

/// An action of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Publish its addresses.
    ReportAddresses,
    /// Request a certificate.
    RequestCertificate,
    /// Read the status of its certificate.
    ReadCertificate,
}

/// The permission for one device to do one thing to its own identifiers.
///
/// Only [`Engine::authorize`](crate::Engine::authorize) makes one, after the device was authenticated and the
/// [`Authorizer`](crate::Authorizer) agreed; everything that is done for a device requires one. It holds the device and
/// its identifiers, so that a request cannot choose whose name is touched.
#[derive(Debug)]
pub struct Grant {
    device: DeviceId,
    name: HostName,
    identifiers: IdentifierSet,
    /// Key with which the device enrolled.
    identity: Jwk,
    tenant: u32,
    action: Action,
}

impl Grant {
    /// Makes a grant for a device's own host name and, with `wildcards`, for the wildcard below it.
    pub(crate) fn new(device: DeviceId, record: DeviceRecord, wildcards: bool, action: Action) -> Self {
        let DeviceRecord { key: identity, name, tenant, .. } = record;
        let [own, with_wildcard] = sets_of(&name);
        let identifiers = if wildcards { with_wildcard } else { own };
        Self { device, name, identifiers, identity, tenant, action }
    }

    /// Returns the key with which the device enrolled.
    pub(crate) fn identity(&self) -> &Jwk {
        &self.identity
    }

    pub(crate) fn tenant(&self) -> u32 {
        self.tenant
    }

    /// Returns the identifier sets that the device's certificates may have.
    pub(crate) fn sets(&self) -> impl Iterator<Item = IdentifierSet> {
        sets_of(&self.name).into_iter().take(self.identifiers.len())
    }

    /// Returns the device.
    pub fn device(&self) -> &DeviceId {
        &self.device
    }

    /// Returns the device's host name.
    pub fn name(&self) -> &HostName {
        &self.name
    }

    /// Returns the identifiers that the device's certificate may have: the host name always, and the wildcard below it if
    /// the CSR asks for it.
    pub fn identifiers(&self) -> &IdentifierSet {
        &self.identifiers
    }

    /// Returns the action.
    pub fn action(&self) -> Action {
        self.action
    }
}

/// Returns the identifier sets that a device of this name may have: the name, and the name with the wildcard below it.
pub(crate) fn sets_of(name: &HostName) -> [IdentifierSet; 2] {
    let own = Identifier::from(name.clone());
    let both = IdentifierSet::new([own.clone(), Identifier::wildcard(name.clone())]);
    [own.into(), both.expect("two identifiers are a set")]
}

/// Returns `policy` with `name` and the wildcard below it granted, if `identifiers` has the wildcard. Otherwise the policy
/// refuses wildcards by itself.
pub(crate) fn policy_for(policy: &CsrPolicy, name: &HostName, identifiers: &IdentifierSet) -> CsrPolicy {
    if identifiers.contains(&Identifier::wildcard(name.clone())) {
        return policy.clone().with_grant(NameGrant::exact(&name.clone().into()).and_optional(identifiers));
    }
    policy.clone()
}

/// Returns the CSR in `der` if it passes `policy` and has no names but the granted ones.
pub(crate) fn granted_csr(der: &[u8], policy: &CsrPolicy, grant: &Grant) -> Result<VerifiedCsr, CsrRefusal> {
    let csr = VerifiedCsr::parse(der, &policy_for(policy, &grant.name, &grant.identifiers))?;
    if grant.identifiers.len() == 1 {
        csr.require_identifiers(&grant.identifiers)?;
    }
    Ok(csr)
}
