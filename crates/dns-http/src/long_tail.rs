//! The long tail: some seventy providers by the crate [`dns_update`], TXT only.
//!
//! Use this module if your zone is at a provider for which this crate has no module of its own, and you need challenge
//! values there. Where there is such a module, take it: what follows is why.
//!
//! # Access
//! As the provider has it. Make the provider's value with a constructor of [`dns_update::DnsUpdater`], which is
//! re-exported here in the version that fits, and give the names of the zones that it may change.
//!
//! # What a call costs
//! Each change of a list is made by itself, and most providers of `dns-update` look for the zone, list its records
//! and then write, every time. A call has one deadline, [`LongTailOptions::call_within`]; it ends whatever
//! `dns-update` does.
//!
//! # What it cannot do
//! - **No addresses.** `dns-update` replaces a set by deleting it and adding the new one, and several of its
//!   providers know only TXT.
//! - **A list is not atomic**, and a failure leaves the changes before it made. Calls are idempotent: repeat them.
//! - **Two processes can lose each other's values** where the provider's API writes whole sets: `dns-update` reads,
//!   merges and writes without a condition. Within one process the changes of a name wait for each other.
//! - **Only dns-01 values**, 43 characters of base64url. Quotes and escapes differ from provider to provider.
//! - **Errors are coarse.** Most errors of `dns-update` are texts: a quota, a conflict, a missing right and a
//!   server that is down look the same. No text is parsed here, so all of these are
//!   [`Unavailable`](BackendErrorKind::Unavailable), which means that repeating the call is safe. Errors
//!   with a variant of their own keep their meaning: a refused token (`Unauthenticated`), a zone or record that is
//!   not found (`NotInZone`), a request that the provider does not support (`InvalidInput`).
//! - **`Retry-After` is lost.** Some providers sleep inside a call, up to a minute at a time, and a failure does
//!   not carry the time.
//! - **The texts can hold secrets**, because some providers have the token in the URL. So they are not shown unless
//!   [`LongTailOptions::show_texts`] says so.
//! - **No HTTP client, no clock and, for most providers, no base URL can be given.** It makes a client of its own
//!   for each provider value, follows the machine's proxy settings, and bounds no answer. The client of this crate
//!   has no part in it.
//! - The time to live of a set that is read is not told by `dns-update`; it reads as
//!   [`min_ttl`](LongTailOptions::min_ttl).
//!
//! ```
//! # use fleetcert_ambient::Ambient;
//! use fleetcert_dns_http::long_tail::dns_update::DnsUpdater;
//! use fleetcert_dns_http::long_tail::{LongTailBackend, LongTailOptions};
//!
//! let provider = DnsUpdater::new_gandiv5("the API key", None);
//! let provider = provider.map_err(|error| error.to_string())?;
//! let options = LongTailOptions::new(["fleet.example.com".parse()?]);
//! let backend = LongTailBackend::new(provider, options, Ambient::system());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod backend;
mod fault;

pub use backend::{LongTailBackend, LongTailOptions};
pub use fault::LongTailFault;

pub use dns_update;

#[cfg(doc)]
use fleetcert_dns::BackendErrorKind;
