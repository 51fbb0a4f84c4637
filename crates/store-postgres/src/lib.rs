//! The durable records of fleetcert in PostgreSQL, for several nodes.
//!
//! For whoever runs more than one control server on the same state. [`PostgresStore`] keeps what
//! [`fleetcert_store::Store`] promises, towards every node that is connected to the same database:
//! * **A transaction is one exchange.** The checks and writes are made by one call of a function in the database, so
//!   that no lock waits for the network. It locks the records that it names, in one order, and those alone:
//!   transactions that name no record in common do not wait for each other.
//! * **A commit is on the disk** of the server before it returns (`synchronous_commit` is switched on for each session;
//!   whether `fsync` is on is the operator's affair).
//! * **A claim passes over** what another claim or transaction holds at this moment, and waits for nobody.
//!
//! Writers of one hot record wait for each other's commits, and all but one of them then find it changed: let one task
//! of a node write such a record, or make many changes of it in one transaction.
//!
//! It was tested with PostgreSQL 15; what it uses is in every version from 12 on. Connect to the server itself, not by
//! way of a pooler that gives each transaction another session: prepared statements and session settings are used.
//!
//! ```no_run
//! use fleetcert_store::{Collection, Expect, Store, Transaction};
//! use fleetcert_store_postgres::{PostgresOptions, PostgresStore};
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let options = PostgresOptions::from_url("postgres://fleet:secret@db.example.com/fleet")?;
//! let store = PostgresStore::connect(options).await?;
//! const LABELS: Collection = Collection::new("label");
//! store.commit(Transaction::new().put(LABELS, "xi8qz", Expect::Absent, b"device 1".to_vec(), None)).await?;
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
