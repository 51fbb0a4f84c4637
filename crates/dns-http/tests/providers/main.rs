//! Every provider against a scripted server, and against an imitation of its API where there is one.
//!
//! An imitation is written from the provider's API reference; it is not the provider.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)] // in helpers of tests, too

#[cfg(feature = "acme-dns")]
mod acme_dns;
#[cfg(feature = "azure")]
mod azure;
#[cfg(feature = "cloudflare")]
mod cloudflare;
#[cfg(feature = "desec")]
mod desec;
#[cfg(feature = "digitalocean")]
mod digitalocean;
#[cfg(feature = "__http")]
#[allow(dead_code, reason = "the tests of the client use the rest")]
mod fixture;
#[cfg(feature = "google")]
mod google;
#[cfg(feature = "hetzner")]
mod hetzner;
#[cfg(feature = "long-tail")]
mod long_tail;
#[cfg(feature = "powerdns")]
mod powerdns;
#[cfg(feature = "route53")]
mod route53;
#[cfg(feature = "webhook")]
mod webhook;

#[cfg(feature = "__http")]
use fleetcert_dns_http::{ApiError, ApiFault, Endpoint, HttpClient, HttpOptions};
