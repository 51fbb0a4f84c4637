//! The device's side: identity, enrolment, address reports, certificate requests, atomic installation.
//!
//! For whoever builds the software of a device: an [`Agent`] keeps an identity key and all that it must remember
//! in one private folder, talks to one control server, and brings each certificate to where it is used by an
//! [`Installer`]: files that change at once ([`FileInstaller`]), a server in the same process
//! ([`ReloadInstaller`]), several ([`All`]), or one of yours. Private keys are made here and never leave.
//!
//! The steps are methods, to be taken one by one, or all by [`Agent::run`] for as long as the device is on. What
//! `run` does when is a pure function, [`plan::plan`]. Power may fail at any moment: the next start goes on.
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
pub use error::{AgentError, AgentErrorKind, Step};
pub use file_installer::FileInstaller;
pub use installer::{All, InstallError, Installer, ReloadInstaller};
pub use pair::Pair;
pub use stored_request::StoredRequest;

pub use fleetcert_protocol::{
    DeviceClaims, EnrolRequest, Enrolled, EnrolmentAnswer, EnrolmentProof, EnrolmentToken,
};
