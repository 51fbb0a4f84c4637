//! What a run of the suite found.

use std::fmt;

use super::trial::Fault;

/// The outcome of every check, in the order in which they ran.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    checks: Vec<Check>,
}

/// One check and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What was checked, as a sentence that holds when it passed.
    pub name: &'static str,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The backend does it.
    Passed,
    /// The backend does not; the sentence says what it did instead.
    Failed(String),
    /// The backend says that it cannot do this.
    Unsupported(String),
    /// The check could not be made; the sentence says why.
    NotRun(String),
}

impl Report {
    pub(super) fn add(&mut self, name: &'static str, verdict: Result<(), Fault>) {
        let outcome = verdict.map_or_else(Outcome::from, |()| Outcome::Passed);
        self.checks.push(Check { name, outcome });
    }

    pub(super) fn of_nothing(outcome: Outcome) -> Self {
        Self { checks: vec![Check { name: "the whole suite", outcome }] }
    }

    /// All checks.
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }

    /// The checks that failed.
    pub fn failed(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| matches!(check.outcome, Outcome::Failed(_)))
    }

    /// That every check passed, apart from those for what the backend says that it cannot do.
    ///
    /// # Errors
    /// The whole report, when a check failed or was not run.
    pub fn require_passed(&self) -> Result<(), NotConformant> {
        let fine = |check: &Check| matches!(check.outcome, Outcome::Passed | Outcome::Unsupported(_));
        if self.checks.iter().all(fine) { Ok(()) } else { Err(NotConformant { report: self.clone() }) }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.checks.iter().map(|check| check.name.len()).max().unwrap_or_default();
        for Check { name, outcome } in &self.checks {
            match outcome {
                Outcome::Passed => writeln!(f, "{name:width$}  passed")?,
                Outcome::Failed(why) => writeln!(f, "{name:width$}  FAILED: {why}")?,
                Outcome::Unsupported(why) => writeln!(f, "{name:width$}  unsupported: {why}")?,
                Outcome::NotRun(why) => writeln!(f, "{name:width$}  not run: {why}")?,
            }
        }
        Ok(())
    }
}

/// The backend does not do what [`DnsBackend`](crate::DnsBackend) promises.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the backend does not pass the conformance suite:\n{report}")]
pub struct NotConformant {
    report: Report,
}
