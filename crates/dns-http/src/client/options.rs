//! How requests are made.

use std::time::Duration;

/// How an [`HttpClient`](crate::HttpClient) makes requests. The defaults fit the public APIs.
#[derive(Clone, Debug)]
pub struct HttpOptions {
    /// How the client names itself (RFC 9110 section 10.1.5). Some providers ask for an address of the operator here.
    pub user_agent: String,
    /// The time to reach the server and finish the TLS handshake. Default: 5 seconds.
    pub connect_within: Duration,
    /// The time for one attempt, from its first byte to the last byte of the answer. Default: 20 seconds.
    pub attempt_within: Duration,
    /// The time for one call of a backend with all its requests, attempts and pauses. A pause that would end later is
    /// not made; the error then says when to try again. Default: 60 seconds.
    pub call_within: Duration,
    /// How often one request is tried at the most. Default: 4.
    pub max_attempts: u32,
    /// The longest pause before the second attempt, unless the server names one. It doubles with each attempt, and a
    /// random part of it is taken. Default: half a second.
    pub first_pause: Duration,
    /// The longest pause that is not named by the server. Default: 10 seconds.
    pub longest_pause: Duration,
    /// The most octets of one answer. Default: 8 MiB.
    pub max_body: usize,
    /// The most pages of one list. Default: 200.
    pub max_pages: usize,
    /// How many requests one backend makes at the same time. Default: 8.
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
