//! The one client that all backends of this crate share.
//!
//! What a caller sees of it: an [`HttpClient`] with its [`HttpOptions`], an [`Endpoint`], and the [`ApiError`] in a
//! backend's error. What a backend sees: an `Api`, from which it makes a `Call` for each call of the contract; a
//! `Call` has the deadline and sends `Request`s, each of which says whether it may be repeated.

mod api;
pub(crate) mod authorize;
mod call;
mod endpoint;
mod error;
mod excerpt;
mod http_client;
mod options;
#[cfg(feature = "__pages")]
mod pages;
mod reply;
mod request;
mod retry;
mod retry_after;
#[cfg(feature = "__sets")]
mod rounds;
#[cfg(any(
    feature = "cloudflare",
    feature = "desec",
    feature = "digitalocean",
    feature = "hetzner",
    feature = "powerdns",
    feature = "webhook"
))]
mod token;

pub use endpoint::{Endpoint, EndpointError};
pub use error::{ApiError, ApiFault};
pub use http_client::{HttpClient, HttpClientError};
pub use options::HttpOptions;

pub(crate) use api::Api;
pub(crate) use authorize::{Authorizer, Outgoing};
pub(crate) use call::Call;
pub(crate) use reply::Reply;
pub(crate) use request::{Repeat, Request};
#[cfg(any(
    feature = "cloudflare",
    feature = "desec",
    feature = "digitalocean",
    feature = "hetzner",
    feature = "powerdns",
    feature = "webhook"
))]
pub(crate) use token::Token;

#[cfg(test)]
mod tests;
