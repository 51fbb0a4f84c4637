//! Keys that are in use already, as the caller knows them.

use super::refusal::{CsrRefusal, CsrRefusalCode as Code};
use crate::{CsrPolicy, VerifiedCsr};

const FIELD: &str = "subjectPKInfo";

/// What the caller's records say about the key of a CSR: the keys that it must not be.
///
/// Each key is a DER SubjectPublicKeyInfo. Records are asked by whoever holds them, in whatever way that is done
/// there; this is their answer as a value, which [`VerifiedCsr::require_key`] judges. If they could not be asked, say
/// so by [`unavailable`](Self::unavailable): then nothing is accepted.
///
/// ```
/// use fleetcert_x509::{CsrPolicy, CsrRefusalCode, KeyKind, KeyPair, KnownKeys, SigningKey, VerifiedCsr, csr_for};
///
/// let (key, identity) = (KeyPair::generate(KeyKind::P256)?, KeyPair::generate(KeyKind::P256)?);
/// let policy = CsrPolicy::device();
/// let csr = csr_for(&"xi8qz.fleet.test".parse()?, &key)?;
/// let csr = VerifiedCsr::parse(&csr, &policy)?;
///
/// let known = KnownKeys::new().with_identity(identity.spki_der());
/// assert!(csr.require_key(&known, &policy).is_ok());
///
/// let refusal = csr.require_key(&known.with_other_device(key.spki_der()), &policy).unwrap_err();
/// assert_eq!(refusal.code(), CsrRefusalCode::KeyReused);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownKeys {
    keys: Vec<(Use, Vec<u8>)>,
    unavailable: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    OtherDevice,
    Identity,
    Account,
    Previous,
}

impl KnownKeys {
    /// None at all.
    pub fn new() -> Self {
        Self::default()
    }

    /// The answer of records that could not be asked: every key is refused with
    /// [`CsrRefusalCode::KeyCheckUnavailable`](crate::CsrRefusalCode::KeyCheckUnavailable).
    pub fn unavailable() -> Self {
        Self { unavailable: true, ..Self::default() }
    }

    /// And a key that another device has, or had before it was given up.
    #[must_use]
    pub fn with_other_device(self, spki: &[u8]) -> Self {
        self.with(Use::OtherDevice, spki)
    }

    /// And the key by which the device proves who it is.
    #[must_use]
    pub fn with_identity(self, spki: &[u8]) -> Self {
        self.with(Use::Identity, spki)
    }

    /// And the key of an ACME account. A CA refuses it for a certificate too (RFC 8555 section 11.1).
    #[must_use]
    pub fn with_account(self, spki: &[u8]) -> Self {
        self.with(Use::Account, spki)
    }

    /// And the key of an earlier certificate of this device, which counts only if the policy wants
    /// [a new key each time](CsrPolicy::with_new_key_each_time).
    #[must_use]
    pub fn with_previous(self, spki: &[u8]) -> Self {
        self.with(Use::Previous, spki)
    }

    fn with(mut self, usage: Use, spki: &[u8]) -> Self {
        self.keys.push((usage, spki.to_vec()));
        self
    }
}

impl VerifiedCsr {
    /// Checks that the key is in no other use.
    ///
    /// # Errors
    /// [`KeyReused`](crate::CsrRefusalCode::KeyReused), [`KeyIsIdentity`](crate::CsrRefusalCode::KeyIsIdentity),
    /// [`KeyIsAccount`](crate::CsrRefusalCode::KeyIsAccount), by policy
    /// [`KeyNotRotated`](crate::CsrRefusalCode::KeyNotRotated); and
    /// [`KeyCheckUnavailable`](crate::CsrRefusalCode::KeyCheckUnavailable).
    pub fn require_key(&self, known: &KnownKeys, policy: &CsrPolicy) -> Result<(), CsrRefusal> {
        if known.unavailable {
            let what = "Whether the key is in use elsewhere could not be found out.";
            return Err(CsrRefusal::new(Code::KeyCheckUnavailable, FIELD, what));
        }
        let found =
            |usage: Use| known.keys.iter().any(|(known, spki)| *known == usage && spki == self.spki());
        let refusal = if found(Use::OtherDevice) {
            (Code::KeyReused, "Another device has this key.")
        } else if found(Use::Identity) {
            (Code::KeyIsIdentity, "The key is the one by which the device proves who it is.")
        } else if found(Use::Account) {
            (Code::KeyIsAccount, "The key is the one of an ACME account.")
        } else if policy.wants_new_key() && found(Use::Previous) {
            (Code::KeyNotRotated, "The key is the one of an earlier certificate.")
        } else {
            return Ok(());
        };
        Err(CsrRefusal::new(refusal.0, FIELD, refusal.1))
    }
}
