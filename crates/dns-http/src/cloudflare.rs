//! Cloudflare.
//!
//! Use this module if your zone is at Cloudflare, on any plan. The API is described at
//! <https://developers.cloudflare.com/api/resources/dns/subresources/records/>, version 4.
//!
//! # Access
//! An API token, not the global API key: *My Profile, API Tokens, Create Token, Custom token*, with
//!
//! ```text
//! Permissions      Zone   DNS    Edit
//! Zone Resources   Include   Specific zone   fleet.example.com
//! ```
//!
//! Zones that are not in [`CloudflareOptions::zone_ids`] are looked up by name, for which the token needs
//! `Zone Zone Read` on the same zone. The overview page of a zone shows its id. A token cannot be limited to
//! `_acme-challenge` names, so delegate a zone of its own to the fleet.
//!
//! # What a call costs
//! The unit is the single record. All changes of one call go into one batch, which is made as a whole or not at
//! all. Texts are added without being read: the API refuses what is there already, and then it is read. To remove a
//! text its id is needed, so the names are read: one GET for each, or, for more than four challenge names, one list
//! of all challenge texts of the zone, a thousand on a page. The addresses of a name are read by one GET.
//!
//! # What to know
//! - **1,200 requests in five minutes** for each user, over all tokens
//!   (<https://developers.cloudflare.com/fundamentals/api/reference/limits/>). Above, every request is refused for
//!   the next five minutes: `429` with `Retry-After`, which is obeyed under the deadline of the call.
//! - A batch has 200 operations on the free plan and 3,500 on the others
//!   (<https://developers.cloudflare.com/dns/manage-dns-records/how-to/batch-record-changes/>): set
//!   [`CloudflareOptions::max_operations`]. Each text, each address that goes and each that comes is one; what does
//!   not fit is `InvalidInput`.
//! - The batch is one transaction in Cloudflare's database. Its servers get the records one by one, so a resolver
//!   can see a part of it for a moment.
//! - The shortest time to live is a minute, half a minute on the Enterprise plan.
//! - A zone has 200 to 3,500 records, by its plan; above it is [`Quota`](fleetcert_dns::BackendErrorKind::Quota).
//! - **Addresses have no condition.** Two processes that set the addresses of one name at the same time can leave
//!   the addresses of both; the next setting repairs it. A fleet's device has one control server, so that does not
//!   happen.
//! - Addresses are added without Cloudflare's proxy. A record that has the address already stays as it is, proxied or
//!   not.
//! - `403` with code 10000 can be a token that is wrong as well as one without the right; it is reported as `Refused`.
//!
//! ```
//! # use fleetcert_ambient::Ambient;
//! use fleetcert_dns_http::cloudflare::{CloudflareBackend, CloudflareOptions};
//! # use fleetcert_dns_http::{HttpClient, HttpOptions};
//!
//! # let http = HttpClient::new(HttpOptions::default(), Ambient::system())?;
//! let options = CloudflareOptions::new("the API token".into());
//! let backend = CloudflareBackend::new(options, &http);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod messages;
mod provider;

pub use provider::{CloudflareBackend, CloudflareOptions};
