//! Errors of the agent.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use fleetcert_protocol::Problem;

use crate::InstallError;

/// A step that failed: which one, the kind of outcome, and the cause.
///
/// `Display` says all of it in one line, down to the innermost cause, and is fit for a person. Programs look at
/// [`kind`](Self::kind), at [`problem`](Self::problem) for what the server says, and at
/// [`retry_after`](Self::retry_after).
///
/// ```
/// use fleetcert_agent::{AgentError, AgentErrorKind};
///
/// fn advice(error: &AgentError) -> &'static str {
///     match (error.kind(), error.problem().and_then(|problem| problem.code.as_deref())) {
///         (AgentErrorKind::Refused, Some("token_used" | "token_unknown")) => "get a new token",
///         (AgentErrorKind::InvalidInput, _) => "correct the settings",
///         _ if error.is_transient() => "wait",
///         _ => "read the message",
///     }
/// }
/// ```
#[derive(Debug)]
pub struct AgentError {
    kind: AgentErrorKind,
    step: AgentStep,
    problem: Option<Box<Problem>>,
    retry_after: Option<Duration>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// The outcome of a step that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AgentErrorKind {
    /// A setting, an address list or a CSR that was given is not valid; the source says what. Waiting does not help.
    InvalidInput,
    /// The state folder could not be read or written, or holds what the agent did not write.
    State,
    /// The device is not enrolled yet.
    NotEnrolled,
    /// No certificate request is stored.
    NoRequest,
    /// A key or a signature could not be made.
    Crypto,
    /// The server could not be reached, or the connection broke.
    Unreachable,
    /// The server asks to come back later (status 429 or 503).
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
    /// The installer failed. The previous pair is in use.
    Install,
    /// The installer failed, and so did bringing back the previous pair.
    RollBack,
}

/// A step of the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AgentStep {
    /// Opening the state folder.
    Open,
    /// Enrolling with a proof.
    Enrol,
    /// Reporting addresses.
    ReportAddresses,
    /// Making or taking over a key and a CSR.
    MakeRequest,
    /// Sending the CSR.
    Submit,
    /// Asking for the status of the request.
    Ask,
    /// Checking the chain.
    Check,
    /// Installing the pair.
    Install,
}

impl AgentError {
    pub(crate) fn new(step: AgentStep, kind: AgentErrorKind) -> Self {
        Self { kind, step, problem: None, retry_after: None, source: None }
    }

    pub(crate) fn because(
        step: AgentStep,
        kind: AgentErrorKind,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self { source: Some(source.into()), ..Self::new(step, kind) }
    }

    pub(crate) fn of_server(
        step: AgentStep,
        kind: AgentErrorKind,
        problem: Option<Problem>,
        retry_after: Option<Duration>,
    ) -> Self {
        Self { problem: problem.map(Box::new), retry_after, ..Self::new(step, kind) }
    }

    pub(crate) fn install(source: InstallError) -> Self {
        Self::because(AgentStep::Install, AgentErrorKind::Install, source)
    }

    /// Returns the outcome.
    pub fn kind(&self) -> AgentErrorKind {
        self.kind
    }

    /// Returns the step that failed.
    pub fn step(&self) -> AgentStep {
        self.step
    }

    /// Returns what the server said.
    pub fn problem(&self) -> Option<&Problem> {
        self.problem.as_deref()
    }

    /// Returns the wait that the server asked for, at most a day.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Returns whether the same step may succeed later without any change here.
    pub fn is_transient(&self) -> bool {
        use AgentErrorKind as Kind;
        matches!(self.kind, Kind::Unreachable | Kind::Busy | Kind::Deadline | Kind::Protocol | Kind::Install)
    }
}

impl fmt::Display for AgentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.step, self.kind)?;
        if let Some(problem) = &self.problem {
            write!(f, ": {problem}")?;
        }
        let mut cause = self.source();
        while let Some(error) = cause {
            let text = error.to_string();
            write!(f, ": {text}")?;
            cause = error.source();
            // Some errors repeat their cause in their own text.
            while let Some(inner) = cause.filter(|inner| text.contains(&inner.to_string())) {
                cause = inner.source();
            }
        }
        if let Some(remedy) = self.remedy() {
            write!(f, "; {remedy}")?;
        }
        Ok(())
    }
}

impl AgentError {
    /// Returns what to do, where the cause alone does not say it.
    fn remedy(&self) -> Option<&'static str> {
        let mut innermost = self.source()?;
        while let Some(cause) = innermost.source() {
            innermost = cause;
        }
        let innermost = innermost.to_string();
        if innermost.contains("CaUsedAsEndEntity") {
            Some(
                "the control server's certificate is marked as a CA: make one with basicConstraints=CA:FALSE, or trust \
                 the CA that signed it",
            )
        } else if innermost.contains("UnknownIssuer") {
            Some("give the HTTPS client the root of the control server's certificate")
        } else {
            None
        }
    }
}

impl Error for AgentError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

impl fmt::Display for AgentErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidInput => "invalid input",
            Self::State => "the state folder cannot be used",
            Self::NotEnrolled => "the device is not enrolled",
            Self::NoRequest => "there is no certificate request",
            Self::Crypto => "the key or the signature cannot be made",
            Self::Unreachable => "cannot reach the control server",
            Self::Busy => "the control server is busy",
            Self::Refused => "the control server refuses",
            Self::Protocol => "the control server's answer does not follow the protocol",
            Self::OrderFailed => "the order failed",
            Self::Deadline => "timed out",
            Self::WrongChain => "the chain is not the requested one",
            Self::Install => "the certificate was not installed; the previous one is in use",
            Self::RollBack => "neither the new nor the previous certificate could be installed",
        })
    }
}

impl fmt::Display for AgentStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "opening the agent",
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
