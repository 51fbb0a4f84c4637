//! Checks of changes through the backend.

mod large_answers;
mod round_trip;
mod update;

use std::net::SocketAddr;

use fleetcert_ambient::timeout;
use fleetcert_dns::challenge::{ChallengeError, ChallengeRecord};
use fleetcert_dns::{DnsBackend, TxtValue};
use fleetcert_names::DomainName;

use super::{Changer, Check, Diagnose, Finding, Status};
use crate::{Families, Transport};
use update::remedy;

impl Diagnose {
    /// Runs the checks through the backend. Each is harmless: the first removes a value that does not exist, the others add
    /// values at a name of their own and remove them.
    pub(super) async fn changes(
        &self,
        working: &[(SocketAddr, Transport)],
        families: Families,
    ) -> Vec<Finding> {
        let not_run = |why: &str| {
            let checks = [Check::Update, Check::RoundTrip, Check::LargeAnswers, Check::Advice];
            checks.map(|check| Finding::not_run(check, why)).to_vec()
        };
        let Some(changer) = &self.changer else { return not_run("no backend was given") };
        let name = self.options.probe.clone().or_else(|| self.random_name("_acme-challenge."));
        let Some(name) = name else { return not_run("the zone's name leaves no room below it") };
        if self.options.probe.is_none() && !changer.backend.capabilities().any_name {
            return not_run("the backend takes registered names only: give one of them as the probe's name");
        }
        let update = self.update(changer, &name).await;
        let (round_trip, large) = match update.status {
            Status::Ok if working.is_empty() => {
                let why = "no server answers for the zone, so nobody can be asked for a value";
                (Finding::not_run(Check::RoundTrip, why), Finding::not_run(Check::LargeAnswers, why))
            }
            Status::Ok => {
                let round_trip = self.round_trip(changer, &name, families).await;
                (round_trip, self.large_answers(changer, &name, working, families).await)
            }
            _ => {
                let why = if update.status == Status::NotRun {
                    &update.summary
                } else {
                    "the backend takes no change"
                };
                (Finding::not_run(Check::RoundTrip, why), Finding::not_run(Check::LargeAnswers, why))
            }
        };
        let mut findings = vec![update, round_trip, large];
        findings.extend(self.advice(changer).await);
        findings
    }

    async fn advice(&self, changer: &Changer) -> Vec<Finding> {
        let advice =
            timeout(&*self.ambient.clock, self.options.change_within, changer.backend.advice(&self.zone))
                .await;
        match advice {
            Err(_) => vec![Finding::not_run(Check::Advice, "the backend does not answer in time")],
            Ok(Err(error)) => vec![Finding::not_run(Check::Advice, error.to_string())],
            Ok(Ok(advice)) if advice.is_empty() => {
                vec![Finding::new(
                    Check::Advice,
                    Status::Ok,
                    "the backend has nothing to say against the zone",
                )]
            }
            Ok(Ok(advice)) => advice
                .into_iter()
                .map(|one| Finding::new(Check::Advice, Status::Warning, one.finding).remedy(one.remedy))
                .collect(),
        }
    }

    async fn not_added(&self, changer: &Changer, check: Check, error: &ChallengeError) -> Finding {
        // A change without an answer may have been made.
        let swept = changer.challenges.sweep().await;
        let finding = Finding::new(check, Status::Problem, format!("the value was not added: {error}"));
        match (swept, error.backend_error()) {
            (Err(left), _) => finding.remedy(format!("remove what may be left: {left}")),
            (Ok(_), Some(error)) => finding.remedy(remedy(error)),
            (Ok(_), None) => {
                finding.remedy("see whether the server of the backend runs and can be reached from here")
            }
        }
    }

    fn record(&self, name: &DomainName, value: TxtValue) -> ChallengeRecord {
        ChallengeRecord {
            zone: self.zone.clone(),
            name: name.clone(),
            value,
            owner: "diagnose".parse().expect("the owner's text is short and printable"),
            expires: self.ambient.now() + self.options.visible_within + self.options.change_within,
        }
    }

    /// Returns 43 characters of base64url, the form of a dns-01 value.
    fn random_value(&self) -> TxtValue {
        format!("fc-{}{}", self.random_label(), self.random_label()).parse().expect("it has 43 octets")
    }
}

fn left(check: Check, error: &ChallengeError) -> Finding {
    let names: Vec<_> = error
        .unfinished()
        .iter()
        .map(|left| format!("{} TXT {}", left.record.name, left.record.value))
        .collect();
    Finding::new(check, Status::Problem, format!("the value was not removed: {error}"))
        .remedy(format!("let the key remove what it adds, and remove by hand: {}", names.join(", ")))
}
