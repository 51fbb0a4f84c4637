//! The conformance suite: checks every promise of [`DnsBackend`](crate::DnsBackend) on a real backend.
//!
//! If you write a backend, run it. It needs no test framework: [`check`] takes a factory of backends and returns a
//! [`Report`], which prints as a table; a [`Matrix`] puts several reports side by side. The suite keeps its records
//! below one label of the zone and removes them; still, use a separate zone.
//!
//! Checks of concurrent changes make their calls from one task, and then from several OS threads at the same time. So
//! a backend that reads, changes and writes without a lock fails, even if it never awaits in between. **Run the suite
//! in the tokio runtime that your backend uses**, of either kind: the threads enter that runtime, so that sockets,
//! timers and spawned tasks belong to it, and it must not be blocked meanwhile. Without a runtime, each thread has
//! its own, which is enough for a backend that needs none.
//!
//! A check that cannot run is reported as not run or unsupported, never as passed.
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
//! let subject = Subject::new(|| backend.clone(), zone, &SystemClock);
//! let report = check(&subject).await;
//! println!("{report}");
//! report.require_passed()?;
//! # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
//! ```

mod address_checks;
mod batch_checks;
mod matrix;
mod owner_checks;
mod page_checks;
mod report;
mod stress_checks;
mod subject;
mod threads;
mod trial;
mod txt_checks;

use trial::Trial;

pub use matrix::Matrix;
pub use report::{Check, NotConformant, Outcome, Report};
pub use subject::{Factory, Subject};

/// Runs every check, one after the other, and cleans up after each.
///
/// **Cancellation.** Dropping the call may leave records below the label; the next run removes them.
pub async fn check(subject: &Subject<'_>) -> Report {
    let mut trial = match Trial::new(subject) {
        Ok(trial) => trial,
        Err(fault) => return Report::of_nothing(fault),
    };
    let mut report = Report::default();
    macro_rules! run {
        ($($name:literal => $check:path;)*) => {$({
            let verdict = $check(&trial).await;
            let cleaned = trial.clean_up().await;
            report.add($name, trial.take_note(), verdict.and(cleaned));
        })*};
    }
    run! {
        "a value that was added is read" => txt_checks::add_then_read;
        "adding a value twice is adding it once" => txt_checks::add_twice;
        "removing a value keeps its siblings" => txt_checks::remove_one;
        "removing what is not there is no error" => txt_checks::remove_missing;
        "a value of more than 255 octets stays whole" => txt_checks::long_values;
        "a value with quotes and backslashes stays whole" => txt_checks::special_values;
        "values that differ by case are two" => txt_checks::case_of_values;
        "names that differ by case are one" => txt_checks::case_of_names;
        "two owners add a value each at one name at the same time" => owner_checks::two_owners;
        "two instances add a value each at one name at the same time" => owner_checks::two_instances;
        "an instance removes its value while another adds one" => owner_checks::come_and_go;
        "more values at one name than a page of a list" => page_checks::values;
        "more names in the zone than a page of a list" => page_checks::names;
        "A and AAAA are replaced in one call" => address_checks::replace;
        "no addresses is no record" => address_checks::none;
        "changes are made in their order" => batch_checks::in_order;
        "a name outside the zone is refused" => batch_checks::outside_name;
        "a zone that the backend does not have is refused" => batch_checks::unknown_zone;
        "a list that fails changes nothing" => batch_checks::failed_list;
        "more changes than are allowed are refused" => batch_checks::too_many;
        "concurrent changes at distinct names" => stress_checks::concurrent_changes;
        "a cancelled list is made or not made" => stress_checks::cancelled_lists;
        "a cancelled call can be repeated" => stress_checks::cancelled_calls;
    }
    let verdict = trial.require_clean().await;
    report.add("nothing is left behind", None, verdict);
    report
}

#[cfg(test)]
mod tests;
