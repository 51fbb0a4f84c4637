//! The DNS backend for servers that take RFC 2136 updates signed with TSIG: BIND, Knot, PowerDNS and our own name
//! server.
//!
//! For who has the fleet zone on such a server. [`Rfc2136Backend`] puts many changes into one UPDATE message,
//! signs it (RFC 8945), and believes a reply only when its id, its zone and its signature fit. It speaks TCP, UDP or
//! TLS ([`Server`]), keeps one connection to each server with many messages under way, finds out how many of them the
//! server bears, and goes to the next of several servers when one is down. Refusals are typed: a [`Refusal`] says
//! whether it was the key's name, its secret, the clock, the zone or the server's policy. A server whose clock is apart
//! from ours is understood at the second try. With [`Prerequisite`]s a change is made only if the zone is as the
//! caller read it ([`Rfc2136Backend::apply_if`]).
//!
//! ```
//! use std::sync::Arc;
//! use fleetcert_ambient::{SystemClock, SystemEntropy};
//! use fleetcert_dns::{BackendErrorKind, DnsBackend, RecordType};
//! use fleetcert_dns_rfc2136::{Rfc2136Backend, Rfc2136Options};
//! use fleetcert_dns_wire::TsigKey;
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
//! # runtime.block_on(async {
//! # // Nobody listens here.
//! # let server = std::net::UdpSocket::bind("127.0.0.1:0")?.local_addr()?;
//! let key = TsigKey::parse(r#"key "ddns" { algorithm hmac-sha256; secret "c2VjcmV0IG9mIHRoZSBkb2NzIQ=="; };"#)?;
//! let call_within = std::time::Duration::from_millis(100);
//! let options = Rfc2136Options { call_within, ..Rfc2136Options::new(server, key) };
//! let backend = Rfc2136Backend::new(options, Arc::new(SystemClock), Arc::new(SystemEntropy));
//! let error = backend.read(&"fleet.test".parse()?, &"a.fleet.test".parse()?, RecordType::A).await.unwrap_err();
//! assert_eq!(error.kind(), BackendErrorKind::Unavailable);
//! # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
//! ```

mod backend;
mod changes;
mod course;
mod options;
mod pace;
mod prerequisite;
mod primary;
mod record_set;
mod refusal;
mod servers;
mod skew;
mod update;
mod window;

pub use backend::Rfc2136Backend;
pub use options::{ReadFirst, Rfc2136Options};
pub use prerequisite::Prerequisite;
pub use refusal::Refusal;
pub use servers::{Server, Servers, ServersError};
