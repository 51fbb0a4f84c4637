//! The contract of a DNS backend, and the life cycle of a DNS-01 challenge record.
//!
//! If you **write a backend**, implement [`DnsBackend`] and run the [`conformance`] suite on it. If you **use one**,
//! apply lists of [`Change`]s to a zone (see [`DnsBackendExt`]), or pass it to [`challenge::Challenges`], which
//! publishes TXT values, waits until every authoritative server shows them, and always withdraws them. [`ZoneWriter`]
//! merges the changes of many callers into few calls. No sockets, no ACME, no vendor.
//!
//! A backend changes a zone; a [`Visibility`] says what the zone's servers show. In production, use
//! `AuthoritativeVisibility` of the crate
//! [`fleetcert-dns-lookup`](https://docs.rs/fleetcert-dns-lookup), which asks every authoritative server.
//!
//! ```
//! use fleetcert_dns::{DnsBackendExt, MemoryBackend, Ttl};
//! # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
//! # runtime.block_on(async {
//! let zone = "fleet.test".parse()?;
//! let backend = MemoryBackend::new([&zone]);
//! let name = "_acme-challenge.xi8qz.fleet.test".parse()?;
//! let value = "gfj9Xq…Rg85nM".parse()?;
//! backend.add_txt(&zone, &name, &value, Ttl::CHALLENGE).await?;
//! assert_eq!(backend.texts(&zone, &name).await?, [value].into());
//! # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
//! ```

mod backend;
mod backend_ext;
mod capabilities;
pub mod challenge;
mod change;
pub mod conformance;
mod error;
mod memory;
mod record;
#[cfg(test)]
mod scripted;
mod side_by_side;
mod visibility;
mod zone_writer;

pub use backend::{Advice, DnsBackend};
pub use backend_ext::{DnsBackendExt, PartOutcome};
pub use capabilities::Capabilities;
pub use change::Change;
pub use error::{BackendError, BackendErrorKind, Operation};
pub use memory::MemoryBackend;
pub use record::{Addresses, RecordData, RecordSet, RecordType, Ttl, TxtValue, ValueError};
pub use visibility::{Quorum, ServerVerdict, Sighting, Verdict, Visibility};
pub use zone_writer::{ZoneWriter, ZoneWriterDriver, ZoneWriterOptions};
