//! What can go wrong on the device's side.

use std::fmt;
use std::time::Duration;

use fleetcert_protocol::Problem;

use crate::InstallError;

/// A step that failed: what it was, the kind of outcome, and the cause as `source`.
#[derive(Debug)]
pub struct AgentError {
    kind: AgentErrorKind,
    step: Step,
    problem: Option<Box<Problem>>,
    retry_after: Option<Duration>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The outcome of a step that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AgentErrorKind {
    /// The state folder could not be read or written, or holds what the agent did not write.
    State,
    /// The device is not enrolled yet.
    NotEnrolled,
    /// No certificate request is stored.
    NoRequest,
    /// A key or a signature could not be made.
    Crypto,
    /// The CSR that was given is refused by the rules for devices; the source names the rule.
    RefusedHere,
    /// The server could not be reached, or the connection broke.
    Unreachable,
    /// The server says to come back later (status 429 or 503).
    Busy,
    /// The server refuses; [`AgentError::problem`] says why.
    Refused,
    /// The server's answer is not what the protocol says.
    Protocol,
    /// The server gave the request up; [`AgentError::problem`] says why.
    OrderFailed,
    /// The deadline passed.
    Deadline,
    /// The chain is not what was asked for; the source names the difference.
    WrongChain,
    /// The installer failed. The pair before is in use.
    Install,
    /// The installer failed, and so did bringing back the pair before.
    RollBack,
}

/// What the agent was doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Opening the state folder.
    Open,
    /// Enrolling with a token.
    Enrol,
    /// Reporting addresses.
    ReportAddresses,
    /// Making or taking over a key and a CSR.
    MakeRequest,
    /// Sending the CSR.
    Submit,
    /// Asking how the request stands.
    Ask,
    /// Checking the chain.
    Check,
    /// Installing the pair.
    Install,
}

impl AgentError {
    pub(crate) fn new(step: Step, kind: AgentErrorKind) -> Self {
        Self { kind, step, problem: None, retry_after: None, source: None }
    }

    pub(crate) fn because(
        step: Step,
        kind: AgentErrorKind,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { source: Some(source.into()), ..Self::new(step, kind) }
    }

    pub(crate) fn of_server(
        step: Step,
        kind: AgentErrorKind,
        problem: Option<Problem>,
        retry_after: Option<Duration>,
    ) -> Self {
        Self { problem: problem.map(Box::new), retry_after, ..Self::new(step, kind) }
    }

    pub(crate) fn install(source: InstallError) -> Self {
        Self::because(Step::Install, AgentErrorKind::Install, source)
    }

    /// The outcome.
    pub fn kind(&self) -> AgentErrorKind {
        self.kind
    }

    /// The step that failed.
    pub fn step(&self) -> Step {
        self.step
    }

    /// What the server said.
    pub fn problem(&self) -> Option<&Problem> {
        self.problem.as_deref()
    }

    /// The wait that the server asked for, at most a day.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Whether the same step may succeed later without any change here.
    pub fn is_transient(&self) -> bool {
        use AgentErrorKind as Kind;
        matches!(self.kind, Kind::Unreachable | Kind::Busy | Kind::Deadline | Kind::Protocol | Kind::Install)
    }
}

impl fmt::Display for AgentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.step, self.kind)?;
        match &self.problem {
            Some(problem) => write!(f, ": {problem}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for AgentError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn std::error::Error + 'static))
    }
}

impl fmt::Display for AgentErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::State => "the state folder cannot be used",
            Self::NotEnrolled => "the device is not enrolled",
            Self::NoRequest => "there is no certificate request",
            Self::Crypto => "the key or the signature cannot be made",
            Self::RefusedHere => "the request is not one that a device may send",
            Self::Unreachable => "the control server cannot be reached",
            Self::Busy => "the control server is busy",
            Self::Refused => "the control server refuses",
            Self::Protocol => "the control server's answer is not understood",
            Self::OrderFailed => "the order failed",
            Self::Deadline => "it took too long",
            Self::WrongChain => "the chain is not the one asked for",
            Self::Install => "the certificate was not installed",
            Self::RollBack => "the certificate was not installed, nor the one before brought back",
        })
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "opening the state folder",
            Self::Enrol => "enrolling",
            Self::ReportAddresses => "reporting the addresses",
            Self::MakeRequest => "making the certificate request",
            Self::Submit => "sending the certificate request",
            Self::Ask => "asking for the certificate",
            Self::Check => "checking the chain",
            Self::Install => "installing the certificate",
        })
    }
}
