//! Brings desired state to real state: grants, orders, zones, renewals.
//!
//! For whoever assembles a control server. An [`Engine`] takes what devices and operators want, writes it to a
//! [`Store`](fleetcert_store::Store), and workers make it real: the zone gets the addresses, the CA gets the
//! orders, the certificate gets renewed in the CA's window. A restart needs no special path: the workers go on
//! with what the store says.
//!
//! Who may do what is decided by small traits with safe defaults ([`Enroller`], [`DeviceAuthenticator`],
//! [`Authorizer`], [`LabelPolicy`], [`AddressPolicy`]). What they decide becomes a [`Grant`], which nothing
//! else can make and without which nothing is done for a device. Every decision is an [`Event`].
//!
//! The engine knows no HTTP: `fleetcert-control` puts routers in front of it.
//!
//! ```no_run
//! # use fleetcert_engine::{Engine, EngineParts};
//! # fn parts() -> EngineParts { unimplemented!() }
//! # async fn run(shutdown: tokio_util::sync::CancellationToken) -> Result<(), Box<dyn std::error::Error>> {
//! let engine = Engine::new(parts());
//! let token = engine.issue_token(std::time::Duration::from_secs(86_400)).await?;
//! engine.run(shutdown).await; // until shut down
//! # Ok(()) }
//! ```

mod addresses;
mod admission;
mod certificates;
mod engine;
mod enrolment;
mod error;
mod event;
mod grant;
mod options;
mod orders;
mod policy;
mod records;
mod renewals;
mod sweeper;

pub use admission::{Caller, RequestView};
pub use engine::{Engine, EngineParts};
pub use error::{EngineError, EngineErrorKind};
pub use event::{Event, Events, NoEvents, OrderStep};
pub use grant::{Action, Grant};
pub use options::EngineOptions;
pub use policy::{
    AddressPolicy, AddressRefusal, AskedLabels, AuthenticationError, Authorizer, Denial, DeviceAuthenticator,
    DeviceKeys, Enroller, EnrolmentDecision, Identified, LabelPolicy, LabelRefusal, OneTimeTokens, OwnName,
    PrivateAddresses, RandomLabels,
};
pub use records::DeviceState;
