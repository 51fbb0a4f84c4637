//! acme-dns (<https://github.com/acme-dns/acme-dns>), a small name server for dns-01 values and nothing else.
//!
//! A name `_acme-challenge.NAME` is delegated to it once by a CNAME to a name that acme-dns gave out; the zone of `NAME`
//! is never written again. The facts of this page are from its source (2026).
//!
//! # Access
//! Each name has an account of its own, with a user and a key that may change the TXT values of this one name and
//! nothing else: the least right that any API of this crate knows. [`register`] makes one. Keep it like a private key;
//! acme-dns shows it once. An account can be limited to networks (`allowfrom`).
//!
//! # What a call costs
//! One request for each value that is added.
//!
//! # What it cannot
//! - **A name has two values.** A third takes the place of the oldest. For a name and its wildcard two are enough; two
//!   orders for one name at the same time may overwrite each other.
//! - **It removes nothing**, and it cannot be read by its API. A `RemoveTxt` is `InvalidInput`; the values stay until
//!   others take their place.
//! - No addresses, and no texts other than dns-01 values.
//! - It takes only names whose accounts it was given. Any other is `NotInZone`.
//! - A list of changes is not atomic. The time to live is acme-dns' own: 1 second.
//!
//! A value that this backend wrote and that still is one of the two is not sent again: that would push out the other.
//! After a restart it does not know what it wrote.
//!
//! ```
//! # use fleetcert_ambient::Ambient;
//! use fleetcert_dns_http::acme_dns::{AcmeDnsAccount, AcmeDnsBackend};
//! # use fleetcert_dns_http::{HttpClient, HttpOptions};
//!
//! # let http = HttpClient::new(HttpOptions::default(), Ambient::system())?;
//! let account = AcmeDnsAccount {
//!     full_domain: "8e5700ea-a4bf-41c7-8a77-e990661dcc6a.auth.example.org".parse()?,
//!     subdomain: "8e5700ea-a4bf-41c7-8a77-e990661dcc6a".to_owned(),
//!     username: "c36f50e8-4632-44f0-83fe-e070fef28a10".to_owned(),
//!     password: "the key".into(),
//! };
//! let names = [("_acme-challenge.www.example.com".parse()?, account)];
//! let url = "https://auth.example.org".parse()?;
//! let backend = AcmeDnsBackend::new(url, names, &http);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod account;
mod backend;

pub use account::{AcmeDnsAccount, register};
pub use backend::AcmeDnsBackend;
