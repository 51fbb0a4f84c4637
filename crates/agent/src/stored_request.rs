//! The certificate request under way: a CSR with its key.

use fleetcert_names::HostName;
use fleetcert_x509::{CsrPolicy, KeyKind, KeyPair, SigningKey, VerifiedCsr, csr_for};
use zeroize::Zeroizing;

use crate::error::{AgentError, AgentErrorKind, AgentStep};

/// A CSR for the device's own name, with its private key where the device has it.
///
/// It is on the disk before the CSR is sent, so the certificate always finds its key.
#[derive(Debug)]
pub struct StoredRequest {
    csr: VerifiedCsr,
    key: Option<KeyPair>,
}

impl StoredRequest {
    pub(crate) fn new(csr: VerifiedCsr, key: Option<KeyPair>) -> Self {
        Self { csr, key }
    }

    /// Makes a new key of `kind`, and the CSR for `name`.
    pub(crate) fn make(name: &HostName, kind: KeyKind) -> Result<Self, AgentError> {
        let crypto = |error| AgentError::because(AgentStep::MakeRequest, AgentErrorKind::Crypto, error);
        let key = KeyPair::generate(kind).map_err(crypto)?;
        let csr = csr_for(&name.clone().into(), &key).map_err(crypto)?;
        Self::take_over(name, &csr, Some(key))
    }

    /// Takes a CSR that was made elsewhere, DER or PEM: it must pass the rules for devices, name exactly `name`, and
    /// belong to `key`.
    pub(crate) fn take_over(name: &HostName, csr: &[u8], key: Option<KeyPair>) -> Result<Self, AgentError> {
        let csr = VerifiedCsr::parse(csr, &own_policy()).map_err(refused)?;
        csr.require_identifiers(&name.clone().into()).map_err(refused)?;
        if key.as_ref().is_some_and(|key| key.spki_der() != csr.spki()) {
            return Err(refused(OtherKey));
        }
        Ok(Self { csr, key })
    }

    /// Returns the CSR.
    pub fn csr(&self) -> &VerifiedCsr {
        &self.csr
    }

    /// Returns whether the private key is here too.
    pub fn has_key(&self) -> bool {
        self.key.is_some()
    }

    pub(crate) fn key(&self) -> Option<&KeyPair> {
        self.key.as_ref()
    }

    pub(crate) fn key_pem(&self) -> Result<Option<Zeroizing<String>>, AgentError> {
        let crypto = |error| AgentError::because(AgentStep::MakeRequest, AgentErrorKind::Crypto, error);
        self.key.as_ref().map(KeyPair::to_pkcs8_pem).transpose().map_err(crypto)
    }
}

/// The key that was given is not the one in the CSR.
#[derive(Debug, thiserror::Error)]
#[error("the private key is not the one in the CSR")]
struct OtherKey;

/// Returns the rules for a request on its own device. A CSR that was made elsewhere may have an RSA key: the control
/// server decides which keys the fleet accepts.
pub(crate) fn own_policy() -> CsrPolicy {
    CsrPolicy::device().with_keys(&KeyKind::ALL)
}

fn refused(source: impl std::error::Error + Send + Sync + 'static) -> AgentError {
    AgentError::because(AgentStep::MakeRequest, AgentErrorKind::InvalidInput, source)
}
