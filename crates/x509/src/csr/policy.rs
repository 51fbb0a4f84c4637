//! The policy of the gate.

use std::sync::Arc;

use fleetcert_names::IdentifierSet;

use super::NameGrant;
use crate::{KeyBlocklist, KeyKind};

/// The keys, names, subjects and extensions that the gate accepts. The other rules are fixed.
///
/// A policy is a value: begin with a preset and change what should differ.
///
/// ```
/// use fleetcert_x509::{CsrPolicy, KeyKind, SubjectRule};
///
/// let policy = CsrPolicy::device()
///     .with_keys(&[KeyKind::P256, KeyKind::Rsa2048])
///     .with_max_names(2)
///     .with_subject(SubjectRule::Empty);
/// assert!(policy.allows_key(KeyKind::Rsa2048));
/// assert!(!CsrPolicy::device().allows_key(KeyKind::Rsa2048));
/// ```
#[derive(Clone, Debug)]
pub struct CsrPolicy {
    keys: Vec<KeyKind>,
    max_names: usize,
    a_labels: bool,
    grant: Option<NameGrant>,
    subject: SubjectRule,
    extensions: Vec<CsrExtension>,
    surplus: Surplus,
    ecdsa_with_null: bool,
    new_key: bool,
    blocklists: Vec<Arc<dyn KeyBlocklist>>,
}

/// The allowed subject of a CSR. The certificate takes nothing from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubjectRule {
    /// An empty subject.
    Empty,
    /// An empty subject, or one common name that is one of the names.
    CommonName,
    /// Any subject, of which a CA ignores what it does not certify; each common name must be one of the names.
    Any,
}

/// An extension that a CSR may request besides the subject alternative names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CsrExtension {
    /// keyUsage with digitalSignature, keyEncipherment or both (RFC 5280 section 4.2.1.3).
    KeyUsage,
    /// extendedKeyUsage with serverAuth only (section 4.2.1.12).
    ExtendedKeyUsage,
    /// basicConstraints of a certificate that is not a CA's (section 4.2.1.9).
    BasicConstraints,
}

impl CsrExtension {
    /// All extensions.
    pub const ALL: [Self; 3] = [Self::KeyUsage, Self::ExtendedKeyUsage, Self::BasicConstraints];
}

/// The handling of attributes and extensions that are not listed, or that request more than a server needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Surplus {
    /// The CSR is refused, so that a device never gets less than it asked for without noticing.
    Refused,
    /// They are ignored, like at a CA whose certificates follow a profile. Must-staple (RFC 7633) is still refused,
    /// since a certificate without it would not do what was asked for.
    LeftOut,
}

impl CsrPolicy {
    /// Returns the policy of a control server for its devices: a P-256 or P-384 key, one name, no internationalised
    /// labels, a subject of at most the name, and nothing that the certificate would not have.
    ///
    /// RSA keys can be added: [`with_keys`](Self::with_keys).
    pub fn device() -> Self {
        Self {
            keys: vec![KeyKind::P256, KeyKind::P384],
            max_names: 1,
            a_labels: false,
            grant: None,
            subject: SubjectRule::CommonName,
            extensions: CsrExtension::ALL.to_vec(),
            surplus: Surplus::Refused,
            ecdsa_with_null: true,
            new_key: false,
            blocklists: Vec::new(),
        }
    }

    /// Returns a policy like Let's Encrypt's default profile: RSA keys too, up to 100 names, internationalised labels,
    /// any subject, and requests for extensions that its certificates do not have.
    ///
    /// Boulder also checks what only it can know: whether the top-level domain is public, and its own lists of blocked
    /// keys and names. This gate is stricter about the form: it refuses repeated names and bytes that are not DER.
    pub fn lets_encrypt() -> Self {
        Self {
            keys: KeyKind::ALL.to_vec(),
            max_names: 100,
            a_labels: true,
            subject: SubjectRule::Any,
            surplus: Surplus::LeftOut,
            ..Self::device()
        }
    }

    /// Returns the policy with exactly these kinds of key.
    #[must_use]
    pub fn with_keys(self, keys: &[KeyKind]) -> Self {
        Self { keys: keys.to_vec(), ..self }
    }

    /// Returns the policy with this maximum number of names, at most 100. A [grant](Self::with_grant) without a
    /// subtree has its own maximum.
    #[must_use]
    pub fn with_max_names(self, max_names: usize) -> Self {
        Self { max_names, ..self }
    }

    /// Returns the policy with labels that begin with `xn--` (RFC 5890) allowed or not.
    #[must_use]
    pub fn with_a_labels(self, a_labels: bool) -> Self {
        Self { a_labels, ..self }
    }

    /// Returns the policy for one sender: only the names of the grant are allowed.
    ///
    /// Without a grant, all names except wildcards are allowed, and
    /// [`VerifiedCsr::require_identifiers`](crate::VerifiedCsr::require_identifiers) compares them afterwards.
    #[must_use]
    pub fn with_grant(self, grant: NameGrant) -> Self {
        Self { grant: Some(grant), ..self }
    }

    /// Returns the policy with this rule for the subject.
    #[must_use]
    pub fn with_subject(self, subject: SubjectRule) -> Self {
        Self { subject, ..self }
    }

    /// Returns the policy with exactly these extensions besides the subject alternative names.
    #[must_use]
    pub fn with_extensions(self, extensions: &[CsrExtension]) -> Self {
        Self { extensions: extensions.to_vec(), ..self }
    }

    /// Returns the policy with other attributes and extensions refused or ignored.
    #[must_use]
    pub fn with_surplus(self, surplus: Surplus) -> Self {
        Self { surplus, ..self }
    }

    /// Returns the policy with ECDSA identifiers with NULL parameters allowed or not. Both presets allow them.
    ///
    /// The parameters should be absent (RFC 5758 section 3.2), but Mbed TLS wrote NULL before 2.28.4 and 3.5, and
    /// many devices in the field cannot be updated. This is the one deviation that is allowed. It is harmless: the
    /// signature is verified with the curve of the key, and a NULL has only one meaning. Let's Encrypt allows it too;
    /// use `false` for a CA that does not.
    #[must_use]
    pub fn with_ecdsa_null_parameters(self, ecdsa_with_null: bool) -> Self {
        Self { ecdsa_with_null, ..self }
    }

    /// Returns the policy with a new key demanded for each certificate, or not. See
    /// [`VerifiedCsr::require_key`](crate::VerifiedCsr::require_key), which checks it.
    #[must_use]
    pub fn with_new_key_each_time(self, new_key: bool) -> Self {
        Self { new_key, ..self }
    }

    /// Returns the policy with one more list of blocked keys.
    #[must_use]
    pub fn with_blocklist(mut self, blocklist: Arc<dyn KeyBlocklist>) -> Self {
        self.blocklists.push(blocklist);
        self
    }

    /// Returns whether a key of this kind is allowed.
    pub fn allows_key(&self, kind: KeyKind) -> bool {
        self.keys.contains(&kind)
    }

    pub(super) fn allows_rsa(&self) -> bool {
        self.keys.iter().any(|kind| kind.is_rsa())
    }

    pub(super) fn keys(&self) -> &[KeyKind] {
        &self.keys
    }

    pub(super) fn max_names(&self) -> usize {
        let granted = self.grant.as_ref().and_then(NameGrant::max_names);
        granted.unwrap_or(self.max_names).min(IdentifierSet::MAX_IDENTIFIERS)
    }

    pub(super) fn allows_a_labels(&self) -> bool {
        self.a_labels
    }

    pub(super) fn grant(&self) -> Option<&NameGrant> {
        self.grant.as_ref()
    }

    pub(super) fn subject(&self) -> SubjectRule {
        self.subject
    }

    pub(super) fn allows_extension(&self, extension: CsrExtension) -> bool {
        self.extensions.contains(&extension)
    }

    pub(super) fn leaves_out_surplus(&self) -> bool {
        self.surplus == Surplus::LeftOut
    }

    pub(super) fn allows_ecdsa_with_null(&self) -> bool {
        self.ecdsa_with_null
    }

    pub(super) fn demands_new_key(&self) -> bool {
        self.new_key
    }

    pub(super) fn blocklists(&self) -> &[Arc<dyn KeyBlocklist>] {
        &self.blocklists
    }
}
