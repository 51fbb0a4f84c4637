//! What was found, as values.

use fleetcert_names::DomainName;
use serde::Serialize;

/// All findings on one zone. `Display` prints a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Diagnosis {
    /// The zone.
    pub zone: DomainName,
    /// One finding for each check, and one for each piece of the backend's advice.
    pub findings: Vec<Finding>,
}

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// What was checked.
    pub check: Check,
    /// How it went.
    pub status: Status,
    /// What was found, as a sentence.
    pub summary: String,
    /// What was seen at each server.
    pub seen: Vec<Seen>,
    /// What to do, as a sentence; `None` where nothing needs doing.
    pub remedy: Option<String>,
}

/// What was seen at one server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Seen {
    /// The server and the way, as a person reads it: `192.0.2.1:53 tcp`.
    pub server: String,
    /// Whether that is right.
    pub status: Status,
    /// What it said or did.
    pub said: String,
}

/// How a check went. The greater, the worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It is as it should be.
    Ok,
    /// It could not be checked; the summary says why.
    NotRun,
    /// It works, and will make trouble.
    Warning,
    /// Certificates will not come.
    Problem,
}

/// What is checked.
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
    /// How long a miss is remembered.
    NegativeTtl,
    /// Servers answer questions for types that the zone does not have.
    UnknownTypes,
    /// What the zone answers for names that are not there.
    Wildcard,
    /// Where the challenge of the host goes, if one was named.
    Target,
    /// The CA may issue for names of the zone, or for the host.
    Caa,
    /// The CA may issue for wildcards there.
    CaaWildcard,
    /// The backend takes a change.
    Update,
    /// A value that is added is seen at every server, and gone when it is removed.
    RoundTrip,
    /// An answer that does not fit into a datagram comes whole over TCP.
    LargeAnswers,
    /// What the backend advises.
    Advice,
}

impl Diagnosis {
    /// The worst of all findings.
    pub fn status(&self) -> Status {
        self.findings.iter().map(|finding| finding.status).max().unwrap_or(Status::NotRun)
    }

    /// The first finding of this check.
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

/// The worst of what was seen; `NotRun` for nothing.
pub(super) fn worst(seen: &[Seen]) -> Status {
    seen.iter().map(|seen| seen.status).max().unwrap_or(Status::NotRun)
}

impl Check {
    /// The name of the check, as the table has it.
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
    /// The status in words, as the table has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::NotRun => "not run",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}
