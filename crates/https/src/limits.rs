//! The limits of a server.

use std::time::Duration;

/// The limits of a [`Server`](crate::Server). Every phase of a connection has one, so that a silent or slow peer is
/// always disconnected.
///
/// ```
/// use fleetcert_https::Limits;
/// use std::time::Duration;
///
/// let limits = Limits {
///     max_connections: 200,
///     request_timeout: Duration::from_secs(5),
///     ..Limits::default()
/// };
/// assert_eq!(limits.handshake_timeout, Duration::from_secs(10));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Maximum connections; more wait in the kernel's queue until one ends. Zero serves nobody.
    pub max_connections: usize,
    /// Time limit for the TLS handshake.
    pub handshake_timeout: Duration,
    /// Time limit for the head of a request (HTTP/1.1; it also ends idle HTTP/1.1 connections).
    pub header_timeout: Duration,
    /// Time limit to read and answer a request. After it, the answer is status 408.
    pub request_timeout: Duration,
    /// Time after which a connection without requests is closed.
    pub idle_timeout: Duration,
    /// Time limit for requests in flight after the decision to close their connection.
    pub shutdown_grace: Duration,
    /// Maximum size of a request body that axum's extractors accept, in bytes. A router can set its own limit with
    /// [`axum::extract::DefaultBodyLimit`].
    pub max_body: usize,
    /// Maximum concurrent requests on one HTTP/2 connection.
    pub max_streams: u32,
}

impl Default for Limits {
    /// Returns 1024 connections; 10 s for a handshake and for a head, 30 s for a request, 60 s idle, 10 s grace;
    /// bodies up to 128 KiB; 64 streams.
    fn default() -> Self {
        Self {
            max_connections: 1024,
            handshake_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(60),
            shutdown_grace: Duration::from_secs(10),
            max_body: 128 * 1024,
            max_streams: 64,
        }
    }
}
