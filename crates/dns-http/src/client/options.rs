//! Options of the HTTP client.

use std::time::Duration;

/// Options of an [`HttpClient`](crate::HttpClient). The defaults fit the public APIs.
#[derive(Clone, Debug)]
pub struct HttpOptions {
    /// User-Agent (RFC 9110 section 10.1.5). Some providers ask for the address of the operator here. Default:
    /// `fleetcert-dns-http/` and the version.
    pub user_agent: String,
    /// Timeout of the connection and the TLS handshake. Default: 5 seconds.
    pub connect_within: Duration,
    /// Timeout of one attempt, from its first byte to the last byte of the answer. Default: 20 seconds.
    pub attempt_within: Duration,
    /// Timeout of one call of a backend with all its requests, attempts and pauses. A pause that would end later is not
    /// made; the error then says when to try again. Default: 60 seconds.
    pub call_within: Duration,
    /// Maximum attempts of one request. Default: 4.
    pub max_attempts: u32,
    /// Maximum pause before the second attempt, unless the server names one. It doubles with each attempt; jitter takes up
    /// to half of it. Default: half a second.
    pub first_pause: Duration,
    /// Maximum pause that the server did not name. Default: 10 seconds.
    pub longest_pause: Duration,
    /// Maximum octets of one answer. Default: 8 MiB.
    pub max_body: usize,
    /// Maximum pages of one list. Default: 200.
    pub max_pages: usize,
    /// Maximum requests of one backend in flight. Default: 8.
    pub requests_at_once: usize,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            user_agent: concat!("fleetcert-dns-http/", env!("CARGO_PKG_VERSION")).to_owned(),
            connect_within: Duration::from_secs(5),
            attempt_within: Duration::from_secs(20),
            call_within: Duration::from_secs(60),
            max_attempts: 4,
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(10),
            max_body: 8 << 20,
            max_pages: 200,
            requests_at_once: 8,
        }
    }
}
