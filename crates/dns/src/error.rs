//! Errors of backends.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fleetcert_names::DomainName;

type Source = Box<dyn std::error::Error + Send + Sync + 'static>;
type SharedSource = Arc<dyn std::error::Error + Send + Sync + 'static>;

/// The error of a backend, or of a look at a server.
///
/// The [`kind`](Self::kind) says what a caller can do about it; the source says what happened. The text ends with
/// advice for the operator. A clone is the same error for another caller and shares the source.
///
/// ```
/// use fleetcert_dns::{BackendError, BackendErrorKind, Operation};
///
/// let zone = "fleet.test".parse()?;
/// let kind = BackendErrorKind::Unauthenticated;
/// let error = BackendError::new(kind, Operation::Apply, &zone, "BADTIME")
///     .at_server("192.0.2.1:53")
///     .at_attempt(2)
///     .with_clock_skew(600);
/// assert_eq!(
///     error.to_string(),
///     "changing the zone fleet.test at 192.0.2.1:53, attempt 2: \
///      the server does not accept our key: BADTIME; \
///      set the clocks right: the server's is 600 seconds ahead of ours"
/// );
/// # Ok::<(), fleetcert_names::NameError>(())
/// ```
#[derive(Clone, Debug)]
pub struct BackendError {
    kind: BackendErrorKind,
    operation: Operation,
    // Boxed, so that every result that may hold an error stays small.
    context: Box<Context>,
    source: SharedSource,
}

#[derive(Clone, Debug)]
struct Context {
    zone: DomainName,
    server: Option<String>,
    attempt: u32,
    retry_after: Option<Duration>,
    clock_skew: Option<i64>,
}

/// What a failure means to the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BackendErrorKind {
    /// The server rejects our credentials: unknown key, wrong secret or token, or differing clocks.
    Unauthenticated,
    /// The server accepts our credentials, but does not allow the operation.
    Refused,
    /// The name is outside the zone, or the server does not have the zone.
    NotInZone,
    /// Another client changed the records on which the change was based.
    Conflict,
    /// Too many requests or records; [`BackendError::retry_after`] may have the wait.
    Quota,
    /// No answer, or the server is temporarily unavailable. Whether the change took effect is unknown.
    Unavailable,
    /// The request can never succeed.
    InvalidInput,
}

/// The operation that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Changing a zone.
    Apply,
    /// Reading a record set.
    Read,
    /// Looking for a value at the servers.
    Look,
}

impl Operation {
    /// Checks that a name is in a zone, as every call of a backend does first.
    ///
    /// # Errors
    /// [`NotInZone`](BackendErrorKind::NotInZone) otherwise.
    ///
    /// ```
    /// use fleetcert_dns::Operation;
    ///
    /// let zone = "fleet.test".parse()?;
    /// assert!(Operation::Read.check_name(&zone, &"a.fleet.test".parse()?).is_ok());
    /// let error = Operation::Read
    ///     .check_name(&zone, &"a.fleet.example".parse()?)
    ///     .unwrap_err();
    /// assert!(error.to_string().contains("a.fleet.example is outside the zone"));
    /// # Ok::<(), fleetcert_names::NameError>(())
    /// ```
    pub fn check_name(self, zone: &DomainName, name: &DomainName) -> Result<(), BackendError> {
        if name.is_within(zone) {
            return Ok(());
        }
        let why = format!("{name} is outside the zone");
        Err(BackendError::new(BackendErrorKind::NotInZone, self, zone, why))
    }
}

impl BackendError {
    /// Returns an error of `kind` in `operation` on `zone`, caused by `source`.
    pub fn new(
        kind: BackendErrorKind,
        operation: Operation,
        zone: &DomainName,
        source: impl Into<Source>,
    ) -> Self {
        let context =
            Context { zone: zone.clone(), server: None, attempt: 1, retry_after: None, clock_skew: None };
        Self { kind, operation, context: Box::new(context), source: source.into().into() }
    }

    /// Adds the server.
    pub fn at_server(mut self, server: impl fmt::Display) -> Self {
        self.context.server = Some(server.to_string());
        self
    }

    /// Adds the number of the attempt; the first is 1.
    pub fn at_attempt(mut self, attempt: u32) -> Self {
        self.context.attempt = attempt;
        self
    }

    /// Adds the wait that the server asks for.
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.context.retry_after = Some(wait);
        self
    }

    /// Adds a difference of the clocks as the cause: the server's clock is this many seconds ahead of ours, or behind
    /// if negative.
    pub fn with_clock_skew(mut self, seconds: i64) -> Self {
        self.context.clock_skew = Some(seconds);
        self
    }

    /// Returns what the failure means.
    pub fn kind(&self) -> BackendErrorKind {
        self.kind
    }

    /// Returns the operation that failed.
    pub fn operation(&self) -> Operation {
        self.operation
    }

    /// Returns the zone.
    pub fn zone(&self) -> &DomainName {
        &self.context.zone
    }

    /// Returns the server that answered, or did not.
    pub fn server(&self) -> Option<&str> {
        self.context.server.as_deref()
    }

    /// Returns the number of the attempt; the first is 1. Above 1, the backend has retried by itself.
    pub fn attempt(&self) -> u32 {
        self.context.attempt
    }

    /// Returns the seconds by which the server's clock is ahead of ours, negative if behind, if that caused the error.
    pub fn clock_skew(&self) -> Option<i64> {
        self.context.clock_skew
    }

    /// Returns whether part of the changes may succeed although the whole list failed.
    pub(crate) fn may_concern_one_change(&self) -> bool {
        match self.kind {
            BackendErrorKind::InvalidInput
            | BackendErrorKind::NotInZone
            | BackendErrorKind::Conflict
            | BackendErrorKind::Refused => true,
            // Without a wait, it means too many records at one name.
            BackendErrorKind::Quota => self.retry_after() == Some(Duration::ZERO),
            BackendErrorKind::Unauthenticated | BackendErrorKind::Unavailable => false,
        }
    }

    /// Returns whether the server currently fails for every request.
    pub(crate) fn concerns_all_changes(&self) -> bool {
        matches!(self.kind, BackendErrorKind::Unavailable | BackendErrorKind::Quota)
            && !self.may_concern_one_change()
    }

    /// Returns the wait after which the same call may succeed, or `None` if it cannot. Zero if nothing speaks against
    /// an immediate retry.
    pub fn retry_after(&self) -> Option<Duration> {
        match self.kind {
            BackendErrorKind::Quota | BackendErrorKind::Unavailable | BackendErrorKind::Conflict => {
                Some(self.context.retry_after.unwrap_or_default())
            }
            _ => None,
        }
    }
}

impl BackendErrorKind {
    fn outcome(self) -> &'static str {
        match self {
            Self::Unauthenticated => "the server does not accept our key",
            Self::Refused => "the server does not allow it",
            Self::NotInZone => "the name or zone does not belong to the server",
            Self::Conflict => "another client changed the records",
            Self::Quota => "too many requests or records",
            Self::Unavailable => "the server is unavailable or failing",
            Self::InvalidInput => "the request is invalid",
        }
    }

    /// Returns advice for the operator.
    fn remedy(self) -> &'static str {
        match self {
            Self::Unauthenticated => "compare the key or token, its name and its algorithm with the server's",
            Self::Refused => "allow our key at the server to change TXT, A and AAAA records of these names",
            Self::NotInZone => "check the zone's name, and which server has the zone",
            Self::Conflict => "read the records again and repeat the change",
            Self::Quota => "wait, or raise the limit",
            Self::Unavailable => "check that the server runs and can be reached; repeating the call is safe",
            Self::InvalidInput => "correct the request; it fails in the same way each time",
        }
    }
}

impl fmt::Display for BackendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operation = match self.operation {
            Operation::Apply => "changing",
            Operation::Read => "reading",
            Operation::Look => "looking into",
        };
        let Context { zone, server, attempt, retry_after, clock_skew } = &*self.context;
        write!(f, "{operation} the zone {zone}")?;
        if let Some(server) = server {
            write!(f, " at {server}")?;
        }
        if *attempt > 1 {
            write!(f, ", attempt {attempt}")?;
        }
        write!(f, ": {}: {}; ", self.kind.outcome(), self.source)?;
        match (clock_skew, retry_after) {
            (Some(seconds), _) => {
                let side = if *seconds < 0 { "behind" } else { "ahead of" };
                let seconds = seconds.unsigned_abs();
                write!(f, "set the clocks right: the server's is {seconds} seconds {side} ours")
            }
            (None, Some(wait)) if !wait.is_zero() && self.retry_after().is_some() => {
                let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
                write!(f, "try again after {seconds} seconds")
            }
            _ => f.write_str(self.kind.remedy()),
        }
    }
}

impl std::error::Error for BackendError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.source)
    }
}

#[cfg(test)]
mod tests;
