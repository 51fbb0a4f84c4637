//! deSEC (<https://desec.io>), a free provider that signs every zone.
//!
//! The API is described at <https://desec.readthedocs.io/>; the facts of this page are from there (2026).
//!
//! # Access
//! A token of the account, sent as `Authorization: Token …`. Give it a policy that lets it write TXT, A and AAAA of the
//! one domain and nothing else (*token policies* in deSEC's documentation), and no right to manage tokens. Tokens can be
//! limited to networks, too.
//!
//! # What a call costs
//! The unit is the record set. All changes of one call go into one PATCH of many sets, which deSEC makes as a whole or
//! not at all. The sets are read before: up to three by a request each, more of them by a list of all sets of their
//! type, 500 a page.
//!
//! # What to know
//! - **Few writes**: 2 a second, 15 a minute, 100 an hour and **300 a day for a domain**, however much each of them
//!   writes; and 50 reads a minute. An order that publishes and withdraws by itself costs two. So a fleet at deSEC lives
//!   from large batches, and one whose devices move often does not fit. After a 429 no request is sent until deSEC wants
//!   one, and calls whose time would be over before get `Quota` with the time to wait.
//! - **The shortest time to live is 3,600 seconds**, unless deSEC has set another for the domain; it is read from the
//!   domain, and shorter ones are raised to it. A resolver keeps an old challenge value for as long; let the CA's
//!   resolver ask the authoritative servers, as Let's Encrypt's does.
//! - **Only one process may change a name.** The API has no condition on a write: of two processes that add a value to
//!   one name at the same time, one can lose its value. Clones of one backend in one process are safe.
//! - The secondaries have a change after some seconds to a minute.
//!
//! ```
//! # use fleetcert_ambient::Ambient;
//! use fleetcert_dns_http::desec::{DesecBackend, DesecOptions};
//! # use fleetcert_dns_http::{HttpClient, HttpOptions};
//!
//! # let http = HttpClient::new(HttpOptions::default(), Ambient::system())?;
//! let backend = DesecBackend::new(DesecOptions::new("the token".into()), &http);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod links;
mod provider;

pub use provider::{DesecBackend, DesecOptions};
