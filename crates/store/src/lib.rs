//! Durable records with compare-and-set and leases: one trait, in memory and in SQLite.
//!
//! Use it to keep the state of a control server. To use another database, implement [`Store`]. A store holds
//! [`Record`]s in [`Collection`]s and does not know what they mean. It provides:
//! * **Transactions.** A [`Transaction`] of checks and writes takes effect as a whole or not at all.
//! * **Compare-and-set.** Each write names the [`Version`] that it expects; a write based on an outdated read is a
//!   conflict.
//! * **Leases.** [`Store::claim`] returns each due record to one caller. The version of the claimed record is the
//!   fence: a worker that returns after losing its lease finds the version changed; all its writes fail.
//! * **Bounded pages and counts,** so that a collection of a million records is no problem.
//!
//! ```
//! use fleetcert_store::{Collection, Expect, MemoryStore, Store, Transaction};
//! # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
//! # runtime.block_on(async {
//! const LABELS: Collection = Collection::new("label");
//! let store = MemoryStore::new();
//! let take = Transaction::new()
//!     .put(LABELS, "xi8qz", Expect::Absent, b"device 1".to_vec(), None);
//! store.commit(take.clone()).await?;
//! let second = store.commit(take).await;
//! assert!(second.unwrap_err().is_conflict(), "the label is taken");
//! # Ok::<(), fleetcert_store::StoreError>(()) }).unwrap();
//! ```

pub mod conformance;
mod error;
mod memory;
mod record;
mod sqlite;
mod store;
mod transaction;

pub use error::{StoreError, StoreErrorKind};
pub use memory::MemoryStore;
pub use record::{Collection, Record, Version, from_millis, to_millis};
pub use sqlite::SqliteStore;
pub use store::Store;
pub use transaction::{Action, Expect, Transaction, Write};
