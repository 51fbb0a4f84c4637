//! Authoritative servers of a zone: finding them, and checking what each of them answers.
//!
//! For anyone who must know that a change has propagated before asking a CA to validate.
//!
//! - [`AuthoritativeVisibility`] asks every authoritative server over UDP and TCP and returns a verdict on each. You name
//!   the servers, or it finds them through resolvers ([`Servers`]).
//! - [`Finder`] finds the zone of a name, the target of a challenge behind aliases and delegations, and the CAs that may
//!   issue; a [`FollowingBackend`] writes challenges to that target.
//! - [`caa`] evaluates CAA records without I/O.
//! - [`diagnose`] checks a whole zone before the first order.
//! - [`lookup`] sends a single query.
//!
//! A resolver is trusted for the addresses of the servers, never for their answers. Queries go over UDP, TCP and TLS.
//!
//! | feature | adds |
//! | --- | --- |
//! | `https` | `Resolver::https`: resolvers over HTTPS (RFC 8484) |
//! | `system-resolvers` | `Resolvers::system`: the resolvers of the system's configuration |
//!
//! ```
//! use fleetcert_dns_lookup::{AuthoritativeVisibility, LookOptions, Servers};
//! use fleetcert_dns::{Verdict, Visibility};
//! # use fleetcert_ambient::Ambient;
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
//! # runtime.block_on(async {
//! # // Nobody listens here.
//! # let server = std::net::UdpSocket::bind("127.0.0.1:0")?.local_addr()?;
//! let servers = Servers::given(vec![server])?;
//! let options = LookOptions::default();
//! let visibility =
//!     AuthoritativeVisibility::new(servers, options, Ambient::system());
//! let zone = "fleet.test".parse()?;
//! let name = "_acme-challenge.xi8qz.fleet.test".parse()?;
//! let value = "gfj9Xq…Rg85nM".parse()?;
//! let sighting = visibility.look(&zone, &name, &value).await?;
//! for server in &sighting.servers {
//!     assert_ne!(server.verdict, Verdict::Seen);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]

mod answer;
mod asker;
pub mod caa;
pub mod diagnose;
mod error;
mod finder;
mod following_backend;
mod memory;
mod resolver;
mod servers;
mod visibility;

pub use answer::{Answer, AnswerData, AnswerRecord, QueryType, Rcode, Soa};
pub use asker::{Asker, Recursion, lookup};
pub use error::{LookupError, LookupErrorKind};
pub use finder::{CaaSet, ChallengeTarget, Finder, ZoneServer};
pub use fleetcert_dns_wire::{Tls, TlsSettingsError, Transport};
pub use following_backend::FollowingBackend;
pub use resolver::{Resolver, ResolverError, Resolvers};
pub use servers::{Servers, ServersError};
pub use visibility::{AuthoritativeVisibility, Families, LookOptions, NotVisibleError, WaitOptions, Ways};
