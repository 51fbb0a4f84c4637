//! Whether an account may have a certificate for a name: dns-01 and CAA, by queries of our own.

mod caa;
mod lookup;

use std::sync::Arc;

use fleetcert_acme_server::{Dns01Challenge, Problem, ProblemKind};
use fleetcert_dns::{DnsBackend, RecordData};
use fleetcert_names::DomainName;
use futures_util::future::join_all;
use hickory_proto::rr::rdata::CAA;
use hickory_proto::rr::{RData, RecordType};

use caa::Asker;
use lookup::LookupFailure;
pub(crate) use lookup::{Lookup, LookupSettings};

/// Where the records of a name are found.
#[derive(Debug)]
pub(crate) enum Records {
    /// At a DNS server.
    Server(Lookup),
    /// In this process: TXT records alone, since a backend holds no CAA records.
    Backend { zone: DomainName, backend: Arc<dyn DnsBackend> },
}

/// Looks at the records from one or more perspectives.
#[derive(Debug)]
pub(crate) struct Validator {
    records: Records,
    remote_perspectives: usize,
    caa_identity: String,
}

impl Validator {
    pub(crate) fn new(records: Records, remote_perspectives: usize, caa_identity: String) -> Self {
        Self { records, remote_perspectives, caa_identity }
    }

    /// First the primary perspective, then all others side by side, as Boulder does it.
    pub(crate) async fn validate(&self, challenge: &Dns01Challenge) -> Result<(), Problem> {
        self.look_once(challenge).await?;
        let remotes = (0..self.remote_perspectives).map(|_| self.look_once(challenge));
        let mut failures: Vec<Problem> =
            join_all(remotes).await.into_iter().filter_map(Result::err).collect();
        if failures.len() <= allowed_failures(self.remote_perspectives) {
            return Ok(());
        }
        let first = failures.swap_remove(0);
        Err(Problem::new(first.kind(), format!("During secondary validation: {}", first.detail())))
    }

    async fn look_once(&self, challenge: &Dns01Challenge) -> Result<(), Problem> {
        self.check_txt(challenge).await?;
        match &self.records {
            Records::Server(lookup) => self.check_caa(lookup, challenge).await,
            Records::Backend { .. } => Ok(()),
        }
    }

    async fn texts(&self, name: &DomainName) -> Result<Vec<String>, Problem> {
        match &self.records {
            Records::Server(lookup) => {
                let answers = lookup.ask(name, RecordType::TXT).await;
                Ok(answers.map_err(|failure| dns_problem(&failure))?.iter().filter_map(text).collect())
            }
            Records::Backend { zone, backend } => {
                let found = backend.read(zone, name, fleetcert_dns::RecordType::Txt).await;
                let found = found.map_err(|error| Problem::new(ProblemKind::Dns, error.to_string()))?;
                Ok(found.into_iter().flat_map(|set| set.values).filter_map(backend_text).collect())
            }
        }
    }

    async fn check_txt(&self, challenge: &Dns01Challenge) -> Result<(), Problem> {
        let name = challenge.identifier.challenge_name();
        let texts = self.texts(&name).await?;
        if texts.contains(&challenge.txt_value) {
            return Ok(());
        }
        let detail = match texts.split_first() {
            None => format!("No TXT record found at {name}"),
            Some((first, rest)) => {
                let shown: String = first.chars().take(100).flat_map(char::escape_default).collect();
                let more =
                    if rest.is_empty() { String::new() } else { format!(" (and {} more)", rest.len()) };
                format!("Incorrect TXT record \"{shown}\"{more} found at {name}")
            }
        };
        Err(Problem::new(ProblemKind::Unauthorized, detail))
    }

    /// The closest set of CAA records on the way to the top decides (RFC 8659 section 3).
    ///
    /// Where the DNS server refuses a name above one that it answered, the way ends there: it is an authoritative
    /// server then, and its zone is all that a test has.
    async fn check_caa(&self, lookup: &Lookup, challenge: &Dns01Challenge) -> Result<(), Problem> {
        let mut name: DomainName = challenge.identifier.base().as_domain().clone();
        let mut answered = false;
        loop {
            let records: Vec<CAA> = match lookup.ask(&name, RecordType::CAA).await {
                Ok(answers) => answers.into_iter().filter_map(caa_record).collect(),
                Err(failure) if failure.is_no_such_name() => Vec::new(),
                Err(failure) if failure.is_refusal() && answered => return Ok(()),
                Err(failure) => return Err(dns_problem(&failure)),
            };
            if !records.is_empty() {
                let asker = Asker { identity: &self.caa_identity, account_url: &challenge.account_url };
                return asker.judge(&records, challenge.identifier.is_wildcard()).map_err(|reason| {
                    Problem::new(
                        ProblemKind::Caa,
                        format!("CAA records for {name} prevent issuance: {reason}"),
                    )
                });
            }
            answered = true;
            match name.parent() {
                Some(parent) => name = parent,
                None => return Ok(()),
            }
        }
    }
}

/// How many of the remote perspectives may fail (Baseline Requirements 3.2.2.9).
fn allowed_failures(remotes: usize) -> usize {
    match remotes {
        0 | 1 => 0,
        2..=5 => 1,
        _ => 2,
    }
}

fn dns_problem(failure: &LookupFailure) -> Problem {
    Problem::new(ProblemKind::Dns, failure.to_string())
}

/// The strings of one record, joined (RFC 8555 section 8.4 leaves one string; clients may cut it).
fn text(data: &RData) -> Option<String> {
    match data {
        RData::TXT(txt) => Some(String::from_utf8_lossy(&txt.txt_data.concat()).into_owned()),
        _ => None,
    }
}

fn backend_text(data: RecordData) -> Option<String> {
    match data {
        RecordData::Txt(value) => Some(String::from_utf8_lossy(value.as_bytes()).into_owned()),
        _ => None,
    }
}

fn caa_record(data: RData) -> Option<CAA> {
    match data {
        RData::CAA(caa) => Some(caa),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
