//! The results of a run.

use std::fmt;

use super::trial::Fault;

/// The outcome of every check, in the order in which they ran.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    checks: Vec<Check>,
}

/// One check and its outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Name: a sentence that holds if the check passed.
    pub name: &'static str,
    /// Outcome.
    pub outcome: Outcome,
    /// Difference from a usual run, such as a lower load.
    pub note: Option<String>,
}

/// The outcome of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The backend keeps the promise.
    Passed,
    /// The backend breaks the promise; the sentence says how.
    Failed(String),
    /// The backend says that it cannot do this.
    Unsupported(String),
    /// The check could not run; the sentence says why.
    NotRun(String),
}

impl Outcome {
    /// Returns the outcome in a word.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed(_) => "FAILED",
            Self::Unsupported(_) => "unsupported",
            Self::NotRun(_) => "not run",
        }
    }
}

impl Check {
    /// Returns the remark beside the word.
    pub(super) fn remark(&self) -> Option<&str> {
        match &self.outcome {
            Outcome::Passed => self.note.as_deref(),
            Outcome::Failed(why) | Outcome::Unsupported(why) | Outcome::NotRun(why) => Some(why),
        }
    }
}

impl From<Fault> for Outcome {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Failed(why) => Self::Failed(why),
            Fault::Unsupported(why) => Self::Unsupported(why),
            Fault::NotRun(why) => Self::NotRun(why),
        }
    }
}

impl Report {
    pub(super) fn add(&mut self, name: &'static str, note: Option<String>, verdict: Result<(), Fault>) {
        let outcome = verdict.map_or_else(Outcome::from, |()| Outcome::Passed);
        self.checks.push(Check { name, outcome, note });
    }

    pub(super) fn of_nothing(fault: Fault) -> Self {
        let mut report = Self::default();
        report.add("the whole suite", None, Err(fault));
        report
    }

    /// Returns all checks.
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }

    /// Returns the checks that failed.
    pub fn failed(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| matches!(check.outcome, Outcome::Failed(_)))
    }

    /// Checks that every check passed, apart from those for missing capabilities.
    ///
    /// # Errors
    /// The whole report, if a check failed or did not run.
    pub fn require_passed(&self) -> Result<(), NotConformant> {
        let fine = |check: &Check| matches!(check.outcome, Outcome::Passed | Outcome::Unsupported(_));
        if self.checks.iter().all(fine) { Ok(()) } else { Err(NotConformant { report: self.clone() }) }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.checks.iter().map(|check| check.name.len()).max().unwrap_or_default();
        for check in &self.checks {
            write!(f, "{:width$}  {}", check.name, check.outcome.word())?;
            match check.remark() {
                Some(remark) => writeln!(f, ": {remark}")?,
                None => writeln!(f)?,
            }
        }
        Ok(())
    }
}

/// The error for a backend that breaks a promise of [`DnsBackend`](crate::DnsBackend).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the backend does not pass the conformance suite:\n{report}")]
pub struct NotConformant {
    report: Report,
}
