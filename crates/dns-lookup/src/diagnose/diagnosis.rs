//! Findings, as values.

use fleetcert_names::DomainName;
use serde::Serialize;

/// All findings on one zone. `Display` prints a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Diagnosis {
    /// The zone.
    pub zone: DomainName,
    /// One finding for each check, and one for each advice of the backend.
    pub findings: Vec<Finding>,
}

/// The result of one check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// Check.
    pub check: Check,
    /// Status.
    pub status: Status,
    /// Summary, as a sentence.
    pub summary: String,
    /// Observation at each server.
    pub seen: Vec<Seen>,
    /// Remedy, as a sentence; `None` if nothing needs doing.
    pub remedy: Option<String>,
}

/// The observation at one server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Seen {
    /// Server and transport, as text for people: `192.0.2.1:53 tcp`.
    pub server: String,
    /// Status of the observation.
    pub status: Status,
    /// Answer, or lack of one.
    pub said: String,
}

/// The status of a check, in the order of severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Nothing is wrong.
    Ok,
    /// The check could not run; the summary says why.
    NotRun,
    /// It works, but will cause trouble.
    Warning,
    /// Issuance will fail.
    Problem,
}

/// A check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Check {
    /// Public CAs know the top-level domain; which registered domain the CA's limits count for.
    Name,
    /// The parent zone names the servers that the zone names, with their addresses.
    Delegation,
    /// Every server answers over UDP and TCP, at each of its addresses.
    Reachability,
    /// Every server has the zone (none is lame).
    Authority,
    /// Every server has the same version of the zone.
    Serial,
    /// The negative time to live of the zone.
    NegativeTtl,
    /// Servers answer questions for types that the zone does not have.
    UnknownTypes,
    /// The answers for names that do not exist.
    Wildcard,
    /// The target of the challenge of the host, if one was named.
    Target,
    /// The CA may issue for names of the zone, or for the host.
    Caa,
    /// The CA may issue for wildcards there.
    CaaWildcard,
    /// The backend accepts a change.
    Update,
    /// An added value appears at every server, and disappears after its removal.
    RoundTrip,
    /// An answer that does not fit into a datagram is complete over TCP.
    LargeAnswers,
    /// The advice of the backend.
    Advice,
}

impl Diagnosis {
    /// Returns the worst status of all findings.
    pub fn status(&self) -> Status {
        self.findings.iter().map(|finding| finding.status).max().unwrap_or(Status::NotRun)
    }

    /// Returns the first finding of this check.
    pub fn finding(&self, check: Check) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.check == check)
    }
}

impl Finding {
    pub(super) fn new(check: Check, status: Status, summary: impl Into<String>) -> Self {
        Self { check, status, summary: summary.into(), seen: Vec::new(), remedy: None }
    }

    pub(super) fn not_run(check: Check, why: impl Into<String>) -> Self {
        Self::new(check, Status::NotRun, why)
    }

    pub(super) fn with_seen(self, seen: Vec<Seen>) -> Self {
        Self { seen, ..self }
    }

    pub(super) fn remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }
}

impl Seen {
    pub(super) fn new(server: impl Into<String>, status: Status, said: impl Into<String>) -> Self {
        Self { server: server.into(), status, said: said.into() }
    }
}

/// Returns the worst status; `NotRun` for none.
pub(super) fn worst(seen: &[Seen]) -> Status {
    seen.iter().map(|seen| seen.status).max().unwrap_or(Status::NotRun)
}

impl Check {
    /// Returns the name of the check in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Delegation => "delegation",
            Self::Reachability => "reachability",
            Self::Authority => "authority",
            Self::Serial => "serial",
            Self::NegativeTtl => "negative TTL",
            Self::UnknownTypes => "unknown types",
            Self::Wildcard => "wildcard",
            Self::Target => "challenge",
            Self::Caa => "CAA",
            Self::CaaWildcard => "CAA, wildcard",
            Self::Update => "update",
            Self::RoundTrip => "round trip",
            Self::LargeAnswers => "large answers",
            Self::Advice => "advice",
        }
    }
}

impl Status {
    /// Returns the status in words, as in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::NotRun => "not run",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}
