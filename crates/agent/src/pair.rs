//! A chain that was checked, with its key.

use std::fmt;

use fleetcert_x509::{Chain, KeyPair, X509Error};
use zeroize::Zeroizing;

/// A certificate chain that passed the agent's checks, with its private key where the device has it.
///
/// Only [`Agent::check`](crate::Agent::check) and the agent's own memory build one, so an
/// [`Installer`](crate::Installer) never sees a chain of another key or another name.
pub struct Pair {
    chain: Chain,
    key: Option<Key>,
}

struct Key {
    der: Zeroizing<Vec<u8>>,
    pem: Zeroizing<String>,
}

impl Pair {
    pub(crate) fn new(chain: Chain, key: Option<&KeyPair>) -> Result<Self, X509Error> {
        let key = match key {
            Some(key) => Some(Key { der: key.to_pkcs8_der()?, pem: key.to_pkcs8_pem()? }),
            None => None,
        };
        Ok(Self { chain, key })
    }

    /// The chain, leaf first.
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// `fullchain.pem`.
    pub fn chain_pem(&self) -> String {
        self.chain.to_pem()
    }

    /// `privkey.pem`, PKCS#8; `None` when the CSR came from outside without its key.
    pub fn key_pem(&self) -> Option<&Zeroizing<String>> {
        self.key.as_ref().map(|key| &key.pem)
    }

    /// The key in DER, PKCS#8; `None` when the CSR came from outside without its key.
    pub fn key_der(&self) -> Option<&Zeroizing<Vec<u8>>> {
        self.key.as_ref().map(|key| &key.der)
    }
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pair")
            .field("identifiers", &self.chain.leaf().identifiers())
            .field("has_key", &self.key.is_some())
            .finish_non_exhaustive()
    }
}
