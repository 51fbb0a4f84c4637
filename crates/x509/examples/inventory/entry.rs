//! The entry of one certificate.

use std::time::SystemTime;

use fleetcert_x509::{KeyKind, Leaf, Validity};
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::{SubjectPublicKeyInfo, X509Name};

use crate::state::ChainState;

/// A certificate of the inventory, with the state of its chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InventoryEntry {
    pub(crate) file: String,
    pub(crate) position: usize,
    pub(crate) leaf: Leaf,
    pub(crate) subject: String,
    pub(crate) issuer: String,
    pub(crate) key: InventoryKey,
    pub(crate) sha256: [u8; 32],
    pub(crate) chain: ChainState,
    pub(crate) ends: SystemTime,
    pub(crate) duplicate_of: Option<String>,
}

/// The key of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum InventoryKey {
    /// Key that a public CA certifies.
    Known(KeyKind),
    /// Description of any other key.
    Other(String),
}

impl InventoryEntry {
    /// Returns the file, as it was named to the inventory.
    pub(crate) fn file(&self) -> &str {
        &self.file
    }

    /// Returns the position of the certificate in its file, from 0.
    pub(crate) fn position(&self) -> usize {
        self.position
    }

    /// Returns the content of the certificate: names, validity, serial number, identifiers.
    pub(crate) fn leaf(&self) -> &Leaf {
        &self.leaf
    }

    /// Returns all names as text, host names first, then wildcards; or the subject, if there are none, as in a CA
    /// certificate.
    pub(crate) fn names(&self) -> Vec<String> {
        let (wildcards, hosts): (Vec<_>, Vec<_>) =
            self.leaf.identifiers().iter().partition(|identifier| identifier.is_wildcard());
        let identifiers = hosts.into_iter().chain(wildcards).map(ToString::to_string);
        let names = identifiers.chain(self.leaf.other_names().iter().cloned()).collect::<Vec<_>>();
        if names.is_empty() { vec![self.subject.clone()] } else { names }
    }

    /// Returns the common name of the subject, or the whole subject, with non-ASCII characters escaped.
    pub(crate) fn subject(&self) -> &str {
        &self.subject
    }

    /// Returns the common name of the issuer, or the issuer's whole name, with non-ASCII characters escaped.
    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Returns the key.
    pub(crate) fn key(&self) -> &InventoryKey {
        &self.key
    }

    /// Returns the fingerprint: the SHA-256 digest of the certificate.
    pub(crate) fn sha256(&self) -> &[u8; 32] {
        &self.sha256
    }

    /// Returns the state of the chain in the file.
    pub(crate) fn chain(&self) -> &ChainState {
        &self.chain
    }

    /// Returns the end of its use: the earlier end of itself or of an issuer in the file. Roots do not count.
    pub(crate) fn ends(&self) -> SystemTime {
        self.ends
    }

    /// Returns the whole days until [`ends`](Self::ends), as [`Validity::days_left`] counts.
    pub(crate) fn days_left(&self, now: SystemTime) -> i64 {
        Validity::new(self.leaf.not_before(), self.ends).days_left(now)
    }

    /// Returns the file in which the same certificate was found before.
    pub(crate) fn duplicate_of(&self) -> Option<&str> {
        self.duplicate_of.as_deref()
    }
}

impl InventoryKey {
    /// Returns the key. `kind` is that of the leaf, if a public CA certifies it.
    pub(crate) fn of(kind: Option<KeyKind>, spki: &[u8]) -> Self {
        kind.map_or_else(|| Self::Other(describe_key(spki)), Self::Known)
    }
}

/// Describes a key that no public CA certifies.
fn describe_key(spki: &[u8]) -> String {
    let Ok((_, info)) = SubjectPublicKeyInfo::from_der(spki) else { return "unknown".to_owned() };
    let algorithm = info.algorithm.algorithm.to_id_string();
    let curve = || info.algorithm.parameters.as_ref()?.as_oid().ok().map(|oid| oid.to_id_string());
    match algorithm.as_str() {
        "1.2.840.113549.1.1.1" => match info.parsed() {
            Ok(PublicKey::RSA(key)) if ![2048, 3072, 4096].contains(&key.key_size()) => {
                format!("RSA-{}", key.key_size())
            }
            _ => "RSA, odd".to_owned(),
        },
        "1.2.840.10045.2.1" => match curve().as_deref() {
            Some("1.3.132.0.35") => "P-521".to_owned(),
            None | Some("1.2.840.10045.3.1.7" | "1.3.132.0.34") => "EC, odd".to_owned(),
            Some(other) => other.to_owned(),
        },
        "1.3.101.112" => "Ed25519".to_owned(),
        "1.3.101.113" => "Ed448".to_owned(),
        _ => algorithm,
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

/// Escapes and shortens text from outside.
fn escaped(text: &str) -> String {
    text.chars().take(256).flat_map(char::escape_default).collect()
}

/// Returns the common name, or the whole name.
pub(crate) fn short_name(name: &X509Name<'_>) -> String {
    let common = name.iter_common_name().next().and_then(|one| one.as_str().ok());
    // An apostrophe is escaped, but would be escaped.
    common.map_or_else(|| escaped(&name.to_string()), escaped).replace("\\'", "'")
}
