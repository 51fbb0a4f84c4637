//! The way of a request to a CA, for a client that brings its own.

use std::error::Error;
use std::fmt::Debug;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};

/// Carries the requests of a [`Client`](crate::Client) to its CA, in place of the built-in HTTPS client.
///
/// Implement it to reach a CA in the same process, in tests and in virtual time, or to use an HTTP client of your own.
/// What it returns is taken for the CA's word: an implementation that uses a network MUST verify the server's
/// certificate, MUST bound the size of the answer, and MUST NOT follow redirects.
#[async_trait]
pub trait Transport: Send + Sync + Debug {
    /// Sends one request and returns the whole answer, whatever its status. The request's URI is absolute.
    ///
    /// # Errors
    /// No complete answer arrived. The client reports `Unreachable` with this error as its source.
    ///
    /// **Cancellation.** The future is dropped when the [request timeout](crate::ClientOptions::request_timeout) has
    /// passed or the caller gives up. The CA may have received the request.
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Box<dyn Error + Send + Sync>>;
}

// The trait must stay usable as `dyn`.
const _: Option<&dyn Transport> = None;
