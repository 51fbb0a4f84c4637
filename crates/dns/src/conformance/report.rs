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
    /// How it was made differently from what is usual, such as with a lower load.
    pub note: Option<String>,
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

impl Outcome {
    /// The outcome in a word.
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
    /// What there is to say beside the word.
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

/// The backend does not do what [`DnsBackend`](crate::DnsBackend) promises.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the backend does not pass the conformance suite:\n{report}")]
pub struct NotConformant {
    report: Report,
}
