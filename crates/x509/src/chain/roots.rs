//! Trusted roots.

use std::fmt;

use rustls_pki_types::{CertificateDer, TrustAnchor};

use super::bundle::certificates;
use crate::{X509Error, X509ErrorKind};

/// Root certificates, to which a chain must lead.
///
/// ```no_run
/// # fn file() -> Vec<u8> { Vec::new() }
/// let roots = fleetcert_x509::Roots::from_pem(&file())?;
/// assert!(!roots.certificates().is_empty());
/// # Ok::<(), fleetcert_x509::X509Error>(())
/// ```
#[derive(Clone)]
pub struct Roots {
    certificates: Vec<CertificateDer<'static>>,
    anchors: Vec<TrustAnchor<'static>>,
}

/// Maximum octets of a PEM text. The bundles of operating systems have some 150 roots in 250 KiB.
const MAX_TEXT: usize = 1024 * 1024;
const MAX_CERTIFICATES: usize = 1000;

impl Roots {
    /// Parses 1 to 1000 PEM blocks `CERTIFICATE` of at most 1 MiB in all.
    ///
    /// # Errors
    /// [`X509ErrorKind::TooLarge`], or [`X509ErrorKind::Malformed`] if there is none or one cannot be a root.
    pub fn from_pem(text: &[u8]) -> Result<Self, X509Error> {
        if text.len() > MAX_TEXT {
            return Err(X509Error::new(X509ErrorKind::TooLarge, "the roots are larger than 1 MiB"));
        }
        Self::from_certificates(certificates(text, MAX_CERTIFICATES)?)
    }

    /// Returns roots from certificates in DER.
    ///
    /// # Errors
    /// [`X509ErrorKind::Malformed`] if there is none or one cannot be a root.
    pub fn from_certificates(certificates: Vec<CertificateDer<'static>>) -> Result<Self, X509Error> {
        if certificates.is_empty() {
            return Err(X509Error::malformed("there is no root certificate"));
        }
        let anchors = certificates
            .iter()
            .map(|root| webpki::anchor_from_trusted_cert(root).map(|anchor| anchor.to_owned()))
            .collect::<Result<_, _>>()
            .map_err(|error| X509Error::malformed("a certificate cannot be a root").because(error))?;
        Ok(Self { certificates, anchors })
    }

    /// Returns the certificates in DER, for a TLS client that trusts the same roots.
    pub fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.certificates
    }

    pub(super) fn anchors(&self) -> &[TrustAnchor<'static>] {
        &self.anchors
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Roots({})", self.certificates.len())
    }
}
