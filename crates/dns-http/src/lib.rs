//! DNS backends for the HTTP APIs of DNS providers and servers.
//!
//! For who has the fleet zone at a provider, or on a server with an API. Each backend is a feature and a module with
//! a page of its own: which token with which rights it needs, what the API can do and what not. All of them add and
//! remove challenge values one by one and never write over a value that they did not read; all of them share one
//! [`HttpClient`] with deadlines, bounds and retries, and tell by an [`ApiError`] what came instead of an answer.
//!
//! | feature | of | a list of changes is atomic | several processes at one name |
//! | --- | --- | --- | --- |
//! | `powerdns` | PowerDNS, its HTTP API | yes | from 4.9.12 and 5.0.2 on |
//! | `cloudflare` | Cloudflare | yes | yes for texts |
//! | `route53` | Amazon Route 53 | yes | yes |
//! | `google` | Google Cloud DNS | yes | yes |
//! | `azure` | Azure DNS | no | yes |
//! | `desec` | deSEC | yes | no |
//! | `hetzner` | Hetzner, the Cloud API | no | yes |
//! | `digitalocean` | DigitalOcean | no | yes |
//! | `acme-dns` | acme-dns: two challenge values a name | no | no |
//! | `webhook` (on by default) | anything that you serve yourself | as you say | as you do |
//! | `long-tail` | the crate `dns-update`: challenge values only | no | by provider |
//!
//! ```
//! # #[cfg(feature = "webhook")] {
//! use std::sync::Arc;
//! use fleetcert_ambient::{SystemClock, SystemEntropy};
//! use fleetcert_dns::{Capabilities, DnsBackend};
//! use fleetcert_dns_http::webhook::{WebhookBackend, WebhookOptions, WebhookSecret};
//! use fleetcert_dns_http::{HttpClient, HttpOptions};
//!
//! let http = HttpClient::new(HttpOptions::default(), Arc::new(SystemClock), Arc::new(SystemEntropy))?;
//! let secret = WebhookSecret::Hmac("the key".into());
//! let options = WebhookOptions { endpoint: "https://dns.example.com/hook".parse()?, secret };
//! let backend = WebhookBackend::new(options, &http, Capabilities::ALL);
//! assert!(backend.capabilities().atomic);
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "acme-dns")]
pub mod acme_dns;
#[cfg(feature = "azure")]
pub mod azure;
#[cfg(feature = "__sets")]
mod backend;
#[cfg(feature = "__http")]
mod client;
#[cfg(feature = "cloudflare")]
pub mod cloudflare;
#[cfg(any(feature = "route53", feature = "google", feature = "azure"))]
mod credentials;
#[cfg(feature = "desec")]
pub mod desec;
#[cfg(feature = "digitalocean")]
pub mod digitalocean;
#[cfg(feature = "google")]
pub mod google;
#[cfg(feature = "hetzner")]
pub mod hetzner;
#[cfg(any(feature = "__sets", feature = "long-tail"))]
mod locks;
#[cfg(feature = "long-tail")]
pub mod long_tail;
#[cfg(feature = "powerdns")]
pub mod powerdns;
#[cfg(feature = "__sets")]
mod record_sets;
#[cfg(feature = "route53")]
pub mod route53;
#[cfg(any(feature = "google", feature = "azure"))]
mod tokens;
#[cfg(feature = "__sets")]
mod txt;
#[cfg(feature = "webhook")]
pub mod webhook;
#[cfg(feature = "__sets")]
mod zones;

#[cfg(feature = "__sets")]
pub use backend::HttpBackend;
#[cfg(feature = "__http")]
pub use client::{ApiError, ApiFault, Endpoint, EndpointError, HttpClient, HttpClientError, HttpOptions};
#[cfg(any(feature = "route53", feature = "google", feature = "azure"))]
pub use credentials::CredentialError;
#[cfg(any(feature = "google", feature = "azure"))]
pub use tokens::{AccessToken, TokenSource};

#[cfg(test)]
mod fixture;
