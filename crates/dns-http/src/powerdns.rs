//! PowerDNS, by the HTTP API of its authoritative server.
//!
//! Use this module if you run PowerDNS 4.7 or later with `api=yes` and a backend that the API can write (SQLite, MySQL, PostgreSQL,
//! LMDB). The API is described at <https://doc.powerdns.com/authoritative/http-api/>.
//!
//! # Access
//! The `api-key` of the server. There is one for everything: it may change every zone and the server's settings, and
//! PowerDNS knows no lesser one. So let the webserver listen on the loopback or behind a proxy with TLS, and limit
//! `webserver-allow-from`. Where a key of lesser rights is needed, RFC 2136 with TSIG has one for each zone.
//!
//! # What a call costs
//! The unit is the record set. All changes of one call go into one PATCH, which the server makes as a whole or not at
//! all. Texts that are added or removed must be read before, and are written as whole sets with what else was there:
//! one GET for each name, or from sixteen challenge names on one search of the server's records.
//! From 4.9.12 and 5.0.2 on, the server has the change types `EXTEND` and `PRUNE` for single records; then nothing is
//! read, and several processes can change one name. This backend asks the server for its version once, and uses them
//! when it has them.
//!
//! The server closes the connection after each request. Calls for one zone wait for each other, since a record set
//! that is read must not change before it is written.
//!
//! # What to know
//! - **Before 4.9.12 and 5.0.2, only one process may change a name.** The API has no condition on a write: of two
//!   processes that add a value to one name at the same time, one can lose its value. Clones of one backend in one
//!   process are safe; two backends are not. Challenge names that belong to one control server each are safe.
//! - **`default-api-rectify`**, which is on unless switched off, makes every PATCH cost time in proportion to the
//!   zone: 1.3 changes a second were seen in a zone of 100,000 names, and 538 without it.
//!   [`advice`](DnsBackend::advice) says whether it is on for the zone. Without it, a name that has no records itself
//!   and only names below it is answered with NXDOMAIN (seen with 4.7.3).
//! - **`soa_edit_api`**: when the zone has none, its serial stands still and secondaries see no change. `advice` says
//!   so, too.
//! - A name with a CNAME takes nothing else: that is `InvalidInput`.
//! - An address is written without being read: one PATCH for A and AAAA.
//! - Disabled records of a set that is written are kept as they are.
//!
//! ```
//! # use fleetcert_ambient::Ambient;
//! use fleetcert_dns_http::powerdns::{PowerDnsBackend, PowerDnsOptions};
//! # use fleetcert_dns_http::{HttpClient, HttpOptions};
//!
//! # let http = HttpClient::new(HttpOptions::default(), Ambient::system())?;
//! let url = "http://127.0.0.1:8081".parse()?;
//! let options = PowerDnsOptions::new(url, "the api-key".into());
//! let backend = PowerDnsBackend::new(options, &http);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod advice;
mod api;
mod provider;
mod reads;
mod version;

pub use provider::{PowerDnsBackend, PowerDnsOptions};

#[cfg(doc)]
use fleetcert_dns::DnsBackend;
