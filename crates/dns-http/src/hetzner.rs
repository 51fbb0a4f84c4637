//! Hetzner DNS, by the Hetzner Cloud API.
//!
//! The zones are those of a project in the Hetzner Console, at `https://api.hetzner.cloud/v1`
//! (<https://docs.hetzner.cloud/reference/cloud#dns>). The older API at `dns.hetzner.com` is being shut off and is not
//! supported: move the zones into a project first. The facts of this page are from Hetzner's reference and from the
//! source of their client `hcloud-go` (2026).
//!
//! # Access
//! An API token of the project with the permission *Read & Write*, sent as a bearer token. Hetzner has no token for
//! DNS or for one zone alone: the token may change everything in its project. So give the fleet zone a project of its
//! own.
//!
//! # What a call costs
//! The unit of a request is some values of one record set. Each set that is changed is read, then gets one request for
//! the values that come and one for those that go; and the action that each of them starts is asked for until it is
//! done. There is no request for several sets: a list of changes is **not atomic**.
//!
//! # What to know
//! - Values come and go one by one (`add_records`, `remove_records`), so that several processes can change one name. After a
//!   conflict, the set is read again.
//! - Addresses are written as a set of A and a set of AAAA, one after the other.
//! - 3,600 requests an hour for a project. A set that is changed takes three or four.
//! - The shortest time to live is 60 seconds. A set that is there keeps its time to live when it gets a text more.
//! - A zone in secondary mode cannot be changed: `Refused`.
//!
//! ```
//! # use fleetcert_ambient::Ambient;
//! use fleetcert_dns_http::hetzner::{HetznerBackend, HetznerOptions};
//! # use fleetcert_dns_http::{HttpClient, HttpOptions};
//!
//! # let http = HttpClient::new(HttpOptions::default(), Ambient::system())?;
//! let options = HetznerOptions::new("the token".into());
//! let backend = HetznerBackend::new(options, &http);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod actions;
mod messages;
mod provider;

pub use provider::{HetznerBackend, HetznerOptions};
