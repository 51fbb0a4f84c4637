//! The DNS backend for servers that take RFC 2136 updates signed with TSIG: BIND, Knot, PowerDNS and our own name
//! server.
//!
//! Use this crate if your zone is on such a server. [`Rfc2136Backend`] puts many changes into one UPDATE message,
//! signs it (RFC 8945), and accepts a reply only if its id, its zone and its signature match. It speaks TCP, UDP or
//! TLS ([`Server`]), keeps one connection to each server with many messages in flight, adapts their number to the
//! server, and fails over to the next server when one is down. Errors are typed: a [`Refusal`] says whether the key's
//! name, its secret, the clock, the zone or the server's policy is at fault. It corrects for a server whose clock
//! differs. With [`Prerequisite`]s a change is made only if the zone is as you read it
//! ([`Rfc2136Backend::apply_if`]).
//!
//! The backend changes a zone; it is not a [`Visibility`](fleetcert_dns::Visibility). Wait for propagation with
//! `AuthoritativeVisibility` of [`fleetcert-dns-lookup`](https://docs.rs/fleetcert-dns-lookup).
//!
//! ```
//! use fleetcert_ambient::Ambient;
//! use fleetcert_dns::{DnsBackendExt, Ttl};
//! use fleetcert_dns_rfc2136::{Rfc2136Backend, Rfc2136Options};
//! use fleetcert_dns_wire::TsigKey;
//!
//! # use fleetcert_nameserver::{NameServer, NameServerHost, Options, UpdateGrant, ZoneSettings};
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
//! # runtime.block_on(async {
//! let key = TsigKey::parse(
//!     r#"key "ddns" {
//!         algorithm hmac-sha256;
//!         secret "c2VjcmV0IG9mIHRoZSBkb2NzIQ==";
//!     };"#,
//! )?;
//! # let host = NameServerHost { name: "ns1.fleet.test".parse()?, addresses: ["127.0.0.1".parse()?].into() };
//! # let types = [fleetcert_dns::RecordType::Txt].into();
//! # let grants = vec![UpdateGrant { key: key.clone(), subtree: "fleet.test".parse()?, types }];
//! # let zones = [ZoneSettings::new("fleet.test".parse()?, [host])];
//! # let options = Options { grants, ..Options::default() };
//! # let server = NameServer::new(zones, options, Ambient::system())?;
//! # let listener = server.listen("127.0.0.1:0".parse()?).await?;
//! # let server = listener.local_addr();
//! # tokio::spawn(listener.serve(tokio_util::sync::CancellationToken::new()));
//! // let server = "192.0.2.53:53".parse()?;
//! let options = Rfc2136Options::new(server, key);
//! let backend = Rfc2136Backend::new(options, Ambient::system());
//! let zone = "fleet.test".parse()?;
//! let name = "_acme-challenge.xi8qz.fleet.test".parse()?;
//! let value = "gfj9Xq".parse()?;
//! backend.add_txt(&zone, &name, &value, Ttl::CHALLENGE).await?;
//! assert_eq!(backend.texts(&zone, &name).await?, [value].into());
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
