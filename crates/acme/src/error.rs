//! Errors of a CA, by outcome.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Problem, RateLimit};

type Source = Box<dyn Error + Send + Sync + 'static>;

/// A request that a CA did not carry out.
///
/// The [`kind`](Self::kind) is its meaning, the [`problem`](Self::problem) the CA's own description, the source its
/// cause. [`fault`](Self::fault) is all of it as a plain value, without the source.
#[derive(Debug)]
pub struct AcmeError {
    operation: Operation,
    fault: Box<Fault>,
    source: Option<Source>,
}

/// Meaning of a failure to the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum AcmeErrorKind {
    /// No complete answer. The request may have been carried out.
    Unreachable,
    /// The CA is temporarily unavailable (5xx). The request may have been carried out.
    Unavailable,
    /// A rate limit is reached.
    RateLimited,
    /// The CA has paused the account for this name; an operator has to visit the page that the CA names.
    Paused,
    /// The CA rejected every nonce, its own newest included.
    BadNonce,
    /// The account cannot be used: it is unknown or deactivated, lacks its external account binding, or its owner has to
    /// act first, for example agree to new terms. It concerns every order of the account and is no fault of a name.
    Account,
    /// The CA says in a problem document that it does not have the object.
    NotFound,
    /// The order is not ready to be finalized.
    OrderNotReady,
    /// The CA refuses; the problem says why.
    Refused,
    /// The answer does not follow RFC 8555, is too large, or leads to another server. Proxies in front of a CA answer
    /// so. The request may have been carried out.
    Protocol,
    /// The request is invalid: a setting or an argument is wrong.
    InvalidInput,
}

/// Operation that failed.
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

/// A failure as a plain value, for the state machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Meaning.
    pub kind: AcmeErrorKind,
    /// HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// Wait that the CA asked for in `Retry-After` (RFC 9110 section 10.2.3), at most 30 days.
    pub retry_after: Option<Duration>,
    /// Problem document of the CA (RFC 8555 section 6.7), if there is one.
    pub problem: Option<Problem>,
    /// The limit that is reached, for [`RateLimited`](AcmeErrorKind::RateLimited) and
    /// [`Paused`](AcmeErrorKind::Paused) as the CA reports them.
    pub limit: Option<RateLimit>,
    /// Description, where there is no problem document.
    pub detail: String,
}

/// Wait where a CA that fails temporarily names none.
const DEFAULT_RETRY: Duration = Duration::from_secs(60);

impl AcmeError {
    /// Returns an error of this kind, for your own [`Authority`](crate::Authority).
    pub fn new(kind: AcmeErrorKind, operation: Operation, detail: impl Into<String>) -> Self {
        Fault::new(kind, detail).during(operation)
    }

    /// Returns the error with a note after the CA's own sentence.
    pub(crate) fn noting(mut self, note: &str) -> Self {
        if let Some(problem) = &mut self.fault.problem {
            problem.detail = format!("{}; {}", problem.detail, crate::problem::bounded(note, 400));
        }
        self
    }

    /// Returns the error as one of the account.
    pub(crate) fn of_account(mut self) -> Self {
        self.fault.kind = AcmeErrorKind::Account;
        self
    }

    pub(crate) fn protocol(detail: impl Into<String>) -> Self {
        Self::new(AcmeErrorKind::Protocol, Operation::Setup, detail)
    }

    /// Returns the error with the operation that failed.
    #[must_use]
    pub fn during(mut self, operation: Operation) -> Self {
        self.operation = operation;
        self
    }

    /// Returns the error with its cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Source>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Returns the meaning of the failure.
    pub fn kind(&self) -> AcmeErrorKind {
        self.fault.kind
    }

    /// Operation that failed.
    pub fn operation(&self) -> Operation {
        self.operation
    }

    /// Returns the CA's problem document.
    pub fn problem(&self) -> Option<&Problem> {
        self.fault.problem.as_ref()
    }

    /// Returns all but the source, as a plain value.
    pub fn fault(&self) -> &Fault {
        &self.fault
    }

    /// Returns when the same call may succeed: the CA's `Retry-After`, or a minute without one; `None` if waiting does
    /// not help.
    pub fn retry_after(&self) -> Option<Duration> {
        self.fault.passes().then(|| self.fault.retry_after.unwrap_or(DEFAULT_RETRY))
    }
}

impl Fault {
    /// Returns a fault that is not an answer of the CA.
    pub fn new(kind: AcmeErrorKind, detail: impl Into<String>) -> Self {
        Self { kind, status: None, retry_after: None, problem: None, limit: None, detail: detail.into() }
    }

    /// Returns the error that this is when it happens in `operation`.
    pub fn during(self, operation: Operation) -> AcmeError {
        AcmeError { operation, fault: Box::new(self), source: None }
    }

    /// Returns whether the same call may succeed later without an operator.
    pub fn passes(&self) -> bool {
        use AcmeErrorKind::{BadNonce, Protocol, RateLimited, Unavailable, Unreachable};
        match self.kind {
            Unreachable | Unavailable | RateLimited | BadNonce => true,
            // The page of a proxy in place of an answer: temporary if it names a time.
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
            AcmeErrorKind::Unreachable => "the CA is unreachable",
            AcmeErrorKind::Unavailable => "the CA is temporarily unavailable",
            AcmeErrorKind::RateLimited => "a rate limit of the CA is reached",
            AcmeErrorKind::Paused => "the CA has paused the name",
            AcmeErrorKind::BadNonce => "the CA rejects every nonce",
            AcmeErrorKind::Account => "the ACME account cannot be used",
            AcmeErrorKind::NotFound => "the CA does not have this object",
            AcmeErrorKind::OrderNotReady => "the order is not ready",
            AcmeErrorKind::Refused => "the CA refused the request",
            AcmeErrorKind::Protocol => "unexpected answer from the CA",
            AcmeErrorKind::InvalidInput => "invalid request",
        })?;
        if let Some(status) = self.status {
            write!(f, " (HTTP {status})")?;
        }
        if let Some(wait) = self.retry_after {
            write!(f, ", retry after {} s", wait.as_secs())?;
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
            instant_acme::Error::KeyRejected => Self::new(
                AcmeErrorKind::InvalidInput,
                Operation::Account,
                "the account key is not a P-256 key",
            ),
            other => Self::protocol(crate::problem::bounded(&other.to_string(), 400)).because(other),
        }
    }
}
