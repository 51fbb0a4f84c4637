//! The router, driven by signed requests.

#![allow(clippy::unwrap_used, clippy::panic)] // a test may

mod bounds;
mod client;
mod issuer;
mod journey;
mod malformed;
mod replaces;
mod revocation;
mod states;
