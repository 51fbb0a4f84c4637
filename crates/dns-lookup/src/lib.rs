//! Finding the authoritative servers of a zone and seeing what each of them answers.
//!
//! For who must know that a change is out before he tells a CA to look. [`AuthoritativeVisibility`] asks every
//! authoritative server over UDP and TCP and gives a verdict on each. The servers are given, or found through
//! resolvers ([`Servers`]). [`Finder`] says which zone a name is in, where a challenge goes through aliases and
//! delegations, and which CAs may issue; a [`FollowingBackend`] writes challenges there. [`diagnose`] checks a whole
//! zone before the first order. For single questions there is [`lookup`].
//!
//! A resolver is trusted for where the servers are, and never for what they say. It is asked over UDP and TCP, over TLS,
//! with the feature `https` over HTTPS, and the feature `system-resolvers` takes those of the system. No ACME here.
//!
//! ```
//! use fleetcert_dns_lookup::{AuthoritativeVisibility, LookOptions, Servers};
//! use fleetcert_dns::{Verdict, Visibility};
//! # use fleetcert_ambient::{SystemClock, SystemEntropy};
//! # use std::sync::Arc;
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
//! # runtime.block_on(async {
//! # // Nobody listens here.
//! # let server = std::net::UdpSocket::bind("127.0.0.1:0")?.local_addr()?;
//! let servers = Servers::given(vec![server])?;
//! let visibility = AuthoritativeVisibility::new(
//!     servers, LookOptions::default(), Arc::new(SystemClock), Arc::new(SystemEntropy));
//! let name = "_acme-challenge.xi8qz.fleet.test".parse()?;
//! let sighting = visibility.look(&"fleet.test".parse()?, &name, &"gfj9Xq…Rg85nM".parse()?).await?;
//! assert!(sighting.servers.iter().all(|server| server.verdict != Verdict::Seen));
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
pub use visibility::{AuthoritativeVisibility, Families, LookOptions, NotSeenError, Patience, Ways};
