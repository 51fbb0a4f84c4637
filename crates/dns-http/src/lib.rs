//! DNS backends for the HTTP APIs of DNS providers and servers.
//!
//! For who has the fleet zone at a provider, or on a server with an API. Each backend is a feature and a module with
//! a page of its own: which token with which rights it needs, what the API can do and what not. None is on by
//! default. All of them add and remove challenge values one by one and never touch a value that they did not read;
//! all of them share one [`HttpClient`] with deadlines, bounds and retries.
#![cfg_attr(
    not(all(
        feature = "powerdns",
        feature = "desec",
        feature = "hetzner",
        feature = "digitalocean",
        feature = "acme-dns",
        feature = "webhook",
        feature = "cloudflare",
        feature = "route53",
        feature = "google",
        feature = "azure"
    )),
    allow(dead_code, unused_imports, reason = "no provider alone uses all that is shared")
)]

#[cfg(feature = "azure")]
pub mod azure;
mod client;
#[cfg(feature = "cloudflare")]
pub mod cloudflare;
#[cfg(any(feature = "route53", feature = "google", feature = "azure"))]
mod credentials;
#[cfg(feature = "google")]
pub mod google;
#[cfg(feature = "powerdns")]
pub mod powerdns;
mod record_sets;
#[cfg(feature = "route53")]
pub mod route53;
#[cfg(any(feature = "google", feature = "azure"))]
mod tokens;
mod txt;
mod zones;

pub use client::{ApiError, ApiFault, Endpoint, EndpointError, HttpClient, HttpClientError, HttpOptions};
#[cfg(any(feature = "route53", feature = "google", feature = "azure"))]
pub use credentials::CredentialError;
#[cfg(any(feature = "google", feature = "azure"))]
pub use tokens::{AccessToken, TokenSource};

#[cfg(test)]
mod fixture;
