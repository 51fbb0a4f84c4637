//! The diagnosis, as a table.

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

#[cfg(test)]
mod tests {
    use super::super::Check;
    use super::*;

    #[test]
    fn a_table() {
        let seen = ["192.0.2.1:53 udp", "[2001:db8::1]:53 tcp", "192.0.2.9:53 tcp"];
        let seen = seen.into_iter().zip([
            (Status::Ok, "answers"),
            (Status::NotRun, "is not reachable: no way leads there from here"),
            (Status::Problem, "does not answer in time"),
        ]);
        let seen = seen.map(|(server, (status, said))| Seen::new(server, status, said)).collect();
        let diagnosis = Diagnosis {
            zone: "fleet.test".parse().unwrap(),
            findings: vec![
                Finding::new(Check::NegativeTtl, Status::Ok, "resolvers remember for 30 seconds"),
                Finding::new(Check::Reachability, Status::Problem, "1 of 3 ways")
                    .with_seen(seen)
                    .remedy("open it"),
                Finding::new(Check::Serial, Status::Problem, "stale"),
                Finding::not_run(Check::Update, "no backend was given"),
            ],
        };
        let expected = "\
fleet.test: 2 problems, 1 ok, 1 not run

ok       negative TTL   resolvers remember for 30 seconds
problem  reachability   1 of 3 ways
                          192.0.2.1:53 udp      answers
                        ? [2001:db8::1]:53 tcp  is not reachable: no way leads there from here
                        ! 192.0.2.9:53 tcp      does not answer in time
                        → open it
problem  serial         stale
not run  update         no backend was given
";
        assert_eq!(diagnosis.to_string(), expected);
        assert_eq!(diagnosis.status(), Status::Problem);
    }
}
