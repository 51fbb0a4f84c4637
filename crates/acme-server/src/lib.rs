//! The server side of ACME (RFC 8555), with renewal information (RFC 9773), as an axum router.
//!
//! Use it to build something that ACME clients talk to: a test CA, a private CA, a control server that fronts
//! a public one. The server keeps the protocol: nonces, signatures, accounts, orders, authorizations, states,
//! problem documents. What is decided, validated and signed is an [`Issuer`]'s, behind a trait of its own.
//!
//! It offers dns-01 and no other challenge, identifiers of type `dns`, wildcards included. It has no key change, no
//! external account binding, no pre-authorization and no list of an account's orders, and does not advertise
//! them. Its objects live in memory, in bounded tables, and end with it. It limits no rates itself: an
//! [`Issuer`] does, in [`admit`](Issuer::admit), [`admit_account`](Issuer::admit_account) and
//! [`limit_order`](Issuer::limit_order).
//!
//! ```
//! use fleetcert_acme_server::{AcmeOptions, AcmeServer, Issuer};
//! use fleetcert_ambient::{SystemClock, SystemEntropy};
//! use std::sync::Arc;
//!
//! fn front(issuer: Arc<dyn Issuer>) -> (axum::Router, impl Future<Output = ()>) {
//!     let options = AcmeOptions::new("https://ca.test");
//!     let server = AcmeServer::new(issuer, options, Arc::new(SystemClock), Arc::new(SystemEntropy));
//!     let router = server.router(); // to be served under the base URL
//!     (router, server.run(Default::default())) // to be polled beside it
//! }
//! ```

mod account;
mod answer;
mod authorization;
mod certificate;
mod directory;
mod finalize;
mod front;
mod issuer;
mod new_order;
mod nonce;
mod objects;
mod options;
mod order;
mod problem;
mod renewal_info;
mod request;
mod revoke;
mod route;
mod server;
mod shared;
mod table;
mod work;

pub use fleetcert_jose::ProblemKind;
pub use issuer::{Dns01Challenge, IssueRequest, Issuer, OrderRequest, RenewalInfo};
pub use options::AcmeOptions;
pub use problem::Problem;
pub use route::Resource;
pub use server::AcmeServer;
