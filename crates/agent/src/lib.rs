//! The device's side: identity, enrolment, address reports, certificate requests, atomic installation.
//!
//! Use this crate to build the software of a device. An [`Agent`] keeps an identity key and all that it must
//! remember in one private folder, talks to one control server, and brings each certificate into use by an
//! [`Installer`]: files that are switched by one rename ([`FileInstaller`]), a server in the same process
//! ([`ReloadInstaller`]), several ([`AllInstallers`]), or one of yours. Private keys are made here and never leave.
//!
//! The steps are methods, to be called one by one, or all by [`Agent::run`] for as long as the device is on. The
//! order of its steps is a pure function, [`plan::plan`]. Power may fail at any time: the next start continues.
//! Needs Unix (file modes, symbolic links).
//!
//! ```
//! use fleetcert_agent::{Agent, AgentError, AgentOptions, EnrolmentToken, FileInstaller};
//! use fleetcert_ambient::Ambient;
//! use std::path::Path;
//! use std::time::Duration;
//!
//! # async fn example(http: reqwest::Client, token: EnrolmentToken) -> Result<(), AgentError> {
//! let options = AgentOptions::new("https://control.example.com", http);
//! let state = Path::new("/var/lib/device");
//! let mut agent = Agent::open(state, options, Ambient::system())?;
//! agent.enrol(token).await?;
//! agent.make_request()?;
//! agent.submit().await?;
//! let chain = agent.poll(Duration::from_secs(600), |_| ()).await?;
//! let installer = FileInstaller::new("/etc/device/tls");
//! agent.install(agent.check(&chain)?, &installer).await?;
//! # Ok(())
//! # }
//! ```

mod addresses;
mod agent;
mod error;
mod exchange;
mod file_installer;
mod installer;
mod pair;
pub mod plan;
mod private_files;
mod run;
mod state_folder;
mod stored_request;

pub use addresses::AddressSource;
pub use agent::{Agent, AgentOptions};
pub use error::{AgentError, AgentErrorKind, AgentStep};
pub use file_installer::FileInstaller;
pub use installer::{AllInstallers, InstallError, Installer, ReloadInstaller};
pub use pair::CertificatePair;
pub use stored_request::StoredRequest;

// What an enrolment needs; see `EnrolmentToken::expose` for how a token is shown once.
pub use fleetcert_protocol::{
    DeviceClaims, EnrolRequest, Enrolled, EnrolmentAnswer, EnrolmentProof, EnrolmentToken,
};
