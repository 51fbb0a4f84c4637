//! Brings desired state to real state: grants, orders, zones, renewals.
//!
//! For whoever assembles a control server. An [`Engine`] takes what devices and operators want, writes it to a
//! [`Store`](fleetcert_store::Store), and workers make it real: the zone gets the addresses, the CA gets the
//! orders, the certificate gets renewed in the CA's window. A restart needs no special path: the workers go on
//! with what the store says.
//!
//! Orders wait in a queue: what is about to expire has the greatest share, names that fail the least, and the CA's
//! limits that all share are left in part to what is urgent. Where such a limit is used up, or the CA does not work, all
//! that depend on it wait together and cost nothing. Several processes may work on one store.
//!
//! Who may do what is decided by small traits with safe defaults ([`Enroller`], [`DeviceAuthenticator`],
//! [`Authorizer`], [`LabelPolicy`], [`AddressPolicy`]). What they decide becomes a [`Grant`], which nothing
//! else can make and without which nothing is done for a device. Every decision is an [`Event`].
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
//!     // For a try. A real zone takes a NameServer or an Rfc2136Backend,
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
mod engine;
mod enrolment;
mod error;
mod event;
mod grant;
mod known_ca;
mod options;
mod orders;
mod parts;
mod policy;
mod records;
mod renewals;
mod requests;
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
