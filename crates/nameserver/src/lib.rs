//! An authoritative name server for the fleet zone that is itself a DNS backend.
//!
//! Use it if your control server should not depend on another name server: delegate the fleet zone to it and pass it
//! to the engine as its [`DnsBackend`](fleetcert_dns::DnsBackend). Every change is answered at once. It speaks UDP
//! and TCP, accepts RFC 2136 updates signed with a key that has a grant, and bounds everything that strangers can
//! use. Records are in memory only: after a restart, the engine restores the zones from its store. It has no journal
//! on disk, no zone transfers, no DNSSEC and no response rate limiting.
//!
//! The name server does not implement [`Visibility`](fleetcert_dns::Visibility). For that, pass its address to
//! `AuthoritativeVisibility` of [`fleetcert-dns-lookup`](https://docs.rs/fleetcert-dns-lookup), which also verifies
//! the delegation.
//!
//! ```
//! use fleetcert_ambient::Ambient;
//! use fleetcert_dns::{Change, DnsBackend, Ttl};
//! use fleetcert_nameserver::{NameServer, NameServerHost, Options, ZoneSettings};
//! use tokio_util::sync::CancellationToken;
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
//! # runtime.block_on(async {
//! let host = NameServerHost {
//!     name: "ns1.fleet.test".parse()?,
//!     addresses: ["127.0.0.1".parse()?].into(),
//! };
//! let zone = ZoneSettings::new("fleet.test".parse()?, [host]);
//! let server = NameServer::new([zone], Options::default(), Ambient::system())?;
//! let listener = server.listen("127.0.0.1:0".parse()?).await?;
//! let stop = CancellationToken::new();
//! let serving = tokio::spawn(listener.serve(stop.clone()));
//! let name = "_acme-challenge.xi8qz.fleet.test".parse()?;
//! let value = "gfj9Xq".parse()?;
//! let add = Change::AddTxt { name, value, ttl: Ttl::CHALLENGE };
//! server.apply(&"fleet.test".parse()?, &[add]).await?;
//! stop.cancel();
//! serving.await?;
//! # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
//! ```

mod answer;
mod backend;
mod listener;
mod options;
mod replay;
mod server;
mod settings;
mod zone;

pub use listener::Listener;
pub use options::{Options, TcpLimits, UpdateGrant};
pub use server::NameServer;
pub use settings::{Caa, NameServerHost, SettingsError, ZoneSettings};
