//! The HTTP client that backends share: connections, a clock and entropy.

use std::sync::Arc;

use fleetcert_ambient::{Ambient, Clock};

use crate::HttpOptions;

/// Makes the requests of any number of backends, over pooled connections. A clone is the same client.
///
/// ```
/// use fleetcert_ambient::Ambient;
/// use fleetcert_dns_http::{HttpClient, HttpOptions};
///
/// let http = HttpClient::new(HttpOptions::default(), Ambient::system())?;
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
    ambient: Ambient,
}

impl HttpClient {
    /// Returns a client over rustls that trusts the roots of the platform, follows no redirects and uses no proxy. Sends
    /// nothing before a backend's first call. Adds random jitter to the delays.
    ///
    /// # Errors
    /// [`HttpClientError`] if the platform's roots cannot be loaded or the User-Agent is not a header value.
    pub fn new(options: HttpOptions, ambient: Ambient) -> Result<Self, HttpClientError> {
        let connections = reqwest::Client::builder()
            .user_agent(&options.user_agent)
            .connect_timeout(options.connect_within)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|source| HttpClientError { source })?;
        Ok(Self::with_connections(connections, options, ambient))
    }

    /// Returns a client over these connections, for roots, proxies or addresses of your own. Their user agent and connect
    /// timeout count, not those of `options`. They must follow no redirects: a redirect can carry a token elsewhere.
    pub fn with_connections(connections: reqwest::Client, options: HttpOptions, ambient: Ambient) -> Self {
        Self { state: Arc::new(ClientState { connections, options, ambient }) }
    }

    pub(crate) fn connections(&self) -> &reqwest::Client {
        &self.state.connections
    }

    pub(crate) fn options(&self) -> &HttpOptions {
        &self.state.options
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.state.ambient.clock
    }

    pub(crate) fn random(&self) -> u64 {
        self.state.ambient.random()
    }
}

/// The HTTP client cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client cannot be made: the roots of the platform or the user agent are not usable")]
pub struct HttpClientError {
    source: reqwest::Error,
}
