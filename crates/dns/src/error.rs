//! What can go wrong with a backend, by outcome.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fleetcert_names::DomainName;

type Source = Box<dyn std::error::Error + Send + Sync + 'static>;
type SharedSource = Arc<dyn std::error::Error + Send + Sync + 'static>;

/// A backend, or a look at a server, did not do what was asked.
///
/// The [`kind`](Self::kind) says what a caller can do about it; the source says what happened. Its text ends with
/// what a person can do. A clone is the same error for one more caller, and shares the source.
///
/// ```
/// use fleetcert_dns::{BackendError, BackendErrorKind, Operation};
///
/// let zone = "fleet.test".parse()?;
/// let error = BackendError::new(BackendErrorKind::Unauthenticated, Operation::Apply, &zone, "BADTIME")
///     .at_server("192.0.2.1:53")
///     .at_attempt(2)
///     .with_clock_skew(600);
/// assert_eq!(
///     error.to_string(),
///     "changing the zone fleet.test at 192.0.2.1:53, attempt 2: the server does not accept our key: BADTIME; \
///      set the clocks right: the server's is 600 seconds ahead of ours"
/// );
/// # Ok::<(), fleetcert_names::NameError>(())
/// ```
#[derive(Clone, Debug)]
pub struct BackendError {
    kind: BackendErrorKind,
    operation: Operation,
    // Apart, so that every result that may hold an error stays small.
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

/// What the failure means to the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BackendErrorKind {
    /// The server does not believe who we are: unknown key, wrong secret or token, clocks apart.
    Unauthenticated,
    /// The server knows us and does not allow it.
    Refused,
    /// The name is outside the zone, or the server does not have the zone.
    NotInZone,
    /// Somebody else changed what the change was based on.
    Conflict,
    /// Too many requests or records; [`BackendError::retry_after`] may say until when.
    Quota,
    /// No answer, or one that says that the server cannot now. Whether the change was made is not known.
    Unavailable,
    /// The request can never succeed as it is.
    InvalidInput,
}

/// What was being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Changing a zone.
    Apply,
    /// Reading a record set.
    Read,
    /// Looking whether a value is visible.
    Look,
}

impl Operation {
    /// Checks that a name is in a zone, as every call of a backend does before anything else.
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
    /// An error of `kind` while doing `operation` to `zone`, caused by `source`.
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

    /// The same error, with the server that it came from.
    pub fn at_server(mut self, server: impl fmt::Display) -> Self {
        self.context.server = Some(server.to_string());
        self
    }

    /// The same error, of the attempt with this number; the first is 1.
    pub fn at_attempt(mut self, attempt: u32) -> Self {
        self.context.attempt = attempt;
        self
    }

    /// The same error, with the time after which the server wants to be asked again.
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.context.retry_after = Some(wait);
        self
    }

    /// The same error, caused by clocks that are apart: the server's is so many seconds ahead of ours, or behind if
    /// negative.
    pub fn with_clock_skew(mut self, seconds: i64) -> Self {
        self.context.clock_skew = Some(seconds);
        self
    }

    /// What the failure means.
    pub fn kind(&self) -> BackendErrorKind {
        self.kind
    }

    /// What was being done.
    pub fn operation(&self) -> Operation {
        self.operation
    }

    /// The zone that it was done to.
    pub fn zone(&self) -> &DomainName {
        &self.context.zone
    }

    /// The server that answered, or did not.
    pub fn server(&self) -> Option<&str> {
        self.context.server.as_deref()
    }

    /// Which attempt of the call this was; the first is 1. Above that, the backend has tried by itself before.
    pub fn attempt(&self) -> u32 {
        self.context.attempt
    }

    /// The seconds by which the server's clock is ahead of ours, negative when it is behind: where the error is
    /// because of that.
    pub fn clock_skew(&self) -> Option<i64> {
        self.context.clock_skew
    }

    /// Returns whether a part of the changes may succeed although the whole list failed.
    pub(crate) fn may_concern_one_change(&self) -> bool {
        match self.kind {
            BackendErrorKind::InvalidInput
            | BackendErrorKind::NotInZone
            | BackendErrorKind::Conflict
            | BackendErrorKind::Refused => true,
            // Without a retry time it means too many records at one name.
            BackendErrorKind::Quota => self.retry_after() == Some(Duration::ZERO),
            BackendErrorKind::Unauthenticated | BackendErrorKind::Unavailable => false,
        }
    }

    /// Returns whether the server fails for now, whatever it is asked.
    pub(crate) fn concerns_all_changes(&self) -> bool {
        matches!(self.kind, BackendErrorKind::Unavailable | BackendErrorKind::Quota)
            && !self.may_concern_one_change()
    }

    /// When the same call may succeed: `None` for never as it is, else the time to wait, which is zero when
    /// nothing speaks against trying at once.
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
            Self::NotInZone => "the name or zone is not the server's",
            Self::Conflict => "somebody else changed it meanwhile",
            Self::Quota => "too many requests or records",
            Self::Unavailable => "the server does not answer as it should",
            Self::InvalidInput => "the request cannot succeed as it is",
        }
    }

    /// What a person can do about it.
    fn remedy(self) -> &'static str {
        match self {
            Self::Unauthenticated => "compare the key or token, its name and its algorithm with the server's",
            Self::Refused => "allow our key at the server to change TXT, A and AAAA records of these names",
            Self::NotInZone => "compare the zone's name, and look which server has it",
            Self::Conflict => "read the records again and repeat the change",
            Self::Quota => "wait, or have the limit raised",
            Self::Unavailable => {
                "look whether the server runs and can be reached; repeating the call is safe"
            }
            Self::InvalidInput => "change the request; it fails the same way each time",
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
