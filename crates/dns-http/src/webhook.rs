//! A webhook: any backend of one's own, served over HTTP by three JSON requests.
//!
//! Use this module if no backend knows your DNS, you write one in another language, or the keys of the zone are on another
//! machine. The requests are in [docs/webhook.md], to the letter; the example `webhook-server` serves them with axum:
//!
//! ```text
//! cargo run -p fleetcert-dns-http --example webhook-server -- --zone fleet.test --hmac-key-file KEY
//! ```
//!
//! # Access
//! A bearer token, or better a key for HMAC: then nothing that is sent can be used for another request, and a request
//! is old after some minutes. Use TLS with either: without it, the network can read the changes.
//!
//! # What it can
//! What the server says that it can; [`WebhookBackend::connect`] asks it once. The conformance suite holds it to it.
//! Every request can be repeated, as the contract has it, and is repeated when its answer is lost.
//!
//! For a server in Rust, [`messages`] has the JSON as types and [`SignatureVerifier`] the other side of HMAC.
//!
//! ```no_run
//! # use fleetcert_ambient::Ambient;
//! use fleetcert_dns_http::webhook::{
//!     WebhookBackend, WebhookOptions, WebhookSecret,
//! };
//! # use fleetcert_dns_http::{HttpClient, HttpOptions};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! # let http = HttpClient::new(HttpOptions::default(), Ambient::system())?;
//! let secret = WebhookSecret::Hmac("the key".into());
//! let endpoint = "https://dns.example.com/hook".parse()?;
//! let options = WebhookOptions { endpoint, secret };
//! let zone = "fleet.example.com".parse()?;
//! let backend = WebhookBackend::connect(options, &http, &zone).await?;
//! # Ok(()) }
//! ```
//!
//! [docs/webhook.md]: https://github.com/fleetcert/fleetcert/blob/main/docs/webhook.md

mod backend;
pub mod messages;
mod secret;
mod signature;

pub use backend::{WebhookBackend, WebhookOptions};
pub use secret::WebhookSecret;
pub use signature::{SIGNATURE_HEADER, SignatureFault, SignatureVerifier};
