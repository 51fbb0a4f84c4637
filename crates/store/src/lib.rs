//! Durable records with compare-and-set, leases and one trait: in memory and SQLite.
//!
//! For whoever keeps the state of a control server, and for whoever brings another database. A [`Store`] holds
//! [`Record`]s in [`Collection`]s and does not know what they mean. It gives four things:
//! * **All or nothing.** A [`Transaction`] of checks and writes is made as a whole or not at all.
//! * **Compare-and-set.** Each write says which [`Version`] it expects; a write that is based on old news is a
//!   conflict.
//! * **Leases.** [`Store::claim`] hands out what is due, once. The version of the claimed record is the fence:
//!   whoever comes back after his lease has passed on finds his version gone and his writes refused.
//! * **Pages and counts** that are bounded, so that a million records are no trouble.
//!
//! ```
//! use fleetcert_store::{Collection, Expect, MemoryStore, Store, Transaction};
//! # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
//! # runtime.block_on(async {
//! const LABELS: Collection = Collection::new("label");
//! let store = MemoryStore::new();
//! let take = Transaction::new().put(LABELS, "xi8qz", Expect::Absent, b"device 1".to_vec(), None);
//! store.commit(take.clone()).await?;
//! assert!(store.commit(take).await.unwrap_err().is_conflict(), "a label is given out once");
//! # Ok::<(), fleetcert_store::StoreError>(()) }).unwrap();
//! ```

pub mod conformance;
mod error;
mod intercepted;
mod memory;
mod record;
mod sqlite;
mod store;
mod transaction;

pub use error::{StoreError, StoreErrorKind};
pub use intercepted::{InterceptedStore, Interceptor, StoreCall};
pub use memory::MemoryStore;
pub use record::{Collection, Record, Version, from_millis, to_millis};
pub use sqlite::SqliteStore;
pub use store::Store;
pub use transaction::{Action, Expect, Transaction, Write};
