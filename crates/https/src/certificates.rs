//! What a listener serves, and how it is replaced.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{Error as TlsError, InconsistentKeys};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// The certificate chain and key that a [`Server`](crate::Server) shows. Clones share one content.
///
/// A handshake that began before a replacement ends with the old pair, one that begins after it gets the new one;
/// connections that stand are not touched. While it is empty, every handshake is refused.
#[derive(Clone, Default)]
pub struct Certificates {
    current: Arc<ArcSwapOption<CertifiedKey>>,
}

/// More than any public CA sends; a longer list is a mistake.
const MAX_CHAIN: usize = 10;

impl Certificates {
    /// Nothing to serve yet.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Serves `chain` (leaf first) with the leaf's private `key`.
    ///
    /// # Errors
    /// As [`replace`](Self::replace).
    pub fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, CertificateError> {
        let certificates = Self::empty();
        certificates.replace(chain, key)?;
        Ok(certificates)
    }

    /// Puts `chain` (leaf first) and the leaf's private `key` in the place of what is served now.
    ///
    /// # Errors
    /// When the pair cannot be served or `key` is not the leaf's. What was served before is served on.
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

    /// As [`replace`](Self::replace), from the two PEM files that most programs keep: `fullchain.pem` and
    /// `privkey.pem` (PKCS#8, SEC1 or PKCS#1).
    ///
    /// # Errors
    /// As [`replace`](Self::replace), and when one of the texts is not PEM.
    pub fn replace_pem(&self, chain: &[u8], key: &[u8]) -> Result<(), CertificateError> {
        let chain = CertificateDer::pem_slice_iter(chain)
            .take(MAX_CHAIN + 1)
            .collect::<Result<_, _>>()
            .map_err(|_| CertificateErrorKind::NotPem)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| CertificateErrorKind::NotPem)?;
        self.replace(chain, key)
    }

    /// Whether there is nothing to serve.
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

/// A chain and key that cannot be served.
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
    /// A text is not PEM, or lacks the block that it should have.
    #[error("it is not PEM of a chain and a private key")]
    NotPem,
    /// The key or the leaf has a form or algorithm that TLS cannot use; the source says more.
    #[error("its form or algorithm cannot be used")]
    Unusable,
}

impl CertificateError {
    /// Why.
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
