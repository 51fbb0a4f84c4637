//! The HTTP client that backends share: connections, a clock and randomness.

use std::sync::Arc;

use fleetcert_ambient::{Clock, Entropy};

use crate::HttpOptions;

/// Makes the requests of any number of backends, over pooled connections. A clone is the same client.
///
/// ```
/// use std::sync::Arc;
/// use fleetcert_ambient::{SystemClock, SystemEntropy};
/// use fleetcert_dns_http::{HttpClient, HttpOptions};
///
/// let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemEntropy));
/// let http = HttpClient::new(HttpOptions::default(), clock, entropy)?;
/// # Ok::<(), fleetcert_dns_http::HttpClientError>(())
/// ```
#[derive(Clone, Debug)]
pub struct HttpClient {
    state: Arc<ClientState>,
}

#[derive(Debug)]
struct ClientState {
    connections: reqwest::Client,
    options: HttpOptions,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl HttpClient {
    /// Returns a client over rustls that trusts the roots of the platform, follows no redirects and uses no proxy. Sends
    /// nothing before a backend's first call. `entropy` adds jitter to the pauses.
    ///
    /// # Errors
    /// [`HttpClientError`] if the platform's roots cannot be loaded or the User-Agent is not a header value.
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

    /// Returns a client over these connections, for roots, proxies or addresses of your own. Their user agent and connect
    /// timeout count, not those of `options`. They must follow no redirects: a redirect can carry a token elsewhere.
    pub fn with_connections(
        connections: reqwest::Client,
        options: HttpOptions,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self { state: Arc::new(ClientState { connections, options, clock, entropy }) }
    }

    pub(crate) fn connections(&self) -> &reqwest::Client {
        &self.state.connections
    }

    pub(crate) fn options(&self) -> &HttpOptions {
        &self.state.options
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.state.clock
    }

    pub(crate) fn random(&self) -> u64 {
        let mut bytes = [0; 8];
        self.state.entropy.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }
}

/// The HTTP client cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client cannot be made: the roots of the platform or the user agent are not usable")]
pub struct HttpClientError {
    source: reqwest::Error,
}
