//! Publicly trusted certificates for devices that the Internet cannot reach.
//!
//! A device sits behind a NAT at `10.1.1.4`. It wants a certificate for
//! `xi8qz.fleet.example.com` that every browser trusts. It cannot answer an
//! HTTP challenge, and it must not hold the keys of the DNS zone or of the CA
//! account. A **control server** stands between: it alone talks to the CA
//! (ACME, DNS-01) and to the zone. The device makes its own key and sends a
//! certificate request.
//!
//! This crate gathers the crates of fleetcert under one name, one feature each,
//! and adds a [`ControlServer`] with safe defaults.
//!
//! # A control server
//!
//! The zone is on a server that takes RFC 2136 updates, the CA is Let's
//! Encrypt's staging environment, the records are in SQLite, devices come by
//! HTTPS. This is the whole program:
//!
#![cfg_attr(feature = "control-server", doc = "```no_run")]
#![cfg_attr(not(feature = "control-server"), doc = "```ignore")]
//! use fleetcert::acme::TermsOfService;
//! use fleetcert::{ControlServer, until_signal};
//! use std::time::Duration;
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let zone = "fleet.example.com".parse()?;
//!     let server = ControlServer::builder(zone)
//!         .rfc2136("192.0.2.53:53".parse()?, "/etc/fleetcert/tsig.key")
//!         .letsencrypt_staging(TermsOfService::Agreed)
//!         .state_dir("/var/lib/fleetcert")
//!         .listen("0.0.0.0:8443".parse()?)
//!         .public_url("https://control.example.com:8443")
//!         .open()
//!         .await?;
//!     let day = Duration::from_secs(86_400);
//!     let token = server.issue_token(day).await?;
//!     println!("one device can enrol with {}", token.expose());
//!     server.run(until_signal()).await;
//!     Ok(())
//! }
//! ```
//!
//! The state folder gets the account key (on the disk before the CA hears of
//! it, mode 0600), the database, and a self-signed certificate for the device
//! API. Devices trust its `control.pem`; with a certificate of your own, call
//! [`tls`](ControlServerBuilder::tls).
//!
//! # A device
//!
//! Its identity and TLS keys are made on the device and never leave it. `run`
//! reports addresses when they change, requests a certificate, installs it with
//! one rename, and renews it inside the CA's window.
//!
#![cfg_attr(feature = "agent", doc = "```no_run")]
#![cfg_attr(not(feature = "agent"), doc = "```ignore")]
//! use fleetcert::agent::{Agent, AgentOptions, EnrolmentToken, FileInstaller};
//! use fleetcert::ambient::Ambient;
//! use fleetcert::https::ClientBuilder;
//! use fleetcert::until_signal;
//! use std::{net::IpAddr, path::Path};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let http = ClientBuilder::new("my-device/1.0")
//!         .only_roots_pem(&std::fs::read("/etc/device/control.pem")?)?
//!         .build()?;
//!     let server = "https://control.example.com:8443";
//!     let options = AgentOptions::new(server, http);
//!     let state = Path::new("/var/lib/device");
//!     let mut agent = Agent::open(state, options, Ambient::system())?;
//!     if agent.enrolled().is_none() {
//!         let token = std::env::args().nth(1).ok_or("give the token")?;
//!         agent.enrol(token.parse::<EnrolmentToken>()?).await?;
//!     }
//!     let addresses: Vec<IpAddr> = vec!["10.1.1.4".parse()?];
//!     let files = FileInstaller::new("/etc/device/tls");
//!     agent.run(&addresses, &files, until_signal()).await?;
//!     Ok(())
//! }
//! ```
//!
//! # Features
//!
//! Each crate of fleetcert is a feature and a module of the same name, with `_`
//! for `-`. [`names`] and [`ambient`] are always there.
//!
//! | feature | gives |
//! | --- | --- |
//! | `control-server` (default) | [`ControlServer`] and all that it is made of |
//! | `agent` (default) | the device's side |
//! | `acme`, `engine`, `control`, `schedule`, `store` | the parts of a control server |
//! | `planner` | the rollout plan of a fleet |
//! | `dns`, `dns-wire`, `dns-lookup`, `dns-rfc2136`, `nameserver` | DNS |
//! | `dns-http` | DNS providers with an HTTP API: `cloudflare`, `route53`, `google`, `azure`, `desec`, `hetzner`, `digitalocean`, `powerdns`, `acme-dns`, `long-tail` |
//! | `x509`, `jose`, `protocol`, `https` | keys, requests, signatures, TLS |
//! | `acme-server`, `testkit` | an ACME server, and a CA for tests |
//!
//! If you need one part only, depend on its crate: `fleetcert-dns-lookup` is
//! the same as `fleetcert` with `default-features = false` and that feature.
//! `fleetcert-store-postgres`, for several control servers on one state, is a
//! crate to add beside this one, because it needs a newer Rust.
//!
//! # Guides
//!
//! [`guides`] holds the manual: how a fleet stays inside the CA's rate limits,
//! which DNS backend does what, what a certificate request must look like, how
//! to check a zone before the first order.

#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod guides;

#[cfg(feature = "control-server")]
mod authority;
#[cfg(feature = "control-server")]
mod builder;
#[cfg(feature = "control-server")]
mod control_server;
#[cfg(feature = "control-server")]
mod error;
#[cfg(feature = "control-server")]
mod fleet_zone;
#[cfg(feature = "control-server")]
mod own_certificate;
#[cfg(any(feature = "agent", feature = "control-server"))]
mod signal;
#[cfg(feature = "control-server")]
mod state_dir;

#[cfg(feature = "control-server")]
pub use builder::ControlServerBuilder;
#[cfg(feature = "control-server")]
pub use control_server::ControlServer;
#[cfg(feature = "control-server")]
pub use error::{SetupError, SetupErrorKind};
#[cfg(any(feature = "agent", feature = "control-server"))]
pub use signal::until_signal;

#[cfg(feature = "acme")]
pub use fleetcert_acme as acme;
#[cfg(feature = "acme-server")]
pub use fleetcert_acme_server as acme_server;
#[cfg(feature = "agent")]
pub use fleetcert_agent as agent;
pub use fleetcert_ambient as ambient;
#[cfg(feature = "control")]
pub use fleetcert_control as control;
#[cfg(feature = "dns")]
pub use fleetcert_dns as dns;
#[cfg(feature = "dns-http")]
pub use fleetcert_dns_http as dns_http;
#[cfg(feature = "dns-lookup")]
pub use fleetcert_dns_lookup as dns_lookup;
#[cfg(feature = "dns-rfc2136")]
pub use fleetcert_dns_rfc2136 as dns_rfc2136;
#[cfg(feature = "dns-wire")]
pub use fleetcert_dns_wire as dns_wire;
#[cfg(feature = "engine")]
pub use fleetcert_engine as engine;
#[cfg(feature = "https")]
pub use fleetcert_https as https;
#[cfg(feature = "jose")]
pub use fleetcert_jose as jose;
pub use fleetcert_names as names;
#[cfg(feature = "nameserver")]
pub use fleetcert_nameserver as nameserver;
#[cfg(feature = "planner")]
pub use fleetcert_planner as planner;
#[cfg(feature = "protocol")]
pub use fleetcert_protocol as protocol;
#[cfg(feature = "schedule")]
pub use fleetcert_schedule as schedule;
#[cfg(feature = "store")]
pub use fleetcert_store as store;
#[cfg(feature = "testkit")]
pub use fleetcert_testkit as testkit;
#[cfg(feature = "x509")]
pub use fleetcert_x509 as x509;
