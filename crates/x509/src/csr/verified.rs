//! The proof that a CSR was let through.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use fleetcert_names::HostName;

use super::parse::CertificationRequest;
use super::refusal::{CsrRefusalCode as Code, quoted};
use super::{CsrPolicy, CsrRefusal, input, rules};
use crate::KeyKind;

/// A CSR that passed the gate. There is no other way to one than [`parse`](Self::parse).
///
/// It holds the bytes that were checked; send these ([`der`](Self::der)) to the CA and no others. Whether the
/// names are the sender's own is the next question: [`require_names`](Self::require_names).
///
/// A CA signs it from [`spki`](Self::spki) and [`names`](Self::names) alone; nothing else that a CSR may say
/// gets through the gate.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifiedCsr {
    der: Vec<u8>,
    names: Vec<HostName>,
    spki: Vec<u8>,
    key_kind: KeyKind,
    sha256: [u8; 32],
}

impl VerifiedCsr {
    /// Lets a CSR through the gate: DER, or one PEM block `CERTIFICATE REQUEST`, of at most 16 KiB.
    ///
    /// All of this holds afterwards. It is strict DER without a byte too many; its signature is good over
    /// exactly these bytes; its key is sound (see the limits at the [crate's front page](crate)) and of a kind
    /// that the policy takes; its names are DNS names of a form that a public CA takes, each once; the subject
    /// is empty or has one of the names as its common name; and of extensions there are at most those that a
    /// server's certificate has: alternative names, key usage for signatures and key encipherment,
    /// `serverAuth`, and not being a CA.
    ///
    /// # Errors
    /// The first rule that is broken, by a stable [`CsrRefusalCode`](crate::CsrRefusalCode).
    ///
    /// ```
    /// use fleetcert_x509::{CsrPolicy, CsrRefusalCode, KeyKind, KeyPair, VerifiedCsr, csr_for};
    ///
    /// let names = ["a.fleet.test".parse()?, "b.fleet.test".parse()?];
    /// let csr = csr_for(&names, &KeyPair::generate(KeyKind::P384)?)?;
    /// assert_eq!(VerifiedCsr::parse(&csr, &CsrPolicy::lets_encrypt())?.key_kind(), KeyKind::P384);
    ///
    /// let refusal = VerifiedCsr::parse(&csr, &CsrPolicy::device()).unwrap_err();
    /// assert_eq!(refusal.code(), CsrRefusalCode::SanTooMany);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn parse(bytes: &[u8], policy: &CsrPolicy) -> Result<Self, CsrRefusal> {
        let der = input::document(bytes)?;
        let request = CertificationRequest::parse(&der)?;
        let key = rules::key_and_signature(&request, policy)?;
        let extensions = rules::extension_request(request.attributes)?;
        let names = rules::names(extensions, policy)?;
        rules::subject(request.subject, &names)?;
        Ok(Self {
            names,
            spki: request.spki.to_vec(),
            key_kind: key.kind(),
            sha256: digest(&SHA256, &der).as_ref().try_into().expect("SHA-256 has 32 octets"),
            der: der.into_owned(),
        })
    }

    /// Checks that the names are exactly `granted`, neither more nor fewer, in any order.
    ///
    /// # Errors
    /// [`CsrRefusalCode::NameNotGranted`](crate::CsrRefusalCode::NameNotGranted) with the first name that is
    /// only on one side.
    ///
    /// ```
    /// # use fleetcert_x509::{CsrPolicy, KeyKind, KeyPair, VerifiedCsr, csr_for};
    /// let key = KeyPair::generate(KeyKind::P256)?;
    /// let csr = csr_for(&["xi8qz.fleet.test".parse()?], &key)?;
    /// let csr = VerifiedCsr::parse(&csr, &CsrPolicy::device())?;
    /// assert!(csr.require_names(&["xi8qz.fleet.test".parse()?]).is_ok());
    /// assert!(csr.require_names(&["fleet.test".parse()?]).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn require_names(&self, granted: &[HostName]) -> Result<(), CsrRefusal> {
        let refusal = |name: &HostName, what: &str| {
            let sentence = format!("The name {} {what}.", quoted(name.as_str().as_bytes()));
            Err(CsrRefusal::new(Code::NameNotGranted, "subjectAltName", sentence))
        };
        if let Some(name) = self.names.iter().find(|name| !granted.contains(name)) {
            return refusal(name, "was not granted");
        }
        match granted.iter().find(|name| !self.names.contains(name)) {
            Some(name) => refusal(name, "was granted, but the CSR does not have it"),
            None => Ok(()),
        }
    }

    /// The bytes that were checked, in DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The names, in lower case, sorted, at least one.
    pub fn names(&self) -> &[HostName] {
        &self.names
    }

    /// The public key: a DER SubjectPublicKeyInfo.
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// The kind of the key, as its SubjectPublicKeyInfo says it; the signature's hash has no part in it.
    pub fn key_kind(&self) -> KeyKind {
        self.key_kind
    }

    /// The SHA-256 of the DER, by which the same CSR is known again.
    pub fn sha256(&self) -> &[u8; 32] {
        &self.sha256
    }
}

impl fmt::Debug for VerifiedCsr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedCsr").field("names", &self.names).field("key_kind", &self.key_kind).finish()
    }
}
