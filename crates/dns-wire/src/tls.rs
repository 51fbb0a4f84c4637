//! DNS over TLS (RFC 7858).

mod settings_error;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use fleetcert_ambient::Clock;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::exchange::{self, ExchangeError, Failure, Transport};

pub use settings_error::{TlsSettingsError, TlsSettingsErrorKind};

/// Maximum root certificates of one PEM text.
const MAX_ROOTS: usize = 1000;

/// The TLS authentication of a server: a certificate for this name, issued by one of these roots (the strict profile
/// of RFC 8310 section 5). It cannot be switched off.
///
/// Clones share their sessions, so that a further connection is cheap. The certificate's dates are checked against the
/// machine's clock.
#[derive(Clone)]
pub struct Tls {
    connector: TlsConnector,
    server_name: ServerName<'static>,
    shown_name: Arc<str>,
}

impl Tls {
    /// Port of DNS over TLS (RFC 7858 section 3.1).
    pub const PORT: u16 = 853;

    /// Returns settings that trust a certificate for `server_name`, a domain name or an address, issued by one of
    /// `roots`.
    pub fn new(server_name: ServerName<'static>, roots: RootCertStore) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has the ciphers of TLS 1.2 and 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"dot".to_vec()];
        Self {
            connector: Arc::new(config).into(),
            shown_name: server_name.to_str().as_ref().into(),
            server_name,
        }
    }

    /// Returns settings as [`new`](Self::new) does, from a name as text and roots as PEM.
    ///
    /// # Errors
    /// [`TlsSettingsError`] if the name or the roots are invalid.
    ///
    /// ```
    /// use fleetcert_dns_wire::Tls;
    ///
    /// # fn example(root_pem: &[u8]) -> Result<(), fleetcert_dns_wire::TlsSettingsError> {
    /// let tls = Tls::trusting_pem("ns1.example.net", root_pem)?;
    /// # Ok(()) }
    /// # let root = rcgen::generate_simple_self_signed(["ca.test".to_owned()]).unwrap();
    /// # example(root.cert.pem().as_bytes()).unwrap();
    /// ```
    pub fn trusting_pem(server_name: &str, roots: &[u8]) -> Result<Self, TlsSettingsError> {
        let bad_root = |source| TlsSettingsError::new(TlsSettingsErrorKind::BadRoot, Some(source));
        let name = ServerName::try_from(server_name.to_owned())
            .map_err(|_| TlsSettingsError::new(TlsSettingsErrorKind::ServerName, None))?;
        let mut store = RootCertStore::empty();
        for root in CertificateDer::pem_slice_iter(roots).take(MAX_ROOTS) {
            let root = root.map_err(|error| bad_root(error.into()))?;
            store.add(root).map_err(|error| bad_root(error.into()))?;
        }
        if store.is_empty() {
            return Err(TlsSettingsError::new(TlsSettingsErrorKind::NoRoots, None));
        }
        Ok(Self::new(name, store))
    }

    /// Sends `message` over a separate TLS connection and waits for the reply, for at most `timeout` of the clock's
    /// time in all. Otherwise like [`exchange`](crate::exchange()).
    ///
    /// # Errors
    /// [`ExchangeError`]; `ForeignCertificate`, `UntrustedCertificate` and `NoTls` if the server could not prove its
    /// identity; then nothing of the message was sent.
    pub async fn exchange(
        &self,
        server: SocketAddr,
        message: &[u8],
        timeout: Duration,
        clock: &dyn Clock,
    ) -> Result<Vec<u8>, ExchangeError> {
        exchange::within(clock, timeout, message, async |asked| {
            exchange::on_stream(self.connect(server).await?, message, asked).await
        })
        .await
        .map_err(|failure| self.error(server, failure))
    }

    /// Returns the name that the server's certificate must have.
    pub fn server_name(&self) -> &str {
        &self.shown_name
    }

    pub(crate) async fn connect(&self, server: SocketAddr) -> Result<TlsStream<TcpStream>, Failure> {
        let stream = exchange::connect_tcp(server).await?;
        self.connector.connect(self.server_name.clone(), stream).await.map_err(Failure::of_handshake)
    }

    pub(crate) fn error(&self, server: SocketAddr, failure: Failure) -> ExchangeError {
        ExchangeError::new(server, Transport::Tcp, Some(&self.shown_name), failure)
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("server_name", &self.shown_name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
