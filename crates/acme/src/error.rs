//! What can go wrong with a CA, by outcome.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Problem, RateLimit};

type Source = Box<dyn Error + Send + Sync + 'static>;

/// A CA did not do what was asked.
///
/// The [`kind`](Self::kind) says what it means, the [`problem`](Self::problem) what the CA said, the source what
/// happened below. [`fault`](Self::fault) is all of it as a plain value, without the source.
#[derive(Debug)]
pub struct AcmeError {
    operation: Operation,
    fault: Box<Fault>,
    source: Option<Source>,
}

/// What the failure means to the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum AcmeErrorKind {
    /// No answer, or not a whole one. Whether it was done is not known.
    Unreachable,
    /// The CA says that it cannot now (5xx). Whether it was done is not known.
    Unavailable,
    /// A limit is reached.
    RateLimited,
    /// The CA has paused the account for this name; somebody has to visit the page that the problem names.
    Paused,
    /// The CA refused every nonce, its own newest included.
    BadNonce,
    /// The account cannot be used: unknown, deactivated, or the CA wants something of its owner first.
    Account,
    /// The CA does not have it, or not any more.
    NotFound,
    /// The order is not ready to be finalized.
    OrderNotReady,
    /// The CA refuses; the problem says why.
    Refused,
    /// The answer is not what RFC 8555 says, is too large, or leads to another server.
    Protocol,
    /// What was asked cannot be asked: a setting or an argument is wrong.
    InvalidInput,
}

/// What was being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Setting up the client.
    Setup,
    /// Reading the directory (RFC 8555 section 7.1.1).
    Directory,
    /// Creating, finding or using the account (section 7.3).
    Account,
    /// Placing an order (section 7.4).
    NewOrder,
    /// Reading an order (section 7.1.3).
    ReadOrder,
    /// Reading the authorizations of an order (section 7.5).
    ReadChallenges,
    /// Answering a challenge (section 7.5.1).
    Answer,
    /// Finalizing an order (section 7.4).
    Finalize,
    /// Downloading a certificate (section 7.4.2).
    Download,
    /// Asking for the renewal window (RFC 9773 section 4).
    RenewalInfo,
    /// Revoking a certificate (RFC 8555 section 7.6).
    Revoke,
}

/// A failure as a plain value: what a state machine can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What it means.
    pub kind: AcmeErrorKind,
    /// The HTTP status, when there was an answer.
    pub status: Option<u16>,
    /// How long the CA asked us to wait (RFC 9110 section 10.2.3), at most 30 days.
    pub retry_after: Option<Duration>,
    /// Problem document of the CA (RFC 8555 section 6.7), if there is one.
    pub problem: Option<Problem>,
    /// The limit that is reached, for [`RateLimited`](AcmeErrorKind::RateLimited) and
    /// [`Paused`](AcmeErrorKind::Paused) as the CA reports them.
    pub limit: Option<RateLimit>,
    /// What happened, where no problem document says it.
    pub detail: String,
}

/// When a CA that fails for the moment does not say when to come back.
const PAUSE: Duration = Duration::from_secs(60);

impl AcmeError {
    /// An error of this kind, for who implements an [`Authority`](crate::Authority).
    pub fn new(kind: AcmeErrorKind, operation: Operation, detail: impl Into<String>) -> Self {
        Fault::new(kind, detail).during(operation)
    }

    pub(crate) fn protocol(detail: impl Into<String>) -> Self {
        Self::new(AcmeErrorKind::Protocol, Operation::Setup, detail)
    }

    /// The same error, with the operation that it happened in.
    #[must_use]
    pub fn during(mut self, operation: Operation) -> Self {
        self.operation = operation;
        self
    }

    /// The same error, with what is below it.
    #[must_use]
    pub fn because(mut self, source: impl Into<Source>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What the failure means.
    pub fn kind(&self) -> AcmeErrorKind {
        self.fault.kind
    }

    /// What was being done.
    pub fn operation(&self) -> Operation {
        self.operation
    }

    /// What the CA said.
    pub fn problem(&self) -> Option<&Problem> {
        self.fault.problem.as_ref()
    }

    /// All but the source, as a plain value.
    pub fn fault(&self) -> &Fault {
        &self.fault
    }

    /// When the same call may succeed: what the CA asked for, or a minute where it said nothing; `None` when
    /// waiting does not mend it.
    pub fn retry_after(&self) -> Option<Duration> {
        self.fault.passes().then(|| self.fault.retry_after.unwrap_or(PAUSE))
    }
}

impl Fault {
    /// Returns a fault that is not an answer of the CA.
    pub fn new(kind: AcmeErrorKind, detail: impl Into<String>) -> Self {
        Self { kind, status: None, retry_after: None, problem: None, limit: None, detail: detail.into() }
    }

    /// The error that this is when it happens in `operation`.
    pub fn during(self, operation: Operation) -> AcmeError {
        AcmeError { operation, fault: Box::new(self), source: None }
    }

    /// Whether the same call may succeed later without anybody doing anything.
    pub fn passes(&self) -> bool {
        use AcmeErrorKind::{BadNonce, Protocol, RateLimited, Unavailable, Unreachable};
        match self.kind {
            Unreachable | Unavailable | RateLimited | BadNonce => true,
            // A page of a proxy in place of an answer: not for ever, and only if it names a time soon.
            Protocol => self.retry_after.is_some(),
            _ => false,
        }
    }
}

impl From<AcmeError> for Fault {
    fn from(error: AcmeError) -> Self {
        *error.fault
    }
}

impl fmt::Display for AcmeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operation = match self.operation {
            Operation::Setup => "setting up the ACME client",
            Operation::Directory => "reading the CA's directory",
            Operation::Account => "using the ACME account",
            Operation::NewOrder => "placing the order",
            Operation::ReadOrder => "reading the order",
            Operation::ReadChallenges => "reading the challenges",
            Operation::Answer => "answering the challenge",
            Operation::Finalize => "finalizing the order",
            Operation::Download => "downloading the certificate",
            Operation::RenewalInfo => "asking for the renewal window",
            Operation::Revoke => "revoking the certificate",
        };
        write!(f, "{operation}: {}", self.fault)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            AcmeErrorKind::Unreachable => "the CA does not answer",
            AcmeErrorKind::Unavailable => "the CA cannot now",
            AcmeErrorKind::RateLimited => "a limit of the CA is reached",
            AcmeErrorKind::Paused => "the CA has paused the name",
            AcmeErrorKind::BadNonce => "the CA refuses every nonce",
            AcmeErrorKind::Account => "the account cannot be used",
            AcmeErrorKind::NotFound => "the CA does not have it",
            AcmeErrorKind::OrderNotReady => "the order is not ready",
            AcmeErrorKind::Refused => "the CA refuses",
            AcmeErrorKind::Protocol => "the CA's answer is not as it should be",
            AcmeErrorKind::InvalidInput => "it cannot be asked",
        })?;
        if let Some(status) = self.status {
            write!(f, " (HTTP {status})")?;
        }
        match &self.problem {
            Some(problem) => write!(f, ": {problem}"),
            None if self.detail.is_empty() => Ok(()),
            None => write!(f, ": {}", self.detail),
        }
    }
}

impl Error for AcmeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| source.as_ref() as _)
    }
}

impl From<instant_acme::Error> for AcmeError {
    fn from(error: instant_acme::Error) -> Self {
        match error {
            // What our own transport reported comes back as it is.
            instant_acme::Error::Other(inner) => match inner.downcast::<Self>() {
                Ok(ours) => *ours,
                Err(other) => Self::protocol(crate::problem::bounded(&other.to_string(), 400)),
            },
            instant_acme::Error::Api(problem) => Fault {
                status: problem.status,
                problem: Some(Problem::from(&problem)),
                ..Fault::new(AcmeErrorKind::Refused, "")
            }
            .during(Operation::Setup),
            instant_acme::Error::KeyRejected => Self::new(
                AcmeErrorKind::InvalidInput,
                Operation::Account,
                "the account key is not a P-256 key",
            ),
            other => Self::protocol(crate::problem::bounded(&other.to_string(), 400)).because(other),
        }
    }
}
