//! The router, driven by signed requests.

mod bounds;
mod client;
mod issuer;
mod journey;
mod malformed;
mod replaces;
mod revocation;
mod states;
