//! A certificate authority in the test process that validates dns-01 for real.
//!
//! Use it to test or demonstrate an ACME client without an external CA: a [`TestCa`] speaks RFC 8555 and
//! RFC 9773 over HTTPS, asks a DNS server for the TXT and CAA records as a public CA does, and signs what it
//! issues with an intermediate under a root. A test reads its [`Ledger`], sets renewal windows, and scripts
//! [`Faults`]. With [rate limits](TestCaOptions::rate_limits) it refuses as Boulder does; the [`limiter`] can be
//! used without a CA too. It is made for tests: its keys live in memory and nothing protects them.
//!
//! ```
//! use fleetcert_ambient::{SystemClock, SystemEntropy};
//! use fleetcert_testkit::{TestCa, TestCaOptions};
//! use std::sync::Arc;
//! use tokio_util::sync::CancellationToken;
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
//! # runtime.block_on(async {
//! let options = TestCaOptions::new("127.0.0.1:5353".parse()?); // the DNS server that it asks
//! let (ca, service) = TestCa::start(options, Arc::new(SystemClock), Arc::new(SystemEntropy)).await?;
//! let stop = CancellationToken::new();
//! let serving = tokio::spawn(service.serve(stop.clone()));
//! println!("{} trusts {}", ca.directory_url(), ca.listener_root_pem());
//! # stop.cancel();
//! # serving.await?;
//! # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
//! ```

mod authority;
mod error;
mod faults;
pub mod fleet;
mod issuer;
mod ledger;
pub mod limiter;
mod limiting;
mod management;
mod options;
mod renewal;
mod test_ca;
mod validation;

pub use error::{TestCaError, TestCaErrorKind};
pub use faults::Faults;
pub use ledger::{CertificateEntry, Ledger, OrderEntry, ValidationEntry};
pub use options::{Profile, TestCaOptions};
pub use test_ca::{TestCa, TestCaService};
