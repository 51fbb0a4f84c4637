//! The DNS-01 order: a pure state machine, and a client on instant-acme that performs its steps.
//!
//! For whoever gets certificates from an ACME CA (RFC 8555) by DNS-01 and must not lose one to a crash. A
//! [`Client`] knows one CA; an [`Account`] of it is an [`Authority`]. A [`Driver`] takes an order from
//! [`order::State::Wanted`] to a checked certificate: TXT values published for all names, seen on every server,
//! challenges answered, CSR sent, chain downloaded and compared with what was ordered, TXT values withdrawn
//! whatever happens. Each step is written to a [`Journal`] before it is taken, and an order goes on from any of
//! its entries. What a failure means, and when to try again, is data: [`AcmeError`], [`order::Failure`].
//!
//! When to order, and whether the limits of the CA allow it, is decided by the caller.
//!
//! ```
//! use fleetcert_acme::{AccountKey, Client, ClientOptions};
//! use fleetcert_ambient::SystemClock;
//! use std::sync::Arc;
//!
//! let url = "https://acme-staging-v02.api.letsencrypt.org/directory";
//! let ca = Client::new(url, &ClientOptions::default(), Arc::new(SystemClock))?;
//! let key = AccountKey::generate()?; // store it; then `ca.register(key, TermsOfService::Agreed)`
//! assert_eq!(ca.traffic().directory, 0); // nothing was sent yet
//! # drop(key);
//! # Ok::<(), fleetcert_acme::AcmeError>(())
//! ```

mod authority;
mod client;
mod driver;
mod error;
pub mod order;
mod paced;
mod problem;
mod rate_limit;

pub use authority::{
    Authority, AuthorizationStatus, Dns01, NewOrder, OrderHandle, OrderStatus, Reading, RenewalInfo,
    RevocationReason,
};
pub use client::{
    Account, AccountFile, AccountKey, Client, ClientOptions, Credentials, TermsOfService, Traffic,
};
pub use driver::{
    Driver, DriverOptions, Entry, Job, Journal, JournalError, MemoryJournal, NoObserver, Observer, Outcome,
    Step,
};
pub use error::{AcmeError, AcmeErrorKind, Fault, Operation};
pub use paced::PacedAuthority;
pub use problem::{Problem, ProblemKind};
pub use rate_limit::{NamePause, RateLimit};
