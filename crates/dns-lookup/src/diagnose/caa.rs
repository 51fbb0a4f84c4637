//! Checks of the CAA records.

use std::net::SocketAddr;

use fleetcert_names::HostName;

use super::ask;
use super::{Check, Diagnose, Finding, Seen, Status};
use crate::caa::{CaaRecord, CaaRefusal, CaaVerdict, CertificateFor, judge};
use crate::{CaaSet, QueryType, Transport};

impl Diagnose {
    pub(super) async fn caa(&self, working: &[(SocketAddr, Transport)]) -> [Finding; 2] {
        let kinds = [(Check::Caa, CertificateFor::Name), (Check::CaaWildcard, CertificateFor::Wildcard)];
        match self.caa_set(working).await {
            Err(why) => kinds.map(|(check, _)| why.clone().into_finding(check)),
            Ok(set) => kinds.map(|(check, kind)| self.judged(check, kind, set.as_ref())),
        }
    }

    /// Finds the records that apply to names of the zone. Through resolvers, the search continues above the zone; given
    /// servers have only their own zone.
    async fn caa_set(&self, working: &[(SocketAddr, Transport)]) -> Result<Option<CaaSet>, CaaUnknown> {
        if let Some(finder) = self.finder() {
            let name = self.host.as_ref().map_or(&self.zone, HostName::as_domain);
            return finder.caa(name).await.map_err(|error| CaaUnknown::Hidden(error.to_string()));
        }
        let Some((server, _)) = working.first().copied() else {
            return Err(CaaUnknown::NotAsked("no server answers for the zone"));
        };
        let ways = [(server, Transport::Tcp), (server, Transport::Udp)];
        let probes = ask::all(&self.asker, &self.zone, QueryType::Caa, ways).await;
        let answer = probes
            .iter()
            .find_map(|probe| probe.answer.as_ref().ok().filter(|answer| answer.rcode.is_answer()));
        let Some(answer) = answer else {
            let error = probes.iter().find_map(|probe| probe.answer.as_ref().err());
            return Err(CaaUnknown::Hidden(error.map_or("the server fails".to_owned(), ToString::to_string)));
        };
        match answer.caa(&self.zone) {
            records if records.is_empty() => Err(CaaUnknown::NotAsked(
                "the zone has none, and without a resolver those of the names above are not looked at",
            )),
            records => Ok(Some(CaaSet { at: self.zone.clone(), records })),
        }
    }

    fn judged(&self, check: Check, kind: CertificateFor, set: Option<&CaaSet>) -> Finding {
        let Some(CaaSet { at, records }) = set else {
            let remedy = "add a CAA record, so that nobody gets certificates elsewhere for a device's name and uses up the \
                          CA's limits: 0 issue \"letsencrypt.org; validationmethods=dns-01; accounturi=…\"";
            let summary = "no name up to the top-level domain has CAA records, so every CA may issue";
            return Finding::new(check, Status::Warning, summary).remedy(remedy);
        };
        let lines =
            || records.iter().map(|record| Seen::new(at.as_str(), Status::Ok, record.to_string())).collect();
        let Some(applicant) = &self.applicant else {
            let why = format!("{at} has CAA records, and no CA was named to compare them with");
            return Finding::not_run(check, why).with_seen(lines());
        };
        let issuer = &applicant.issuer;
        match judge(records, applicant, kind) {
            CaaVerdict::Unrestricted => {
                let summary = format!("the CAA records of {at} leave this to every CA");
                Finding::new(check, Status::Ok, summary).with_seen(lines())
            }
            CaaVerdict::Allowed(record) => {
                let account = applicant.account_uri.is_some();
                let who = if account { "for this account" } else { "for an account that it does not name" };
                let summary = format!("{issuer} may issue {who} by {}", applicant.method);
                Finding::new(check, Status::Ok, summary).with_seen(vec![Seen::new(
                    at.as_str(),
                    Status::Ok,
                    record.to_string(),
                )])
            }
            // A fleet without wildcards is safer if no CA may issue one.
            CaaVerdict::Forbidden(refusals) if kind == CertificateFor::Wildcard && on_purpose(&refusals) => {
                let summary =
                    format!("no CA may issue wildcards below {at}, which is as it should be without any");
                let line =
                    |(record, _): &(CaaRecord, _)| Seen::new(at.as_str(), Status::Ok, record.to_string());
                Finding::new(check, Status::Ok, summary).with_seen(refusals.iter().map(line).collect())
            }
            CaaVerdict::Forbidden(refusals) => {
                let line = |(record, refusal)| {
                    Seen::new(at.as_str(), Status::Problem, format!("{record}: {refusal}"))
                };
                let status = match kind {
                    CertificateFor::Name => Status::Problem,
                    CertificateFor::Wildcard => Status::Warning,
                };
                let mut value = format!("{issuer}; validationmethods={}", applicant.method);
                if let Some(account) = &applicant.account_uri {
                    value += &format!("; accounturi={account}");
                }
                let tag = if kind == CertificateFor::Name { "issue" } else { "issuewild" };
                Finding::new(check, status, format!("{issuer} may not issue"))
                    .with_seen(refusals.into_iter().map(line).collect())
                    .remedy(format!("add at {at}, if it should: CAA 0 {tag} \"{value}\""))
            }
        }
    }
}

/// Returns whether all records are `;`, which is no mistake.
fn on_purpose(refusals: &[(CaaRecord, CaaRefusal)]) -> bool {
    refusals.iter().all(|(record, refusal)| record.tag == "issuewild" && *refusal == CaaRefusal::Nobody)
}

/// The reason why the records are not known.
#[derive(Clone)]
enum CaaUnknown {
    /// The lookup failed, so there may be records. A CA does not issue then.
    Hidden(String),
    NotAsked(&'static str),
}

impl CaaUnknown {
    fn into_finding(self, check: Check) -> Finding {
        match self {
            Self::NotAsked(why) => Finding::not_run(check, why),
            Self::Hidden(why) => {
                let summary = format!("CAA records cannot be looked up: {why}");
                Finding::new(check, Status::Problem, summary)
                    .remedy("see that the servers of the zone, and of those above it, answer for CAA: a CA does not issue else")
            }
        }
    }
}
