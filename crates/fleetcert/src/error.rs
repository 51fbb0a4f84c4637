//! Why a control server cannot start.

use std::error::Error;
use std::fmt;

type Source = Box<dyn Error + Send + Sync + 'static>;

/// A control server that cannot start: what failed, on what, and what to do about it.
///
/// `Debug` shows the same sentence as `Display`, because it is what a `main` that returns an error prints.
#[derive(thiserror::Error)]
#[error("{context}: {source}; {remedy}")]
pub struct SetupError {
    kind: SetupErrorKind,
    context: String,
    remedy: String,
    source: Source,
}

/// The part of the setup that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SetupErrorKind {
    /// A setting is missing or wrong.
    Settings,
    /// The state folder or its database cannot be used.
    State,
    /// The zone's server, its key or our own name server cannot be used.
    Zone,
    /// The CA cannot be reached, or refuses the account.
    Ca,
    /// The control server's own certificate cannot be used.
    Tls,
    /// An address cannot be bound.
    Listen,
}

impl SetupError {
    pub(crate) fn new(
        kind: SetupErrorKind,
        context: impl Into<String>,
        source: impl Into<Source>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { kind, context: context.into(), remedy: remedy.into(), source: source.into() }
    }

    /// A setting that is missing or contradicts another.
    pub(crate) fn setting(context: &str, why: &str, remedy: &str) -> Self {
        Self::new(SetupErrorKind::Settings, context, why, remedy)
    }

    /// The part that failed.
    pub fn kind(&self) -> SetupErrorKind {
        self.kind
    }
}

impl fmt::Debug for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
