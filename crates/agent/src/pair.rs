//! A chain that was checked, with its key.

use std::fmt;

use fleetcert_x509::{Chain, KeyPair, X509Error};
use zeroize::Zeroizing;

/// A certificate chain that passed the agent's checks, with its private key where the device has it.
///
/// Only [`Agent::check`](crate::Agent::check) and the agent's own memory build one, so an
/// [`Installer`](crate::Installer) never sees a chain of another key or another name.
pub struct CertificatePair {
    chain: Chain,
    key: Option<EncodedKey>,
}

struct EncodedKey {
    der: Zeroizing<Vec<u8>>,
    pem: Zeroizing<String>,
}

impl CertificatePair {
    pub(crate) fn new(chain: Chain, key: Option<&KeyPair>) -> Result<Self, X509Error> {
        let key = match key {
            Some(key) => Some(EncodedKey { der: key.to_pkcs8_der()?, pem: key.to_pkcs8_pem()? }),
            None => None,
        };
        Ok(Self { chain, key })
    }

    /// Returns the chain, leaf first.
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// Returns the chain in PEM: `fullchain.pem`.
    pub fn chain_pem(&self) -> String {
        self.chain.to_pem()
    }

    /// Returns the key in PEM, PKCS#8: `privkey.pem`. `None` when the CSR came from outside without its key.
    pub fn key_pem(&self) -> Option<&Zeroizing<String>> {
        self.key.as_ref().map(|key| &key.pem)
    }

    /// Returns the key in DER, PKCS#8; `None` when the CSR came from outside without its key.
    pub fn key_der(&self) -> Option<&Zeroizing<Vec<u8>>> {
        self.key.as_ref().map(|key| &key.der)
    }
}

impl fmt::Debug for CertificatePair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificatePair")
            .field("identifiers", &self.chain.leaf().identifiers())
            .field("has_key", &self.key.is_some())
            .finish_non_exhaustive()
    }
}
