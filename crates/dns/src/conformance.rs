//! The conformance suite: what [`DnsBackend`] promises, tried on a real backend.
//!
//! For who writes a backend, in this workspace or elsewhere. It needs no test framework: [`check`] returns a
//! [`Report`], which prints as a table. Everything happens below one label of the zone and is cleaned up again;
//! give the suite a zone to play in all the same.
//!
//! A check that cannot be run is reported as not run or unsupported, never as passed.
//!
//! ```
//! use fleetcert_ambient::SystemClock;
//! use fleetcert_dns::MemoryBackend;
//! use fleetcert_dns::conformance::{Subject, check};
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
//! # runtime.block_on(async {
//! let zone = "fleet.test".parse()?;
//! let backend = MemoryBackend::new([&zone]);
//! let report = check(&Subject::new(&backend, zone, &SystemClock)).await;
//! println!("{report}");
//! report.require_passed()?;
//! # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
//! ```

mod address_checks;
mod batch_checks;
mod report;
mod stress_checks;
mod trial;
mod txt_checks;

use std::time::Duration;

use fleetcert_ambient::Clock;
use fleetcert_names::{DomainName, Label};

use crate::DnsBackend;
use trial::Trial;

pub use report::{Check, NotConformant, Outcome, Report};

/// What is checked, and where.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    /// The backend.
    pub backend: &'a dyn DnsBackend,
    /// A zone that it can change.
    pub zone: DomainName,
    /// A clock that runs: the suite waits with it, so a [`ManualClock`](fleetcert_ambient::ManualClock) must be
    /// moved on meanwhile.
    pub clock: &'a dyn Clock,
    /// Everything happens below this label of the zone. Two suites at the same time need two labels.
    pub below: Label,
    /// How long one call of the backend may take; longer is a failure.
    pub call_within: Duration,
}

impl<'a> Subject<'a> {
    /// A subject that is checked below the label `fleetcert-conformance`, with 30 seconds for each call.
    pub fn new(backend: &'a dyn DnsBackend, zone: DomainName, clock: &'a dyn Clock) -> Self {
        let below = "fleetcert-conformance".parse().expect("letters and a hyphen are a label");
        Self { backend, zone, clock, below, call_within: Duration::from_secs(30) }
    }
}

/// Runs every check, one after the other, and cleans up after each.
///
/// **Cancellation.** Dropping the call may leave records below the label; the next run removes them.
pub async fn check(subject: &Subject<'_>) -> Report {
    let mut trial = match Trial::new(subject) {
        Ok(trial) => trial,
        Err(fault) => return Report::of_nothing(fault.into()),
    };
    let mut report = Report::default();
    macro_rules! run {
        ($($name:literal => $check:path;)*) => {$({
            let verdict = $check(&trial).await;
            let cleaned = trial.clean_up().await;
            report.add($name, verdict.and(cleaned));
        })*};
    }
    run! {
        "a value that was added is read" => txt_checks::add_then_read;
        "adding a value twice is adding it once" => txt_checks::add_twice;
        "two owners add a value each at one name at the same time" => txt_checks::two_owners;
        "removing a value keeps its siblings" => txt_checks::remove_one;
        "removing what is not there is no error" => txt_checks::remove_missing;
        "a value of more than 255 octets stays whole" => txt_checks::long_values;
        "values that differ by case are two" => txt_checks::case_of_values;
        "names that differ by case are one" => txt_checks::case_of_names;
        "A and AAAA are replaced in one call" => address_checks::replace;
        "no addresses is no record" => address_checks::none;
        "changes are made in their order" => batch_checks::in_order;
        "a name outside the zone is refused" => batch_checks::outside_name;
        "a zone that the backend does not have is refused" => batch_checks::unknown_zone;
        "a list that fails changes nothing" => batch_checks::failed_list;
        "more changes than are allowed are refused" => batch_checks::too_many;
        "100 concurrent changes at distinct names" => stress_checks::concurrent_changes;
        "a cancelled call is made or not made" => stress_checks::cancelled_calls;
    }
    report.add("nothing is left behind", trial.require_clean().await);
    report
}

#[cfg(test)]
mod tests;
