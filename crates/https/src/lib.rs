//! HTTP over TLS, bounded on both sides.
//!
//! For a program that serves an [`axum::Router`] to strangers: a [`Server`] has a maximum number of connections, a
//! deadline for every phase of a connection, and a bounded shutdown. Its [`Certificates`] can be replaced at any time
//! without losing a connection.
//!
//! For a program that connects to such a server: [`ClientBuilder`] makes a [`reqwest::Client`] that trusts exactly
//! the given roots, follows no redirects, ignores proxies from the environment, and speaks HTTPS only. [`read_body`]
//! reads a response up to a limit.
//!
//! TLS is rustls with the aws-lc-rs provider, passed explicitly; no process default is installed.
//!
//! ```
//! use fleetcert_https::{Certificates, Limits, Server};
//! # async fn example(shutdown: tokio_util::sync::CancellationToken) -> std::io::Result<()> {
//! // Filled by `replace_pem`, now or later.
//! let certificates = Certificates::empty();
//! let address = ([127, 0, 0, 1], 0).into();
//! let server = Server::bind(address, certificates.clone()).await?;
//! println!("serving on {}", server.local_addr());
//! server.serve(axum::Router::new(), Limits::default(), shutdown).await;
//! # Ok(())
//! # }
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
//! # let stopped = tokio_util::sync::CancellationToken::new();
//! # stopped.cancel();
//! # runtime.block_on(example(stopped)).unwrap();
//! ```

mod body;
mod certificates;
mod client;
mod connection;
mod limits;
mod server;

pub use body::{BodyError, read_body};
pub use certificates::{CertificateError, CertificateErrorKind, Certificates};
pub use client::{ClientBuilder, ClientError, ClientErrorKind};
pub use limits::Limits;
pub use server::Server;

use std::sync::Arc;

/// The one crypto provider, passed to every TLS configuration.
fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// ALPN protocols: HTTP/2 before HTTP/1.1 (RFC 7301).
fn alpn() -> Vec<Vec<u8>> {
    vec![b"h2".to_vec(), b"http/1.1".to_vec()]
}
