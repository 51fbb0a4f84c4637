//! HTTP over TLS, bounded on both sides.
//!
//! For a program that serves an [`axum::Router`] to strangers and must outlive them: a [`Server`] has a cap on
//! connections, a deadline for every phase of one, and an end that does not wait for ever. What it serves, its
//! [`Certificates`], can be replaced at any moment without a lost connection.
//!
//! For a program that talks to such a server: [`ClientBuilder`] makes a [`reqwest::Client`] that trusts exactly
//! the roots it was given, follows no redirects, reads no proxy from the environment and speaks HTTPS only;
//! [`read_body`] reads an answer up to a limit.
//!
//! TLS is rustls with the aws-lc-rs provider, passed explicitly; no process default is installed.
//!
//! ```
//! use fleetcert_https::{Certificates, Limits, Server};
//! # async fn example(shutdown: tokio_util::sync::CancellationToken) -> std::io::Result<()> {
//! let certificates = Certificates::empty(); // `replace` or `replace_pem` puts a pair in, now or later
//! let server = Server::bind("127.0.0.1:0".parse().expect("an address"), certificates.clone()).await?;
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

/// HTTP/2 before HTTP/1.1 (RFC 7301).
fn alpn() -> Vec<Vec<u8>> {
    vec![b"h2".to_vec(), b"http/1.1".to_vec()]
}
