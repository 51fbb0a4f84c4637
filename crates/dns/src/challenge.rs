//! The life cycle of a challenge record: published, visible on every server, and always withdrawn.
//!
//! Use it to answer `dns-01` challenges (RFC 8555 section 8.4). [`Challenges::publish`] returns a guard,
//! [`Published`]. Wait with it until every authoritative server shows the values, answer the CA, then call
//! [`Published::withdraw`]. A guard that is dropped instead, by an early return, a panic or a cancelled task, leaves
//! its records as orphans, which [`Challenges::sweep`] withdraws: call it periodically. After a crash, the records of
//! the old process are in its journal: the next process [`adopt`](Challenges::adopt)s or withdraws them. Any number
//! of processes may work on one zone, since each value is added and removed separately.
//!
//! [`Challenges::records_out`] counts the records in each zone; above [`warn_above`](ChallengeOptions::warn_above) a
//! warning is logged, because a zone with very many records slows its servers down.
//!
//! ```
//! use std::sync::Arc;
//! use fleetcert_ambient::Ambient;
//! use fleetcert_dns::MemoryBackend;
//! use fleetcert_dns::challenge::{ChallengeOptions, ChallengeRecord, Challenges};
//! use std::time::Duration;
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
//! # runtime.block_on(async {
//! let zone = "fleet.test".parse()?;
//! let backend = Arc::new(MemoryBackend::new([&zone]));
//! let ambient = Ambient::system();
//! let record = ChallengeRecord {
//!     name: "_acme-challenge.xi8qz.fleet.test".parse()?,
//!     value: "gfj9Xq…Rg85nM".parse()?,
//!     owner: "order 7".parse()?,
//!     expires: ambient.now() + Duration::from_secs(3600),
//!     zone,
//! };
//! let options = ChallengeOptions::default();
//! let challenges =
//!     Challenges::new(backend.clone(), backend.clone(), ambient, options);
//!
//! let published = challenges.publish(vec![record]).await?;
//! published.wait_until_visible().await?;
//! // Now ask the CA to validate.
//! published.withdraw().await?;
//! assert_eq!(backend.record_sets(), 0);
//! # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
//! ```

mod alarm;
mod by_zone;
mod challenges;
mod context;
mod error;
mod ledger;
mod options;
mod published;
mod record;
mod retry_delay;
mod withdrawal;

pub use alarm::Alarm;
pub use challenges::Challenges;
pub use error::{ChallengeError, ChallengeErrorKind, Unfinished};
pub use ledger::RecordsOut;
pub use options::ChallengeOptions;
pub use published::Published;
pub use record::{ChallengeRecord, Owner, OwnerError};

#[cfg(test)]
mod tests;
