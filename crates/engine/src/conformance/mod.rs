//! Conformance suites for policies: what every [`Enroller`](crate::Enroller) and every
//! [`DeviceAuthenticator`](crate::DeviceAuthenticator) must do, as calls that you make from a test of your own.
//!
//! Both run against a real [`Engine`](crate::Engine) over a store in memory, with requests on several OS threads
//! where that matters; there the threads wait for each other, so that their requests overlap in every run. They block, and run their own tokio runtimes on threads of their own: call them from a
//! plain `#[test]`.

pub mod authenticator;
mod engine_without_ca;
pub mod enroller;
mod meeting;
mod store_watch;

use std::fmt;
use std::future::Future;

pub use engine_without_ca::parts_without_ca;

/// A promise that the policy under test does not keep.
#[derive(Debug)]
pub struct BrokenPromise {
    check: &'static str,
    finding: String,
}

impl BrokenPromise {
    /// Returns the name of the check that failed.
    pub fn check(&self) -> &'static str {
        self.check
    }
}

impl fmt::Display for BrokenPromise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.check, self.finding)
    }
}

impl std::error::Error for BrokenPromise {}

type Outcome = Result<(), Box<dyn std::error::Error + Send + Sync>>;

fn require(holds: bool, finding: impl Into<String>) -> Outcome {
    if holds { Ok(()) } else { Err(finding.into().into()) }
}

/// Runs one check to its end, on a thread and a runtime of its own.
fn run(check: &'static str, work: impl Future<Output = Outcome> + Send) -> Result<(), BrokenPromise> {
    let outcome = std::thread::scope(|scope| scope.spawn(|| block_on(work)).join());
    let outcome = outcome.unwrap_or_else(|_| Err("it panicked".into()));
    outcome.map_err(|error| BrokenPromise { check, finding: error.to_string() })
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a machine that runs tests can run a runtime").block_on(work)
}
