//! What is taken.

use crate::KeyKind;

/// Which keys and how many names the gate takes. The other rules are the same for all.
///
/// ```
/// use fleetcert_x509::{CsrPolicy, KeyKind};
///
/// let policy = CsrPolicy::device().with_keys(&[KeyKind::P256, KeyKind::Rsa2048]).with_max_names(2);
/// assert!(policy.allows_key(KeyKind::Rsa2048));
/// assert!(!CsrPolicy::device().allows_key(KeyKind::Rsa2048));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsrPolicy {
    keys: Vec<KeyKind>,
    max_names: usize,
    a_labels: bool,
}

impl CsrPolicy {
    /// What a control server takes from a device: a P-256 or P-384 key, one name, no internationalised labels.
    pub fn device() -> Self {
        Self { keys: vec![KeyKind::P256, KeyKind::P384], max_names: 1, a_labels: false }
    }

    /// What Let's Encrypt takes by its default profile: RSA keys too, up to 100 names, internationalised labels.
    ///
    /// It is stricter than the CA in one way: a CSR that asks for what the CA would silently leave out, such as
    /// an organisation in the subject, is refused. And it is laxer in another: weak RSA keys are not
    /// recognised, and any top-level domain is taken.
    pub fn lets_encrypt() -> Self {
        Self { keys: KeyKind::ALL.to_vec(), max_names: 100, a_labels: true }
    }

    /// The same, with exactly these kinds of key.
    #[must_use]
    pub fn with_keys(self, keys: &[KeyKind]) -> Self {
        Self { keys: keys.to_vec(), ..self }
    }

    /// The same, with at most so many names.
    #[must_use]
    pub fn with_max_names(self, max_names: usize) -> Self {
        Self { max_names, ..self }
    }

    /// The same, with labels that begin with `xn--` (RFC 5890) taken or not.
    #[must_use]
    pub fn with_a_labels(self, a_labels: bool) -> Self {
        Self { a_labels, ..self }
    }

    /// Whether a key of this kind is taken.
    pub fn allows_key(&self, kind: KeyKind) -> bool {
        self.keys.contains(&kind)
    }

    pub(super) fn allows_rsa(&self) -> bool {
        self.keys.iter().any(|kind| kind.is_rsa())
    }

    pub(super) fn max_names(&self) -> usize {
        self.max_names
    }

    pub(super) fn allows_a_labels(&self) -> bool {
        self.a_labels
    }
}
