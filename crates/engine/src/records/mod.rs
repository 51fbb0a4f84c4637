//! What the engine keeps in the store, and under which keys.
//!
//! A record that is claimed by a worker is due; the others are not. Labels and keys are never deleted.

mod certificate;
mod order;

use std::net::IpAddr;
use std::time::SystemTime;

use data_encoding::HEXLOWER;
use fleetcert_dns::challenge::ChallengeRecord;
use fleetcert_jose::Jwk;
use fleetcert_names::{HostName, IdentifierSet};
use fleetcert_protocol::DeviceId;
use fleetcert_store::{Collection, Expect, Record, Store, StoreError, Transaction, Version};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub(crate) use certificate::CertificateRecord;
pub(crate) use order::{HeldBack, OrderRecord, Previous};

use crate::{EngineError, EngineErrorKind};

/// Device id → [`DeviceRecord`].
pub(crate) const DEVICES: Collection = Collection::new("device");
/// Thumbprint of a device key → device id.
pub(crate) const DEVICE_KEYS: Collection = Collection::new("device-key");
/// Label → device id. Kept for ever: a label is given out once.
pub(crate) const LABELS: Collection = Collection::new("label");
/// Hash of an enrolment token → [`TokenRecord`]; due when it expires.
pub(crate) const TOKENS: Collection = Collection::new("token");
/// Host name → [`AddressRecord`]; due while the zone does not have it yet.
pub(crate) const ADDRESSES: Collection = Collection::new("address");
/// [Key of an identifier set](key_of) → [`OrderRecord`]; due when it is to be worked on. One set, one order.
pub(crate) const ORDERS: Collection = Collection::new("order");
/// [Key of an identifier set](key_of) → [`CertificateRecord`]; due when the CA is to be polled for the renewal window.
pub(crate) const CERTIFICATES: Collection = Collection::new("certificate");
/// Name of a plan → places that are taken in it; never due.
pub(crate) const RENEWAL_PLANS: Collection = Collection::new("renewal-plan");
/// Hash of a certificate's public key → host name that used it. Kept for ever.
pub(crate) const CERTIFICATE_KEYS: Collection = Collection::new("certificate-key");
/// Name and hash of value and owner → [`StoredChallenge`]; due when it is removed in any case.
pub(crate) const CHALLENGES: Collection = Collection::new("challenge");
/// CA and bucket → how full it is and how much of it is held; due when it is full again.
pub(crate) const BUDGETS: Collection = Collection::new("budget");
/// CA and scope of a limit → what the CA said that it is; due when that is forgotten.
pub(crate) const LIMITS: Collection = Collection::new("limit");

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct DeviceRecord {
    pub key: Jwk,
    pub name: HostName,
    pub state: DeviceState,
    pub enrolled_at: SystemTime,
    /// Whose it is.
    #[serde(default)]
    pub tenant: u32,
}

/// Where a device stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceState {
    /// It may do what the authorizer allows.
    Active,
    /// It may do nothing, and may come back.
    Suspended,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TokenRecord {
    pub expires: SystemTime,
    pub used: Option<TokenUse>,
    /// Whose device it admits.
    #[serde(default)]
    pub tenant: u32,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TokenUse {
    pub key: String,
    pub device: DeviceId,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct AddressRecord {
    pub addresses: Vec<IpAddr>,
    /// Failed tries in a row to bring them to the zone.
    pub failures: u32,
}

/// The record as it is stored.
pub(crate) fn encode<T: Serialize>(record: &T) -> Vec<u8> {
    serde_json::to_vec(record).expect("our records have string keys and no failing serialisation")
}

/// The stored record; what another program, or damage, put there is an error and no panic.
pub(crate) fn decode<T: DeserializeOwned>(record: &Record) -> Result<T, EngineError> {
    serde_json::from_slice(&record.value).map_err(|error| {
        EngineError::new(EngineErrorKind::Corrupt, format!("record {}: {error}", record.key))
    })
}

/// A challenge record that an order has published or is about to publish.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StoredChallenge {
    #[serde(flatten)]
    pub record: ChallengeRecord,
    /// Key of the order; `None` in records of versions before sets, whose order has the key of its host name.
    #[serde(default)]
    pub order: Option<String>,
}

/// A decoded record, as it was read.
#[derive(Clone, Debug)]
pub(crate) struct Stored<T> {
    pub key: String,
    pub version: Version,
    pub due: Option<SystemTime>,
    pub value: T,
}

impl<T: DeserializeOwned> Stored<T> {
    pub(crate) fn decode(record: Record) -> Result<Self, EngineError> {
        let value = decode(&record)?;
        Ok(Self { key: record.key, version: record.version, due: record.due, value })
    }

    /// Reads and decodes a record.
    pub(crate) async fn read(
        store: &dyn Store,
        collection: Collection,
        key: &str,
    ) -> Result<Option<Self>, EngineError> {
        store.read(collection, key).await?.map(Self::decode).transpose()
    }
}

/// Returns what a write must expect of a record that was read.
pub(crate) fn unchanged<T>(found: Option<&Stored<T>>) -> Expect {
    found.map_or(Expect::Absent, |found| Expect::Version(found.version))
}

/// For writes that a newer write makes needless.
pub(crate) fn ignore_conflict<T>(result: Result<T, StoreError>) -> Result<(), EngineError> {
    match result {
        Err(error) if !error.is_conflict() => Err(error.into()),
        _ => Ok(()),
    }
}

/// Returns the key of the records of an identifier set.
pub(crate) fn key_of(identifiers: &IdentifierSet) -> String {
    fitting_key(identifiers.canonical())
}

/// Returns a key for a text: the text itself, or its hash if it is too long for a key.
pub(crate) fn fitting_key(text: &str) -> String {
    if text.len() <= Transaction::MAX_KEY { text.to_owned() } else { sha256_hex(text.as_bytes()) }
}

pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

/// Decodes what [`hex`] encoded.
pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    HEXLOWER.decode(text.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_of_a_set_is_its_text_or_a_hash_of_it() {
        let set = |names: &str| names.parse::<IdentifierSet>().unwrap();
        assert_eq!(key_of(&set("x.fleet.test")), "x.fleet.test");
        assert_eq!(key_of(&set("x.fleet.test,*.x.fleet.test")), "*.x.fleet.test,x.fleet.test");
        let long = (0..40).map(|i| format!("device-number-{i}.fleet.test")).collect::<Vec<_>>().join(",");
        assert_eq!(key_of(&set(&long)).len(), 64);
        assert_ne!(key_of(&set(&long)), key_of(&set(&format!("{long},x.fleet.test"))));
    }

    #[test]
    fn hex_and_back() {
        let all = (0..=255).collect::<Vec<u8>>();
        assert_eq!(unhex(&hex(&all)), Some(all));
        for odd in ["0", "0g", "AB", "é"] {
            assert_eq!(unhex(odd), None, "{odd}");
        }
    }
}
