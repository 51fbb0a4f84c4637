//! DNS backends for the HTTP APIs of DNS providers and servers.
//!
//! Use this crate if your zone is hosted by a DNS provider with an HTTP API. Each backend is a feature and a module; its
//! page lists the permissions that the token needs, the limits of the API, and the cost of a call. Every backend adds and
//! removes challenge values one by one and never overwrites a value that it did not read. All of them share one
//! [`HttpClient`] with deadlines, bounds and retries; an [`ApiError`] shows what the server sent instead of an answer.
//!
//! | module and feature | provider | a list of changes is atomic | several processes may change one name |
//! | --- | --- | --- | --- |
//! | [`powerdns`] | PowerDNS, its HTTP API | yes | from 4.9.12 and 5.0.2 on |
//! | [`cloudflare`] | Cloudflare | yes | TXT values only |
//! | [`route53`] | Amazon Route 53 | yes | yes |
//! | [`google`] | Google Cloud DNS | yes | yes |
//! | [`azure`] | Azure DNS | no | yes |
//! | [`desec`] | deSEC | yes | no |
//! | [`hetzner`] | Hetzner, its Cloud API | no | yes |
//! | [`digitalocean`] | DigitalOcean | no | yes |
//! | [`acme_dns`] (`acme-dns`) | acme-dns: two challenge values per name | no | no |
//! | [`webhook`] (default) | a service of your own | your choice | your choice |
//! | [`long_tail`] (`long-tail`) | the crate `dns-update`: challenge values only | no | depends on the provider |
//!
//! ```
//! # #[cfg(feature = "cloudflare")] {
//! use fleetcert_ambient::Ambient;
//! use fleetcert_dns_http::cloudflare::{CloudflareBackend, CloudflareOptions};
//! use fleetcert_dns_http::{HttpClient, HttpOptions};
//!
//! let http = HttpClient::new(HttpOptions::default(), Ambient::system())?;
//! let options = CloudflareOptions::new("the API token".into());
//! let backend = CloudflareBackend::new(options, &http);
//! # let _: &dyn fleetcert_dns::DnsBackend = &backend;
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
#[cfg(feature = "__http")]
#[allow(dead_code, reason = "the tests of providers use the rest")]
#[path = "../tests/providers/fixture.rs"]
mod fixture;
