//! Credentials that come from elsewhere, and may change while the program runs.

use std::fmt;

use fleetcert_dns::BackendErrorKind;

/// No credentials could be had.
#[derive(Debug, thiserror::Error)]
#[error("{}", match self.kind {
    BackendErrorKind::Unauthenticated => "the source of credentials gives us none",
    _ => "the source of credentials does not answer",
})]
pub struct CredentialError {
    kind: BackendErrorKind,
    source: Box<dyn std::error::Error + Send + Sync + 'static>,
}

impl CredentialError {
    /// The source does not want to give us any, so that asking again is of no use.
    pub fn refused(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { kind: BackendErrorKind::Unauthenticated, source: source.into() }
    }

    /// The source cannot be reached now.
    pub fn unavailable(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { kind: BackendErrorKind::Unavailable, source: source.into() }
    }

    /// What it means to the caller of a backend.
    pub fn kind(&self) -> BackendErrorKind {
        self.kind
    }
}

/// Waits for credentials no longer than the call has time.
pub(crate) async fn within<T: fmt::Debug>(
    call: &crate::client::Call<'_>,
    credentials: impl Future<Output = Result<T, CredentialError>>,
) -> Result<T, fleetcert_dns::BackendError> {
    match fleetcert_ambient::timeout(call.http().clock(), call.left(), credentials).await {
        Ok(answer) => answer.map_err(|error| call.error(error.kind(), error)),
        Err(elapsed) => {
            let error = CredentialError::unavailable(elapsed);
            Err(call.error(error.kind(), error))
        }
    }
}
