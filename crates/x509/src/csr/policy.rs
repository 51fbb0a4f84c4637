//! What is taken.

use std::sync::Arc;

use fleetcert_names::IdentifierSet;

use super::NameGrant;
use crate::{KeyBlocklist, KeyKind};

/// What the gate takes: keys, names, subject, extensions. The other rules are the same for all.
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

/// What the subject of a CSR may have. The certificate gets none of it from a CSR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubjectRule {
    /// Nothing.
    Empty,
    /// Nothing, or one common name that is one of the names.
    CommonName,
    /// Anything, of which a CA leaves out what it does not certify; but each common name must be one of the names.
    Any,
}

/// An extension that a CSR may request besides the subject alternative names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CsrExtension {
    /// keyUsage with digitalSignature, keyEncipherment or both (RFC 5280 section 4.2.1.3).
    KeyUsage,
    /// extendedKeyUsage with serverAuth alone (section 4.2.1.12).
    ExtendedKeyUsage,
    /// basicConstraints of something that is no CA (section 4.2.1.9).
    BasicConstraints,
}

impl CsrExtension {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::KeyUsage, Self::ExtendedKeyUsage, Self::BasicConstraints];
}

/// What becomes of attributes and extensions that are not listed, or ask for more than a server needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Surplus {
    /// The CSR is refused: a device does not get less than it asked for without noticing.
    Refused,
    /// It is passed over, as a CA does whose certificates follow a profile. Must-staple (RFC 7633) is refused still,
    /// since a certificate without it would not do what was asked for.
    LeftOut,
}

impl CsrPolicy {
    /// What a control server takes from a device: a P-256 or P-384 key, one name, no internationalised labels, a
    /// subject of at most the name, and nothing that its certificate would not have.
    ///
    /// RSA is taken by choice: [`with_keys`](Self::with_keys).
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

    /// What Let's Encrypt takes by its default profile: RSA keys too, up to 100 names, internationalised labels, any
    /// subject, and requests for extensions that its certificates do not have.
    ///
    /// Boulder is stricter in what it alone can know: whether the top-level domain is a public one, what is on its
    /// own lists of blocked keys and names. This gate is stricter in form: a name that is there twice, and bytes that
    /// are not DER, are refused.
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

    /// The same, with exactly these kinds of key.
    #[must_use]
    pub fn with_keys(self, keys: &[KeyKind]) -> Self {
        Self { keys: keys.to_vec(), ..self }
    }

    /// Returns the policy with this maximum number of names; above 100 it is 100. A [grant](Self::with_grant) without a
    /// subtree has its own maximum.
    #[must_use]
    pub fn with_max_names(self, max_names: usize) -> Self {
        Self { max_names, ..self }
    }

    /// The same, with labels that begin with `xn--` (RFC 5890) taken or not.
    #[must_use]
    pub fn with_a_labels(self, a_labels: bool) -> Self {
        Self { a_labels, ..self }
    }

    /// The same, for one sender: with the names of the grant and no others.
    ///
    /// Without a grant names of any owner are taken, wildcards excepted, and
    /// [`VerifiedCsr::require_identifiers`](crate::VerifiedCsr::require_identifiers) compares them afterwards.
    #[must_use]
    pub fn with_grant(self, grant: NameGrant) -> Self {
        Self { grant: Some(grant), ..self }
    }

    /// The same, with this in the subject.
    #[must_use]
    pub fn with_subject(self, subject: SubjectRule) -> Self {
        Self { subject, ..self }
    }

    /// The same, with exactly these extensions besides the subject alternative names.
    #[must_use]
    pub fn with_extensions(self, extensions: &[CsrExtension]) -> Self {
        Self { extensions: extensions.to_vec(), ..self }
    }

    /// The same, with other attributes and extensions refused or left out.
    #[must_use]
    pub fn with_surplus(self, surplus: Surplus) -> Self {
        Self { surplus, ..self }
    }

    /// The same, with ECDSA identifiers taken or not whose parameters are NULL. Both presets take them.
    ///
    /// They should be absent (RFC 5758 section 3.2), but Mbed TLS wrote them before 2.28.4 and 3.5, many devices in the
    /// field have it, and their owners cannot change it. They are the one deviation that is taken. It harms nobody: the
    /// signature is verified all the same, with the curve that the key names, and a NULL says nothing that could be
    /// read in two ways. Let's Encrypt takes it too; a CA that does not needs `false`.
    #[must_use]
    pub fn with_ecdsa_null_parameters(self, ecdsa_with_null: bool) -> Self {
        Self { ecdsa_with_null, ..self }
    }

    /// The same, with a new key wanted for each certificate, or not. See
    /// [`VerifiedCsr::require_key`](crate::VerifiedCsr::require_key), which judges it.
    #[must_use]
    pub fn with_new_key_each_time(self, new_key: bool) -> Self {
        Self { new_key, ..self }
    }

    /// The same, with one more list of keys that are refused.
    #[must_use]
    pub fn with_blocklist(mut self, blocklist: Arc<dyn KeyBlocklist>) -> Self {
        self.blocklists.push(blocklist);
        self
    }

    /// Whether a key of this kind is taken.
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

    pub(super) fn takes_ecdsa_with_null(&self) -> bool {
        self.ecdsa_with_null
    }

    pub(super) fn wants_new_key(&self) -> bool {
        self.new_key
    }

    pub(super) fn blocklists(&self) -> &[Arc<dyn KeyBlocklist>] {
        &self.blocklists
    }
}
