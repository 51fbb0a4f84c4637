//! Connections, a clock and a source of randomness: what backends share.

use std::sync::Arc;

use fleetcert_ambient::{Clock, Entropy};

use crate::HttpOptions;

/// Makes requests for any number of backends; its connections are pooled. A clone is the same client.
///
/// ```
/// use std::sync::Arc;
/// use fleetcert_ambient::{SystemClock, SystemEntropy};
/// use fleetcert_dns_http::{HttpClient, HttpOptions};
///
/// let http = HttpClient::new(HttpOptions::default(), Arc::new(SystemClock), Arc::new(SystemEntropy))?;
/// # Ok::<(), fleetcert_dns_http::HttpClientError>(())
/// ```
#[derive(Clone, Debug)]
pub struct HttpClient {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    connections: reqwest::Client,
    options: HttpOptions,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl HttpClient {
    /// A client over rustls that trusts the roots of the platform, follows no redirects and knows no proxy. Nothing
    /// is sent before a backend's first call. `entropy` makes the pauses differ.
    ///
    /// # Errors
    /// When the platform's roots cannot be loaded or the User-Agent is no header value.
    pub fn new(
        options: HttpOptions,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, HttpClientError> {
        let connections = reqwest::Client::builder()
            .user_agent(&options.user_agent)
            .connect_timeout(options.connect_within)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|source| HttpClientError { source })?;
        Ok(Self::with_connections(connections, options, clock, entropy))
    }

    /// A client over these connections: for roots, proxies or addresses of one's own. Its user agent and its time to
    /// connect count, not those of `options`. Let it follow no redirects: a redirect may carry a token elsewhere.
    pub fn with_connections(
        connections: reqwest::Client,
        options: HttpOptions,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self { inner: Arc::new(Inner { connections, options, clock, entropy }) }
    }

    pub(crate) fn connections(&self) -> &reqwest::Client {
        &self.inner.connections
    }

    pub(crate) fn options(&self) -> &HttpOptions {
        &self.inner.options
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.inner.clock
    }

    pub(crate) fn random(&self) -> u64 {
        let mut bytes = [0; 8];
        self.inner.entropy.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }
}

/// The client could not be made.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client cannot be made: the roots of the platform or the user agent are not usable")]
pub struct HttpClientError {
    source: reqwest::Error,
}
