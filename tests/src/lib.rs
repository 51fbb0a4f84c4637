//! The ground on which tests that cross crates stand: real peers as values that own their processes.
//!
//! Who needs it: a test that runs the whole journey against [Pebble](https://github.com/letsencrypt/pebble), BIND,
//! Knot, PowerDNS, OpenSSL, Java, curl, lego or PostgreSQL, or that runs the built `quickstart` program. Every object
//! takes free loopback ports, keeps its files in a temporary folder, waits for its start with a deadline, and ends
//! its process when it is dropped.
//! Each peer stands behind a feature of its name; `tests/run` installs the peers and switches the features on.
//! The calls block and need no async runtime; they may be made from inside one.
//!
//! ```
//! use fleetcert_tests::{Deadline, Process};
//! use std::time::Duration;
//!
//! let echo = Process::start("echo", "/bin/echo", |command| command.arg("ready"))?;
//! let finished = echo.finish(Deadline::after(Duration::from_secs(5)))?;
//! assert_eq!(finished.stdout, ["ready"]);
//! # Ok::<(), fleetcert_tests::Fault>(())
//! ```

mod deadline;
mod directory;
mod fault;
mod https;
mod lines;
mod ports;
mod process;
mod setting;

#[cfg(all(feature = "bind", feature = "knot", feature = "powerdns"))]
pub mod backends_page;
#[cfg(feature = "bind")]
pub mod bind;
#[cfg(feature = "dns")]
pub mod conformance;
#[cfg(feature = "curl")]
pub mod curl;
#[cfg(feature = "pebble")]
pub mod journeys;
#[cfg(feature = "keytool")]
pub mod keytool;
#[cfg(feature = "knot")]
pub mod knot;
#[cfg(feature = "lego")]
pub mod lego;
#[cfg(any(feature = "nginx", feature = "haproxy", feature = "dovecot", feature = "postfix"))]
mod listeners;
#[cfg(feature = "dns")]
pub mod name_server;
#[cfg(feature = "openssl")]
pub mod openssl;
#[cfg(feature = "pebble")]
pub mod pebble;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "powerdns")]
pub mod powerdns;
pub mod quickstart;
mod readmes;
#[cfg(any(feature = "nginx", feature = "haproxy", feature = "dovecot", feature = "postfix"))]
pub mod server_programs;

pub use deadline::{Deadline, Stopwatch};
pub use directory::Directory;
pub use fault::Fault;
pub use ports::{free_address, with_free_ports, with_port_as_before};
pub use process::{Finished, Process};
