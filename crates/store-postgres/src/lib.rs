//! The durable records of fleetcert in PostgreSQL, for several nodes.
//!
//! Use it to run more than one control server on the same state. [`PostgresStore`] keeps the promises of
//! [`fleetcert_store::Store`] across every node that is connected to the same database:
//! * **A transaction is one exchange.** One call of a function in the database makes all checks and writes, so that no
//!   lock waits for the network. It locks only the records of the transaction, in a fixed order: transactions without
//!   a record in common do not wait for each other.
//! * **A commit is on the server's disk** before the call returns (`synchronous_commit` is switched on for each
//!   session; the operator is responsible for `fsync`).
//! * **A claim skips** records that another claim or transaction has locked, and never waits.
//!
//! Writers of one hot record wait for each other's commits, and all but one of them then conflict. Let one task of
//! each node write such a record, or combine many changes in one transaction.
//!
//! Tested with PostgreSQL 15; it uses only features of version 12 and later. Connect to the server itself and not
//! through a pooler in transaction mode: the store uses prepared statements and session settings.
//!
//! ```no_run
//! use fleetcert_store::{Collection, Expect, Store, Transaction};
//! use fleetcert_store_postgres::{PostgresOptions, PostgresStore};
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let url = "postgres://fleet:secret@db.example.com/fleet";
//! let options = PostgresOptions::from_url(url)?;
//! let store = PostgresStore::connect(options).await?;
//! const LABELS: Collection = Collection::new("label");
//! let take = Transaction::new()
//!     .put(LABELS, "xi8qz", Expect::Absent, b"device 1".to_vec(), None);
//! store.commit(take).await?;
//! # Ok::<(), fleetcert_store::StoreError>(()) }).unwrap();
//! ```

mod error;
mod options;
mod pool;
mod schema;
mod statements;
mod store;

pub use options::PostgresOptions;
pub use store::PostgresStore;
