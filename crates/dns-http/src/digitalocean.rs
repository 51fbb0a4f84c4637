//! DigitalOcean DNS.
//!
//! The API is described at <https://docs.digitalocean.com/reference/api/>; the facts of this page are from there and
//! from the OpenAPI document that DigitalOcean publishes (2026).
//!
//! # Access
//! A personal access token, sent as a bearer token, with the custom scopes `domain:read`, `domain:create`,
//! `domain:update` and `domain:delete` and no other. DigitalOcean has no token for one domain alone: it may change every
//! domain of the account or team.
//!
//! # What a call costs
//! The unit is the single record, which has a number. Each name that is changed is read with all its records by one
//! list, 200 a page; then each record that comes or goes takes a request of its own. There is no request for several:
//! a list of changes is **not atomic**.
//!
//! # What to know
//! - Records come before others go, so that a name whose addresses are replaced is never without any.
//! - A request that adds a record is not sent twice unless DigitalOcean has certainly not done it: it would make a
//!   second copy. When the answer is lost, the call is `Unavailable`; repeating it reads first. A removal takes all
//!   copies of a value.
//! - 5,000 requests an hour and 250 a minute for a token.
//! - The shortest time to live is 30 seconds.
//! - Texts: dns-01 values only (43 letters of base64url). What DigitalOcean makes of quotes, backslashes and texts
//!   of more than 255 octets is not documented.
//!
//! ```
//! # use fleetcert_ambient::Ambient;
//! use fleetcert_dns_http::digitalocean::{
//!     DigitalOceanBackend, DigitalOceanOptions,
//! };
//! # use fleetcert_dns_http::{HttpClient, HttpOptions};
//!
//! # let http = HttpClient::new(HttpOptions::default(), Ambient::system())?;
//! let options = DigitalOceanOptions::new("the token".into());
//! let backend = DigitalOceanBackend::new(options, &http);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod messages;
mod provider;

pub use provider::{DigitalOceanBackend, DigitalOceanOptions};
