//! How much a listener gives to strangers.

use std::time::Duration;

/// The bounds of a [`Server`](crate::Server). Every phase of a connection has one, so that a silent or slow peer
/// ends up disconnected whatever it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// So many connections at once; more wait in the kernel's queue until one ends. Zero serves nobody.
    pub max_connections: usize,
    /// The TLS handshake must be complete after this time.
    pub handshake_timeout: Duration,
    /// A request's head must be complete after this time (HTTP/1.1; it also ends idle HTTP/1.1 connections).
    pub header_timeout: Duration,
    /// A request must be read and answered after this time; later it is answered with status 408.
    pub request_timeout: Duration,
    /// A connection without any request for this time is closed.
    pub idle_timeout: Duration,
    /// After the decision to end a connection, requests under way may go on for this time.
    pub shutdown_grace: Duration,
    /// The largest request body that axum's extractors take, in bytes. A router may set its own, smaller or
    /// larger, with [`axum::extract::DefaultBodyLimit`].
    pub max_body: usize,
    /// So many requests at once on one HTTP/2 connection.
    pub max_streams: u32,
}

impl Default for Limits {
    /// 1024 connections; 10 s for a handshake and for a head, 30 s for a request, 60 s idle, 10 s to end; bodies
    /// up to 128 KiB; 64 streams.
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
