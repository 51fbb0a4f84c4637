//! A client that trusts only given roots.

use std::time::Duration;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

/// Builds a [`reqwest::Client`] for one purpose: HTTPS only, no redirects, no proxies from the environment, timeouts
/// for connecting and for the whole exchange.
///
/// ```
/// # fn example(root_pem: &[u8]) -> Result<(), fleetcert_https::ClientError> {
/// let client = fleetcert_https::ClientBuilder::new("my-agent/1.0")
///     .only_roots_pem(root_pem)?
///     .build()?;
/// # Ok(())
/// # }
/// # let ca = rcgen::generate_simple_self_signed(["ca.test".to_owned()]).unwrap();
/// # example(ca.cert.pem().as_bytes()).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct ClientBuilder {
    user_agent: String,
    connect_timeout: Duration,
    timeout: Duration,
    /// Trusted roots; `None` for the roots of the platform.
    roots: Option<RootCertStore>,
}

/// Maximum root certificates of one PEM text.
const MAX_ROOTS: usize = 1000;

impl ClientBuilder {
    /// Returns a builder for a client with the User-Agent `user_agent` (RFC 9110 section 10.1.5). By default it
    /// trusts the roots of the platform, with 10 s to connect and 30 s for one exchange.
    pub fn new(user_agent: &str) -> Self {
        Self {
            user_agent: user_agent.to_owned(),
            connect_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(30),
            roots: None,
        }
    }

    /// Trusts `roots` and nothing else. Further calls add to these roots.
    ///
    /// # Errors
    /// If `roots` is empty, or one of them is not a certificate.
    pub fn only_roots(mut self, roots: &[CertificateDer<'_>]) -> Result<Self, ClientError> {
        if roots.is_empty() {
            return Err(ClientError { kind: ClientErrorKind::NoRoots, source: None });
        }
        let store = self.roots.get_or_insert_with(RootCertStore::empty);
        for root in roots {
            store
                .add(root.clone().into_owned())
                .map_err(|error| ClientError::with(ClientErrorKind::BadRoot, error))?;
        }
        Ok(self)
    }

    /// Trusts the certificates in a PEM text and nothing else, as [`only_roots`](Self::only_roots) does.
    ///
    /// # Errors
    /// As for [`only_roots`](Self::only_roots).
    pub fn only_roots_pem(self, pem: &[u8]) -> Result<Self, ClientError> {
        let roots: Vec<_> = CertificateDer::pem_slice_iter(pem)
            .take(MAX_ROOTS)
            .collect::<Result<_, _>>()
            .map_err(|error| ClientError::with(ClientErrorKind::BadRoot, error))?;
        self.only_roots(&roots)
    }

    /// Sets the time limit to reach the server and finish the TLS handshake.
    #[must_use]
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// Sets the time limit for one exchange, from connecting to the last byte of the response.
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// Builds the client.
    ///
    /// # Errors
    /// If the platform's roots cannot be loaded, or the User-Agent is not a valid header value.
    pub fn build(self) -> Result<reqwest::Client, ClientError> {
        self.into_reqwest().build().map_err(|error| ClientError::with(ClientErrorKind::Build, error))
    }

    /// Returns what [`build`](Self::build) would build, for more settings (a fixed address for a name, no connection
    /// reuse). If you change TLS, redirects or proxies on it, the guarantees of this type no longer hold.
    pub fn into_reqwest(self) -> reqwest::ClientBuilder {
        let builder = reqwest::Client::builder()
            .user_agent(self.user_agent)
            .connect_timeout(self.connect_timeout)
            .timeout(self.timeout)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .https_only(true);
        match self.roots {
            Some(roots) => builder.tls_backend_preconfigured(tls_config(roots)),
            None => builder,
        }
    }
}

fn tls_config(roots: RootCertStore) -> ClientConfig {
    let mut config = ClientConfig::builder_with_provider(crate::provider())
        .with_safe_default_protocol_versions()
        .expect("the aws-lc-rs provider has cipher suites for the default versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = crate::alpn();
    config
}

/// The error for a client that cannot be built.
#[derive(Debug, thiserror::Error)]
#[error("the HTTPS client cannot be built: {kind}")]
pub struct ClientError {
    kind: ClientErrorKind,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// Why a client cannot be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientErrorKind {
    /// No root was given; such a client would trust nobody.
    #[error("there is no root certificate")]
    NoRoots,
    /// A root is not a certificate, or its PEM is broken.
    #[error("a root is not a certificate")]
    BadRoot,
    /// The HTTP library rejected the settings.
    #[error("the HTTP library rejected the settings")]
    Build,
}

impl ClientError {
    /// Returns why.
    pub fn kind(&self) -> ClientErrorKind {
        self.kind
    }

    fn with(kind: ClientErrorKind, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self { kind, source: Some(Box::new(source)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_or_invalid_root_is_rejected() {
        let refused =
            |pem: &str| ClientBuilder::new("test").only_roots_pem(pem.as_bytes()).unwrap_err().kind();
        assert_eq!(refused(""), ClientErrorKind::NoRoots);
        assert_eq!(
            refused("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
            ClientErrorKind::BadRoot
        );
    }

    #[test]
    fn user_agent_must_be_a_header_value() {
        let error = ClientBuilder::new("two\nlines").build().unwrap_err();
        assert_eq!(error.kind(), ClientErrorKind::Build);
    }
}
