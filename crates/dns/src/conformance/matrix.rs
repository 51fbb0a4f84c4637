//! Several reports side by side.

use std::fmt;

use super::{Outcome, Report};

/// The reports of several backends as one Markdown table: a row for each check, a column for each backend, and
/// footnotes with the reason why a check did not pass, or how it differed.
///
/// ```
/// # use fleetcert_ambient::SystemClock;
/// # use fleetcert_dns::MemoryBackend;
/// use fleetcert_dns::conformance::{Matrix, Subject, check};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
/// # runtime.block_on(async {
/// # let zone: fleetcert_names::DomainName = "fleet.test".parse().unwrap();
/// # let backend = MemoryBackend::new([&zone]);
/// let mut matrix = Matrix::default();
/// let subject = Subject::new(|| backend.clone(), zone, &SystemClock);
/// matrix.add("in memory", check(&subject).await);
/// let table = matrix.to_string();
/// let first = "\n| a value that was added is read | yes |\n";
/// assert!(table.contains(first), "{table}");
/// # });
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matrix {
    columns: Vec<(String, Report)>,
}

impl Matrix {
    /// Adds a column.
    pub fn add(&mut self, backend: impl Into<String>, report: Report) {
        self.columns.push((backend.into(), report));
    }

    /// Returns the reports, each with the name of its backend.
    pub fn columns(&self) -> impl Iterator<Item = (&str, &Report)> {
        self.columns.iter().map(|(backend, report)| (backend.as_str(), report))
    }

    /// Returns every check once, in the order of the reports.
    fn rows(&self) -> Vec<&'static str> {
        let mut rows = Vec::new();
        for check in self.columns.iter().flat_map(|(_, report)| report.checks()) {
            if !rows.contains(&check.name) {
                rows.push(check.name);
            }
        }
        rows
    }
}

impl fmt::Display for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "| |")?;
        self.columns().try_for_each(|(backend, _)| write!(f, " {} |", cell(backend)))?;
        writeln!(f, "\n|---|{}", "---|".repeat(self.columns.len()))?;
        let mut remarks = Remarks::default();
        for row in self.rows() {
            write!(f, "| {} |", cell(row))?;
            for (_, report) in &self.columns {
                let Some(check) = report.checks().iter().find(|check| check.name == row) else {
                    write!(f, " not run |")?;
                    continue;
                };
                let word = match &check.outcome {
                    Outcome::Passed => "yes",
                    outcome => outcome.word(),
                };
                write!(f, " {word}")?;
                if let Some(remark) = check.remark() {
                    write!(f, " ({})", remarks.number(remark))?;
                }
                write!(f, " |")?;
            }
            writeln!(f)?;
        }
        write!(f, "{remarks}")
    }
}

/// Numbered remarks without duplicates.
#[derive(Debug, Default)]
struct Remarks(Vec<String>);

impl Remarks {
    fn number(&mut self, remark: &str) -> usize {
        let found = self.0.iter().position(|known| known == remark);
        found.unwrap_or_else(|| {
            self.0.push(remark.to_owned());
            self.0.len() - 1
        }) + 1
    }
}

impl fmt::Display for Remarks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, remark) in self.0.iter().enumerate() {
            let gap = if index == 0 { "\n" } else { "" };
            writeln!(f, "{gap}{}. {}", index + 1, on_one_line(remark))?;
        }
        Ok(())
    }
}

/// Escapes a text of a service for a table cell: one line without bars.
fn cell(text: &str) -> String {
    on_one_line(text).replace('|', "\\|")
}

fn on_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::super::trial::Fault;
    use super::*;

    #[test]
    fn backends_are_columns_and_reasons_are_footnotes() {
        let mut first = Report::default();
        first.add("it works", None, Ok(()));
        first.add("many at once", Some("with 20 calls at once, not 1000".into()), Ok(()));
        let mut second = Report::default();
        second.add("it works", None, Err(Fault::Failed("it\n| does not".into())));
        second.add("addresses", None, Err(Fault::Unsupported("none".into())));
        let mut third = Report::default();
        third.add("addresses", None, Err(Fault::Unsupported("none".into())));
        third.add("it works", None, Err(Fault::NotRun("no time".into())));
        let mut matrix = Matrix::default();
        assert_eq!(matrix.to_string(), "| |\n|---|\n");
        matrix.add("a|b", first);
        matrix.add("two", second);
        matrix.add("three", third);
        assert_eq!(
            matrix.to_string(),
            "| | a\\|b | two | three |\n\
             |---|---|---|---|\n\
             | it works | yes | FAILED (1) | not run (2) |\n\
             | many at once | yes (3) | not run | not run |\n\
             | addresses | not run | unsupported (4) | unsupported (4) |\n\
             \n\
             1. it | does not\n2. no time\n3. with 20 calls at once, not 1000\n4. none\n"
        );
        assert_eq!(matrix.columns().map(|(name, _)| name).collect::<Vec<_>>(), ["a|b", "two", "three"]);
    }
}
