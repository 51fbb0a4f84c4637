//! A chain: a leaf and the certificates of its issuers.

use rustls_pki_types::CertificateDer;

use super::Leaf;
use crate::{X509Error, X509ErrorKind, pem};

/// A certificate chain as ACME delivers it (RFC 8555 section 9.1): the leaf first, then each one's issuer.
///
/// Parsing only verifies that each part is a certificate; [`check`](Self::check) verifies that it is the right chain.
///
/// ```no_run
/// # fn file() -> Vec<u8> { Vec::new() }
/// use fleetcert_x509::Chain;
///
/// let chain = Chain::from_pem(&file())?;
/// let leaf = chain.leaf();
/// println!("{:?} until {:?}", leaf.identifiers(), leaf.not_after());
/// # Ok::<(), fleetcert_x509::X509Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    certificates: Vec<CertificateDer<'static>>,
    leaf: Leaf,
}

/// Maximum octets of a PEM text. A chain of four certificates has 6 to 8 KiB.
const MAX_TEXT: usize = 64 * 1024;
const MAX_CERTIFICATES: usize = 10;

impl Chain {
    /// Parses 1 to 10 PEM blocks `CERTIFICATE` of at most 64 KiB in all.
    ///
    /// # Errors
    /// [`X509ErrorKind::TooLarge`], or [`X509ErrorKind::Malformed`] for anything but a chain, such as an HTML page or a
    /// private key among the certificates.
    pub fn from_pem(text: &[u8]) -> Result<Self, X509Error> {
        if text.len() > MAX_TEXT {
            return Err(X509Error::new(X509ErrorKind::TooLarge, "the chain is larger than 64 KiB"));
        }
        Self::from_certificates(certificates(text, MAX_CERTIFICATES)?)
    }

    /// Returns a chain from 1 to 10 certificates in DER, the leaf first, as a TLS peer presents them.
    ///
    /// # Errors
    /// [`X509ErrorKind::Malformed`] if there is none, there are too many, or one is not a certificate.
    pub fn from_certificates(certificates: Vec<CertificateDer<'static>>) -> Result<Self, X509Error> {
        let (first, issuers) =
            certificates.split_first().ok_or_else(|| X509Error::malformed("there is no certificate"))?;
        if certificates.len() > MAX_CERTIFICATES
            || certificates.iter().map(|one| one.len()).sum::<usize>() > MAX_TEXT
        {
            return Err(X509Error::new(
                X509ErrorKind::TooLarge,
                "the chain has more than 10 certificates or 64 KiB",
            ));
        }
        let leaf = Leaf::from_der(first)?;
        for issuer in issuers {
            super::link::parse(issuer)?;
        }
        Ok(Self { certificates, leaf })
    }

    /// Returns the chain in PEM, as the content of `fullchain.pem`.
    pub fn to_pem(&self) -> String {
        self.certificates.iter().map(|der| pem::encode(pem::CERTIFICATE, der).to_string()).collect()
    }

    /// Returns the common name of the root at which the chain ends: of the issuer of the last certificate. `None` if that
    /// has no common name.
    pub fn root_name(&self) -> Option<String> {
        let last = super::link::parse(self.certificates.last()?).ok()?;
        let name = last.issuer().iter_common_name().next()?.as_str().ok()?;
        Some(name.to_owned())
    }

    /// Returns the chain with each certificate followed by its issuer, leaf first. Repeated certificates and those that
    /// issued none of the others are dropped.
    ///
    /// RFC 8555 section 7.4.2 recommends that a CA sends them so, and does not require it. A chain whose leaf was issued
    /// by none of its certificates is returned as it is.
    #[must_use]
    pub fn in_order(&self) -> Self {
        let mut candidates = self.certificates.iter().enumerate();
        let leaf = candidates.find_map(|(position, der)| {
            let leaf = Leaf::from_der(der).ok().filter(|one| !one.is_authority())?;
            Some((position, leaf))
        });
        let (position, leaf) = leaf.unwrap_or_else(|| (0, self.leaf.clone()));
        let mut ordered = vec![self.certificates[position].clone()];
        let issuer_of = |ordered: &[CertificateDer<'static>]| {
            let subject = ordered.last()?;
            let mut rest = self.certificates.iter().filter(|one| !ordered.contains(one));
            rest.find(|issuer| super::link::is_signed_by(subject, issuer)).cloned()
        };
        while let Some(issuer) = issuer_of(&ordered) {
            ordered.push(issuer);
        }
        if ordered.len() == 1 && self.certificates.len() > 1 {
            return self.clone();
        }
        Self { certificates: ordered, leaf }
    }

    /// Returns the certificates in DER, the leaf first.
    pub fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.certificates
    }

    /// Returns the content of the first certificate.
    pub fn leaf(&self) -> &Leaf {
        &self.leaf
    }
}

/// Parses the certificates of a PEM text without other blocks.
pub(super) fn certificates(text: &[u8], most: usize) -> Result<Vec<CertificateDer<'static>>, X509Error> {
    let blocks = pem::blocks(text, most)?;
    match blocks.iter().find(|block| block.label != pem::CERTIFICATE) {
        Some(_) => Err(X509Error::malformed("there is a PEM block that is not a CERTIFICATE")),
        None => Ok(blocks.iter().map(|block| CertificateDer::from(block.der.to_vec())).collect()),
    }
}
