//! The engine of a control server: grants, orders, zones, renewals.
//!
//! Use this crate if you assemble a control server. An [`Engine`] writes what devices and operators want to a
//! [`Store`](fleetcert_store::Store), and its workers bring it about: addresses get to the zone, orders to the CA, and
//! certificates are renewed in the CA's window. A restart needs no special path: the workers continue from the store.
//!
//! Orders wait in a queue with lanes: what expires soon has the greatest share, names that fail the least, and each lane
//! leaves a part of the CA's shared limits to more urgent ones. While such a limit is used up, or the CA does not work,
//! the orders that depend on it wait together and cost nothing. Several processes may work on one store.
//!
//! Small traits with safe defaults decide what a device may do ([`Enroller`], [`DeviceAuthenticator`], [`Authorizer`],
//! [`LabelPolicy`], [`AddressPolicy`]). Their decision becomes a [`Grant`], which nothing else can make and which every
//! action for a device requires. Every decision is an [`Event`].
//!
//! The engine knows no HTTP: `fleetcert-control` puts routers in front of it.
//!
//! ```
//! use fleetcert_acme::Account;
//! use fleetcert_ambient::Ambient;
//! use fleetcert_dns::MemoryBackend;
//! use fleetcert_engine::{Engine, EngineOptions, EngineParts};
//! use fleetcert_names::DomainName;
//! use fleetcert_store::MemoryStore;
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! fn engine(zone: DomainName, account: Account) -> Engine {
//!     // For a first test. A real zone takes a NameServer or an Rfc2136Backend,
//!     // and an AuthoritativeVisibility that looks at its name servers.
//!     let backend = Arc::new(MemoryBackend::new([&zone]));
//!     Engine::new(EngineParts::new(
//!         EngineOptions::new(zone),
//!         Arc::new(MemoryStore::new()), // SqliteStore, to survive a restart
//!         Arc::new(account),
//!         backend.clone(),
//!         backend,
//!         Ambient::system(),
//!     ))
//! }
//!
//! # async fn operate(
//! #     engine: Engine,
//! # ) -> Result<(), fleetcert_engine::EngineError> {
//! let day = Duration::from_secs(86_400);
//! let token = engine.issue_token(day).await?; // for the device
//! engine.run(Default::default()).await; // until its token is cancelled
//! # Ok(()) }
//! ```

mod addresses;
mod admission;
mod budgets;
mod certificates;
pub mod conformance;
mod context;
mod engine;
mod enrolment;
mod error;
mod event;
mod grant;
mod options;
mod orders;
mod parts;
mod policy;
mod records;
mod renewals;
mod requests;
#[cfg(test)]
mod service_tests;
mod sweeper;
mod tracing_events;

pub use admission::Caller;
pub use engine::Engine;
pub use error::{EngineError, EngineErrorKind};
pub use event::{Dependency, Event, Events, NoEvents, OrderStep};
pub use grant::{Action, Grant};
pub use options::EngineOptions;
pub use parts::EngineParts;
pub use policy::{
    AddressPolicy, AddressRefusal, Admission, Applicant, AskedLabels, AuthenticationError, Authorizer,
    ByProofKind, Denial, DeviceAuthenticator, DeviceKeys, Enroller, EnrolmentDecision, EnrolmentRefusal,
    Identified, LabelPolicy, LabelRefusal, OneTimeTokens, OwnName, PendingEnrolment, PrivateAddresses,
    RandomLabels, RequestOrigin, RequestParts, TlsClientIdentity,
};
pub use records::DeviceState;
pub use tracing_events::TracingEvents;
