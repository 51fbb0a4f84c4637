//! The state folder: what the device remembers, in one private folder.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use fleetcert_jose::{Algorithm, KeyPair as IdentityKey};
use fleetcert_protocol::Enrolled;
use fleetcert_x509::{Chain, KeyPair, VerifiedCsr};
use zeroize::Zeroizing;

use crate::error::{AgentError, AgentErrorKind, AgentStep};
use crate::private_files::{lock_file, private_folder, read, remove, replace};
use crate::stored_request::own_policy;
use crate::{CertificatePair, StoredRequest};

/// The files of the folder:
///
/// ```text
/// identity.der     identity key, PKCS#8
/// enrolled.json    device id and name
/// request.pem      key (where we have it) and CSR of the request under way
/// certificate.pem  key (where we have it) and chain in use
/// ```
/// One file, one fact: each is replaced as a whole, so a key and what belongs to it stay together.
#[derive(Debug)]
pub(crate) struct StateFolder {
    folder: PathBuf,
    /// Held while the agent lives: two agents with one identity would undo each other's steps.
    _lock: File,
}

const IDENTITY: &str = "identity.der";
const ENROLLED: &str = "enrolled.json";
const REQUEST: &str = "request.pem";
const CERTIFICATE: &str = "certificate.pem";
const LOCK: &str = "lock";
const LIMIT: u64 = 256 * 1024;

impl StateFolder {
    pub(crate) fn open(folder: &Path) -> Result<Self, AgentError> {
        private_folder(folder).map_err(failed)?;
        let lock = lock_file(&folder.join(LOCK)).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { folder: folder.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => {
                Err(failed(io::Error::other("another agent uses the folder; stop it first")))
            }
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    /// Returns the identity key; makes and stores one with `algorithm` if there is none.
    pub(crate) fn identity(&self, algorithm: Algorithm) -> Result<IdentityKey, AgentError> {
        if let Some(stored) = self.read(IDENTITY)? {
            return IdentityKey::from_pkcs8_der(&stored).map_err(failed);
        }
        let crypto = |error| AgentError::because(AgentStep::Open, AgentErrorKind::Crypto, error);
        let key = IdentityKey::generate(algorithm).map_err(crypto)?;
        self.replace(IDENTITY, &key.to_pkcs8_der().map_err(crypto)?)?;
        Ok(key)
    }

    pub(crate) fn enrolled(&self) -> Result<Option<Enrolled>, AgentError> {
        self.read(ENROLLED)?.map(|bytes| serde_json::from_slice(&bytes).map_err(failed)).transpose()
    }

    pub(crate) fn set_enrolled(&self, enrolled: &Enrolled) -> Result<(), AgentError> {
        self.replace(ENROLLED, &serde_json::to_vec(enrolled).map_err(failed)?)
    }

    pub(crate) fn request(&self) -> Result<Option<StoredRequest>, AgentError> {
        let Some(bytes) = self.read(REQUEST)? else { return Ok(None) };
        let Some(Enrolled { name, .. }) = self.enrolled()? else { return Ok(None) };
        let (key, csr) = split(&bytes, "-----BEGIN CERTIFICATE REQUEST-----")?;
        let csr = VerifiedCsr::parse(csr, &own_policy(&name)).map_err(failed)?;
        Ok(Some(StoredRequest::new(csr, key)))
    }

    pub(crate) fn set_request(&self, request: &StoredRequest) -> Result<(), AgentError> {
        let csr = pem::encode(&pem::Pem::new("CERTIFICATE REQUEST", request.csr().der()));
        self.replace(REQUEST, &joined(request.key_pem()?.as_ref(), &csr))
    }

    pub(crate) fn pair(&self) -> Result<Option<CertificatePair>, AgentError> {
        let Some(bytes) = self.read(CERTIFICATE)? else { return Ok(None) };
        let (key, chain) = split(&bytes, "-----BEGIN CERTIFICATE-----")?;
        let chain = Chain::from_pem(chain).map_err(failed)?;
        CertificatePair::new(chain, key.as_ref()).map(Some).map_err(failed)
    }

    /// Remembers `pair` as installed; the request that it came from is done.
    pub(crate) fn set_pair(&self, pair: &CertificatePair) -> Result<(), AgentError> {
        self.replace(CERTIFICATE, &joined(pair.key_pem(), &pair.chain_pem()))?;
        remove(&self.folder.join(REQUEST)).map_err(failed)
    }

    fn read(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, AgentError> {
        read(&self.folder.join(name), LIMIT).map_err(failed)
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), AgentError> {
        replace(&self.folder, name, bytes).map_err(failed)
    }
}

fn failed(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> AgentError {
    AgentError::because(AgentStep::Open, AgentErrorKind::State, source)
}

fn joined(key: Option<&Zeroizing<String>>, rest: &str) -> Zeroizing<Vec<u8>> {
    let key = key.map_or("", |key| key.as_str());
    let mut bytes = Zeroizing::new(Vec::with_capacity(key.len() + rest.len()));
    bytes.extend_from_slice(key.as_bytes());
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

/// Splits a file into the key before `marker`, if there is one, and the rest.
fn split<'a>(bytes: &'a [u8], marker: &str) -> Result<(Option<KeyPair>, &'a [u8]), AgentError> {
    let text = std::str::from_utf8(bytes).map_err(failed)?;
    let (key, rest) = text.split_at(text.find(marker).unwrap_or(text.len()));
    let key = if key.is_empty() { None } else { Some(KeyPair::from_pkcs8_pem(key).map_err(failed)?) };
    Ok((key, rest.as_bytes()))
}
