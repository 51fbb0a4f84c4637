//! One certificate of the inventory.

use std::time::SystemTime;

use x509_parser::x509::X509Name;

use super::ChainState;
use crate::chain::harmless;
use crate::der::oid;
use crate::key::{KeyFault, PublicKey};
use crate::{KeyKind, Leaf};

/// A certificate that was found, with what its file has of its chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InventoryEntry {
    pub(super) file: String,
    pub(super) position: usize,
    pub(super) leaf: Leaf,
    pub(super) subject: String,
    pub(super) issuer: String,
    pub(super) key: InventoryKey,
    pub(super) sha256: [u8; 32],
    pub(super) chain: ChainState,
    pub(super) ends: SystemTime,
    pub(super) duplicate_of: Option<String>,
}

/// The key that a certificate is for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InventoryKey {
    /// One that a public CA certifies.
    Known(KeyKind),
    /// Any other, in words.
    Other(String),
}

impl InventoryEntry {
    /// The file that it stands in, as it was named to the inventory.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Which certificate of the file it is, from 0.
    pub fn position(&self) -> usize {
        self.position
    }

    /// What the certificate says: names, validity, serial number, identifiers.
    pub fn leaf(&self) -> &Leaf {
        &self.leaf
    }

    /// All its names as text, host names first, then wildcards; without any, as certificates of authorities are, its subject.
    pub fn names(&self) -> Vec<String> {
        let (wildcards, hosts): (Vec<_>, Vec<_>) =
            self.leaf.identifiers().iter().partition(|identifier| identifier.is_wildcard());
        let identifiers = hosts.into_iter().chain(wildcards).map(ToString::to_string);
        let names = identifiers.chain(self.leaf.other_names().iter().cloned()).collect::<Vec<_>>();
        if names.is_empty() { vec![self.subject.clone()] } else { names }
    }

    /// The common name of its subject, or the whole subject. In ASCII; what is outside it is escaped.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The common name of its issuer, or the issuer's whole name. In ASCII, as the subject.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The key that it is for.
    pub fn key(&self) -> &InventoryKey {
        &self.key
    }

    /// The SHA-256 digest of the certificate, its fingerprint.
    pub fn sha256(&self) -> &[u8; 32] {
        &self.sha256
    }

    /// Whether its chain is in the file.
    pub fn chain(&self) -> &ChainState {
        &self.chain
    }

    /// When it can no longer be used: the last moment of itself, or of an issuer in the file that ends earlier. Roots
    /// do not count.
    pub fn ends(&self) -> SystemTime {
        self.ends
    }

    /// The whole days until [`ends`](Self::ends), as [`Validity::days_left`](crate::Validity::days_left) counts.
    pub fn days_left(&self, now: SystemTime) -> i64 {
        crate::Validity::new(self.leaf.not_before(), self.ends).days_left(now)
    }

    /// The file in which the same certificate was found before.
    pub fn duplicate_of(&self) -> Option<&str> {
        self.duplicate_of.as_deref()
    }
}

impl InventoryKey {
    pub(super) fn of(spki: &[u8]) -> Self {
        match PublicKey::parse(spki) {
            Ok(key) => Self::Known(key.kind()),
            Err(KeyFault::RsaSize(bits)) => Self::Other(format!("RSA-{bits}")),
            Err(KeyFault::Kind(kind)) => Self::Other(match kind.as_str() {
                "1.3.101.112" => "Ed25519".to_owned(),
                "1.3.101.113" => "Ed448".to_owned(),
                "1.3.132.0.35" => "P-521".to_owned(),
                _ => kind,
            }),
            Err(_) => Self::Other(match spki_algorithm(spki) {
                Some(oid::RSA_ENCRYPTION) => "RSA, odd".to_owned(),
                Some(oid::EC_PUBLIC_KEY) => "EC, odd".to_owned(),
                _ => "unknown".to_owned(),
            }),
        }
    }
}

impl std::fmt::Display for InventoryKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Known(kind) => kind.fmt(f),
            Self::Other(text) => f.write_str(text),
        }
    }
}

fn spki_algorithm(spki: &[u8]) -> Option<&[u8]> {
    let mut info = crate::der::Reader::new(spki).sequence().ok()?;
    Some(info.sequence().ok()?.any().ok()?.content)
}

/// The common name, or all of the name.
pub(super) fn short_name(name: &X509Name<'_>) -> String {
    let common = name.iter_common_name().next().and_then(|one| one.as_str().ok());
    // An apostrophe is harmless, and would be escaped.
    common.map_or_else(|| harmless(&name.to_string()), harmless).replace("\\'", "'")
}
