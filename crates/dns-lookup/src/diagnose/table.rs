//! The diagnosis as a table.

use std::fmt;

use super::{Diagnosis, Finding, Seen, Status};

const STATUS_WIDTH: usize = 9;
const CHECK_WIDTH: usize = 15;

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.zone)?;
        let mut gap = " ";
        for status in [Status::Problem, Status::Warning, Status::Ok, Status::NotRun] {
            let count = self.findings.iter().filter(|finding| finding.status == status).count();
            if count > 0 {
                let plural =
                    if count > 1 && matches!(status, Status::Problem | Status::Warning) { "s" } else { "" };
                write!(f, "{gap}{count} {}{plural}", status.as_str())?;
                gap = ", ";
            }
        }
        writeln!(f, "\n")?;
        self.findings.iter().try_for_each(|finding| write!(f, "{finding}"))
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (status, check) = (self.status.as_str(), self.check.as_str());
        writeln!(f, "{status:STATUS_WIDTH$}{check:CHECK_WIDTH$}{}", self.summary)?;
        let width = self.seen.iter().map(|seen| seen.server.len()).max().unwrap_or_default();
        for Seen { server, status, said } in &self.seen {
            let mark = match status {
                Status::Ok => "",
                Status::NotRun => "? ",
                Status::Warning | Status::Problem => "! ",
            };
            writeln!(f, "{mark:>indent$}{server:width$}  {said}", indent = STATUS_WIDTH + CHECK_WIDTH + 2)?;
        }
        match &self.remedy {
            Some(remedy) => writeln!(f, "{:indent$}→ {remedy}", "", indent = STATUS_WIDTH + CHECK_WIDTH),
            None => Ok(()),
        }
    }
}
