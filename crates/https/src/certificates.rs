//! The certificate that a server presents, and its replacement.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{Error as TlsError, InconsistentKeys};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// The certificate chain and key that a [`Server`](crate::Server) presents. Clones share their content.
///
/// A handshake that began before a replacement ends with the old pair; one that begins after it gets the new one.
/// Established connections are not affected. While there is no certificate, every handshake fails.
///
/// ```
/// use fleetcert_https::Certificates;
///
/// let certificates = Certificates::empty();
/// # let issued = rcgen::generate_simple_self_signed(["device.test".to_owned()])?;
/// # let (fullchain, privkey) = (issued.cert.pem(), issued.signing_key.serialize_pem());
/// certificates.replace_pem(fullchain.as_bytes(), privkey.as_bytes())?;
/// assert!(!certificates.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct Certificates {
    current: Arc<ArcSwapOption<CertifiedKey>>,
}

/// Maximum certificates of a chain. No public CA sends more; a longer list is a mistake.
const MAX_CHAIN: usize = 10;

impl Certificates {
    /// Returns a value without a certificate.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Returns a value that presents `chain` (leaf first) with the leaf's private `key`.
    ///
    /// # Errors
    /// As for [`replace`](Self::replace).
    pub fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, CertificateError> {
        let certificates = Self::empty();
        certificates.replace(chain, key)?;
        Ok(certificates)
    }

    /// Replaces the current pair by `chain` (leaf first) and the leaf's private `key`.
    ///
    /// # Errors
    /// If the pair cannot be used, or `key` does not belong to the leaf. The current pair then stays.
    pub fn replace(
        &self,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<(), CertificateError> {
        if chain.len() > MAX_CHAIN {
            return Err(CertificateErrorKind::ChainTooLong.into());
        }
        let pair =
            CertifiedKey::from_der(chain, key, &crate::provider()).map_err(CertificateError::from_tls)?;
        self.current.store(Some(Arc::new(pair)));
        Ok(())
    }

    /// Replaces the current pair by the content of the two usual PEM files: `fullchain.pem` and `privkey.pem` (PKCS#8,
    /// SEC1 or PKCS#1).
    ///
    /// # Errors
    /// As for [`replace`](Self::replace), and if one of the texts is not PEM.
    pub fn replace_pem(&self, chain: &[u8], key: &[u8]) -> Result<(), CertificateError> {
        let chain = CertificateDer::pem_slice_iter(chain)
            .take(MAX_CHAIN + 1)
            .collect::<Result<_, _>>()
            .map_err(|_| CertificateErrorKind::NotPem)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| CertificateErrorKind::NotPem)?;
        self.replace(chain, key)
    }

    /// Returns whether there is no certificate.
    pub fn is_empty(&self) -> bool {
        self.current.load().is_none()
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.current.load_full()
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").field("is_empty", &self.is_empty()).finish_non_exhaustive()
    }
}

/// The error for a chain and key that cannot be served.
#[derive(Debug, thiserror::Error)]
#[error("the certificate cannot be served: {kind}")]
pub struct CertificateError {
    kind: CertificateErrorKind,
    source: Option<TlsError>,
}

/// Why a chain and key cannot be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateErrorKind {
    /// The chain has no certificate.
    #[error("the chain is empty")]
    EmptyChain,
    /// The chain has more than ten certificates.
    #[error("the chain has more than ten certificates")]
    ChainTooLong,
    /// The key is not the one in the leaf certificate.
    #[error("the key does not belong to the first certificate of the chain")]
    KeyMismatch,
    /// A text is not PEM, or lacks the required block.
    #[error("the texts are not PEM of a chain and a private key")]
    NotPem,
    /// The key or the leaf has a form or algorithm that TLS cannot use; the source has the details.
    #[error("TLS cannot use its form or algorithm")]
    Unusable,
}

impl CertificateError {
    /// Returns why.
    pub fn kind(&self) -> CertificateErrorKind {
        self.kind
    }

    fn from_tls(source: TlsError) -> Self {
        let kind = match source {
            TlsError::InconsistentKeys(InconsistentKeys::KeyMismatch) => CertificateErrorKind::KeyMismatch,
            TlsError::NoCertificatesPresented => CertificateErrorKind::EmptyChain,
            _ => CertificateErrorKind::Unusable,
        };
        Self { kind, source: Some(source) }
    }
}

impl From<CertificateErrorKind> for CertificateError {
    fn from(kind: CertificateErrorKind) -> Self {
        Self { kind, source: None }
    }
}
