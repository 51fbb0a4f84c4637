//! Why a test CA does not start.

use std::error::Error;

/// A test CA that could not be started.
#[derive(Debug, thiserror::Error)]
#[error("the test CA cannot start: {kind}")]
pub struct TestCaError {
    kind: TestCaErrorKind,
    source: Box<dyn Error + Send + Sync>,
}

/// Which part of the start failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TestCaErrorKind {
    /// The address cannot be listened on.
    #[error("its address cannot be listened on")]
    Listen,
    /// A key or a certificate of its own could not be made.
    #[error("its own keys and certificates cannot be made")]
    Keys,
}

impl TestCaError {
    pub(crate) fn new(kind: TestCaErrorKind, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind, source: source.into() }
    }

    pub(crate) fn keys(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(TestCaErrorKind::Keys, source)
    }

    /// Which part failed.
    pub fn kind(&self) -> TestCaErrorKind {
        self.kind
    }
}
