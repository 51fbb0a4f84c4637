//! Keys that are already in use, according to the caller.

use super::refusal::{CsrRefusal, CsrRefusalCode as Code};
use crate::{CsrPolicy, VerifiedCsr};

const FIELD: &str = "subjectPKInfo";

/// Keys that the key of a CSR must not be, according to the caller's records.
///
/// Each key is a DER SubjectPublicKeyInfo. The caller queries its records and passes the result as this value, which
/// [`VerifiedCsr::require_key`] checks. If the records are unavailable, use [`unavailable`](Self::unavailable), with
/// which every key is refused.
///
/// ```
/// use fleetcert_x509::{
///     CsrPolicy, CsrRefusalCode, KeyKind, KeyPair, KnownKeys, SigningKey,
///     VerifiedCsr, csr_for,
/// };
///
/// let key = KeyPair::generate(KeyKind::P256)?;
/// let identity = KeyPair::generate(KeyKind::P256)?;
/// let policy = CsrPolicy::device();
/// let csr = csr_for(&"xi8qz.fleet.test".parse()?, &key)?;
/// let csr = VerifiedCsr::parse(&csr, &policy)?;
///
/// let known = KnownKeys::new().with_identity(identity.spki_der());
/// assert!(csr.require_key(&known, &policy).is_ok());
///
/// let reused = known.with_other_device(key.spki_der());
/// let refusal = csr.require_key(&reused, &policy).unwrap_err();
/// assert_eq!(refusal.code(), CsrRefusalCode::KeyReused);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownKeys {
    keys: Vec<(KeyUse, Vec<u8>)>,
    unavailable: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeyUse {
    OtherDevice,
    Identity,
    Account,
    Previous,
}

impl KnownKeys {
    /// Returns an empty value.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the value for unavailable records: every key is refused with
    /// [`CsrRefusalCode::KeyCheckUnavailable`](crate::CsrRefusalCode::KeyCheckUnavailable).
    pub fn unavailable() -> Self {
        Self { unavailable: true, ..Self::default() }
    }

    /// Adds a key that another device has or had.
    #[must_use]
    pub fn with_other_device(self, spki: &[u8]) -> Self {
        self.with(KeyUse::OtherDevice, spki)
    }

    /// Adds the identity key of the device.
    #[must_use]
    pub fn with_identity(self, spki: &[u8]) -> Self {
        self.with(KeyUse::Identity, spki)
    }

    /// Adds the key of an ACME account. A CA refuses it for a certificate too (RFC 8555 section 11.1).
    #[must_use]
    pub fn with_account(self, spki: &[u8]) -> Self {
        self.with(KeyUse::Account, spki)
    }

    /// Adds the key of an earlier certificate of this device, which counts only if the policy demands
    /// [a new key each time](CsrPolicy::with_new_key_each_time).
    #[must_use]
    pub fn with_previous(self, spki: &[u8]) -> Self {
        self.with(KeyUse::Previous, spki)
    }

    fn with(mut self, usage: KeyUse, spki: &[u8]) -> Self {
        self.keys.push((usage, spki.to_vec()));
        self
    }
}

impl VerifiedCsr {
    /// Checks that the key is not in another use.
    ///
    /// # Errors
    /// [`KeyReused`](crate::CsrRefusalCode::KeyReused), [`KeyIsIdentity`](crate::CsrRefusalCode::KeyIsIdentity),
    /// [`KeyIsAccount`](crate::CsrRefusalCode::KeyIsAccount), by policy
    /// [`KeyNotRotated`](crate::CsrRefusalCode::KeyNotRotated); and
    /// [`KeyCheckUnavailable`](crate::CsrRefusalCode::KeyCheckUnavailable).
    pub fn require_key(&self, known: &KnownKeys, policy: &CsrPolicy) -> Result<(), CsrRefusal> {
        if known.unavailable {
            let what = "The records of keys in use are unavailable.";
            return Err(CsrRefusal::new(Code::KeyCheckUnavailable, FIELD, what));
        }
        let found =
            |usage: KeyUse| known.keys.iter().any(|(known, spki)| *known == usage && spki == self.spki());
        let refusal = if found(KeyUse::OtherDevice) {
            (Code::KeyReused, "Another device has this key.")
        } else if found(KeyUse::Identity) {
            (Code::KeyIsIdentity, "The key is the identity key of the device.")
        } else if found(KeyUse::Account) {
            (Code::KeyIsAccount, "The key is that of an ACME account.")
        } else if policy.demands_new_key() && found(KeyUse::Previous) {
            (Code::KeyNotRotated, "The key is that of an earlier certificate.")
        } else {
            return Ok(());
        };
        Err(CsrRefusal::new(refusal.0, FIELD, refusal.1))
    }
}
