//! One certificate of the inventory.

use std::time::SystemTime;

use fleetcert_x509::{KeyKind, Leaf, Validity};
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::{SubjectPublicKeyInfo, X509Name};

use crate::state::ChainState;

/// A certificate that was found, with what its file has of its chain.
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

/// The key that a certificate is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum InventoryKey {
    /// One that a public CA certifies.
    Known(KeyKind),
    /// Any other, in words.
    Other(String),
}

impl InventoryEntry {
    /// The file that it stands in, as it was named to the inventory.
    pub(crate) fn file(&self) -> &str {
        &self.file
    }

    /// Which certificate of the file it is, from 0.
    pub(crate) fn position(&self) -> usize {
        self.position
    }

    /// What the certificate says: names, validity, serial number, identifiers.
    pub(crate) fn leaf(&self) -> &Leaf {
        &self.leaf
    }

    /// All its names as text, host names first, then wildcards; without any, as certificates of authorities are, its subject.
    pub(crate) fn names(&self) -> Vec<String> {
        let (wildcards, hosts): (Vec<_>, Vec<_>) =
            self.leaf.identifiers().iter().partition(|identifier| identifier.is_wildcard());
        let identifiers = hosts.into_iter().chain(wildcards).map(ToString::to_string);
        let names = identifiers.chain(self.leaf.other_names().iter().cloned()).collect::<Vec<_>>();
        if names.is_empty() { vec![self.subject.clone()] } else { names }
    }

    /// The common name of its subject, or the whole subject. In ASCII; what is outside it is escaped.
    pub(crate) fn subject(&self) -> &str {
        &self.subject
    }

    /// The common name of its issuer, or the issuer's whole name. In ASCII, as the subject.
    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The key that it is for.
    pub(crate) fn key(&self) -> &InventoryKey {
        &self.key
    }

    /// The SHA-256 digest of the certificate, its fingerprint.
    pub(crate) fn sha256(&self) -> &[u8; 32] {
        &self.sha256
    }

    /// Whether its chain is in the file.
    pub(crate) fn chain(&self) -> &ChainState {
        &self.chain
    }

    /// When it can no longer be used: the last moment of itself, or of an issuer in the file that ends earlier. Roots
    /// do not count.
    pub(crate) fn ends(&self) -> SystemTime {
        self.ends
    }

    /// The whole days until [`ends`](Self::ends), as [`Validity::days_left`] counts.
    pub(crate) fn days_left(&self, now: SystemTime) -> i64 {
        Validity::new(self.leaf.not_before(), self.ends).days_left(now)
    }

    /// The file in which the same certificate was found before.
    pub(crate) fn duplicate_of(&self) -> Option<&str> {
        self.duplicate_of.as_deref()
    }
}

impl InventoryKey {
    /// `kind` is that of the leaf, if it is one that a public CA certifies.
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

/// Text from outside, escaped and shortened.
fn harmless(text: &str) -> String {
    text.chars().take(256).flat_map(char::escape_default).collect()
}

/// The common name, or all of the name.
pub(crate) fn short_name(name: &X509Name<'_>) -> String {
    let common = name.iter_common_name().next().and_then(|one| one.as_str().ok());
    // An apostrophe is harmless, and would be escaped.
    common.map_or_else(|| harmless(&name.to_string()), harmless).replace("\\'", "'")
}
