//! A CSR that passed the gate.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use fleetcert_names::IdentifierSet;

use super::parse::CertificationRequest;
use super::refusal::CsrRefusalCode as Code;
use super::{CsrPolicy, CsrRefusal, NameGrant, input, rules};
use crate::KeyKind;

/// A CSR that passed the gate. Only [`parse`](Self::parse) makes one.
///
/// It holds the bytes that were checked; send these ([`der`](Self::der)) to the CA and no others. The checks against
/// the caller's records come next: whether the identifiers belong to the sender
/// ([`require_identifiers`](Self::require_identifiers), unless the policy held the grant), and whether the key is in
/// another use ([`require_key`](Self::require_key)).
///
/// A CA signs only [`spki`](Self::spki) and [`identifiers`](Self::identifiers); nothing else of a CSR passes the gate.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifiedCsr {
    der: Vec<u8>,
    identifiers: IdentifierSet,
    spki: Vec<u8>,
    key_kind: KeyKind,
    sha256: [u8; 32],
    spki_sha256: [u8; 32],
}

impl VerifiedCsr {
    /// Checks a CSR: DER, or one PEM block `CERTIFICATE REQUEST`, of at most 16 KiB.
    ///
    /// A CSR that passes is strict DER without surplus bytes. Its signature verifies over exactly these bytes. Its
    /// key is of a kind that the policy allows, not weak in a way that can be detected cheaply (see the [crate's
    /// front page](crate)), and on none of the policy's blocklists. Its names are DNS names in a form that a public
    /// CA accepts, each once, and those of the policy's grant if it has one. Subject, attributes and extensions
    /// satisfy the policy.
    ///
    /// The rules are checked in the order of `docs/csr-gate.md`, and the first broken one is reported. Expensive
    /// checks come after the signature.
    ///
    /// # Errors
    /// The first broken rule, with a stable [`CsrRefusalCode`](crate::CsrRefusalCode).
    ///
    /// ```
    /// use fleetcert_x509::{
    ///     CsrPolicy, CsrRefusalCode, KeyKind, KeyPair, VerifiedCsr, csr_for,
    /// };
    ///
    /// let names = "a.fleet.test,b.fleet.test".parse()?;
    /// let csr = csr_for(&names, &KeyPair::generate(KeyKind::P384)?)?;
    /// let verified = VerifiedCsr::parse(&csr, &CsrPolicy::lets_encrypt())?;
    /// assert_eq!(verified.key_kind(), KeyKind::P384);
    ///
    /// let refusal = VerifiedCsr::parse(&csr, &CsrPolicy::device()).unwrap_err();
    /// assert_eq!(refusal.code(), CsrRefusalCode::SanTooMany);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn parse(bytes: &[u8], policy: &CsrPolicy) -> Result<Self, CsrRefusal> {
        let der = input::document(bytes)?;
        let request = CertificationRequest::parse(&der)?;
        let key = rules::key_and_signature(&request, policy)?;
        rules::not_weak(&key)?;
        let spki_sha256 = sha256(request.spki);
        rules::not_blocked(&spki_sha256, policy)?;
        let identifiers = rules::identifiers(&request, policy)?;
        Ok(Self {
            identifiers,
            spki: request.spki.to_vec(),
            key_kind: key.kind(),
            sha256: sha256(&der),
            spki_sha256,
            der: der.into_owned(),
        })
    }

    /// Checks that the identifiers are exactly `granted`.
    ///
    /// # Errors
    /// [`CsrRefusalCode::WildcardNotGranted`](crate::CsrRefusalCode::WildcardNotGranted) or
    /// [`CsrRefusalCode::NameNotGranted`](crate::CsrRefusalCode::NameNotGranted) with the first identifier that is
    /// missing on either side.
    ///
    /// ```
    /// # use fleetcert_x509::{CsrPolicy, KeyKind, KeyPair, VerifiedCsr, csr_for};
    /// let key = KeyPair::generate(KeyKind::P256)?;
    /// let csr = csr_for(&"xi8qz.fleet.test".parse()?, &key)?;
    /// let csr = VerifiedCsr::parse(&csr, &CsrPolicy::device())?;
    /// assert!(csr.require_identifiers(&"xi8qz.fleet.test".parse()?).is_ok());
    /// assert!(csr.require_identifiers(&"fleet.test".parse()?).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn require_identifiers(&self, granted: &IdentifierSet) -> Result<(), CsrRefusal> {
        NameGrant::exact(granted).check(&self.identifiers)
    }

    /// Checks that these are the bytes that were checked before, by their SHA-256.
    ///
    /// For a CSR that was stored between the gate and the CA: store [`sha256`](Self::sha256) separately, check the
    /// bytes by the gate again, and compare.
    ///
    /// # Errors
    /// [`CsrRefusalCode::InternalMismatch`](crate::CsrRefusalCode::InternalMismatch) if the bytes were changed.
    ///
    /// ```
    /// # use fleetcert_x509::{CsrPolicy, KeyKind, KeyPair, VerifiedCsr, csr_for};
    /// let (policy, key) = (CsrPolicy::device(), KeyPair::generate(KeyKind::P256)?);
    /// let csr = csr_for(&"a.fleet.test".parse()?, &key)?;
    /// let stored = VerifiedCsr::parse(&csr, &policy)?;
    /// let again = VerifiedCsr::parse(stored.der(), &policy)?;
    /// assert!(again.require_sha256(stored.sha256()).is_ok());
    ///
    /// let other = csr_for(&"b.fleet.test".parse()?, &key)?;
    /// let other = VerifiedCsr::parse(&other, &policy)?;
    /// assert!(other.require_sha256(stored.sha256()).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn require_sha256(&self, checked: &[u8; 32]) -> Result<(), CsrRefusal> {
        if self.sha256 == *checked {
            return Ok(());
        }
        let what = "The CSR is not the one that was checked before.";
        Err(CsrRefusal::new(Code::InternalMismatch, "request", what))
    }

    /// Returns the bytes that were checked, in DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Returns the identifiers. Wildcards need a [`NameGrant`].
    pub fn identifiers(&self) -> &IdentifierSet {
        &self.identifiers
    }

    /// Returns the public key: a DER SubjectPublicKeyInfo.
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// Returns the kind of the key, by its SubjectPublicKeyInfo; the signature's hash is independent of it.
    pub fn key_kind(&self) -> KeyKind {
        self.key_kind
    }

    /// Returns the SHA-256 of [`spki`](Self::spki), which a [`KeyBlocklist`](crate::KeyBlocklist) uses.
    pub fn spki_sha256(&self) -> &[u8; 32] {
        &self.spki_sha256
    }

    /// Returns the SHA-256 of the DER, which identifies the CSR.
    pub fn sha256(&self) -> &[u8; 32] {
        &self.sha256
    }
}

impl fmt::Debug for VerifiedCsr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedCsr")
            .field("identifiers", &self.identifiers)
            .field("key_kind", &self.key_kind)
            .finish()
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest(&SHA256, bytes).as_ref().try_into().expect("SHA-256 has 32 octets")
}
