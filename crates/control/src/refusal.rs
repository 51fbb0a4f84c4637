//! Why a request is refused: what the device reads, and what our own log keeps.

use std::error::Error;
use std::fmt;

use axum::http::StatusCode;
use fleetcert_engine::{AddressRefusal, EngineError, EngineErrorKind};
use fleetcert_protocol::{Problem, ProblemKind, ProtocolError, ProtocolErrorKind};

/// A problem for the device, and its cause where that is for our own log alone.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) problem: Box<Problem>,
    pub(crate) cause: Option<String>,
}

impl Refusal {
    /// Refuses with the status that belongs to the problem's kind.
    pub(crate) fn new(problem: Problem) -> Self {
        Self { status: status(&problem.kind), problem: Box::new(problem), cause: None }
    }

    /// Returns the refusal with a status of its own, where HTTP has a more precise one.
    pub(crate) fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// Returns the refusal with what caused it.
    pub(crate) fn with_cause(self, cause: &dyn fmt::Display) -> Self {
        Self { cause: Some(cause.to_string()), ..self }
    }
}

impl From<ProtocolError> for Refusal {
    fn from(error: ProtocolError) -> Self {
        let kind = match error.kind() {
            ProtocolErrorKind::Unauthenticated => ProblemKind::Unauthenticated,
            ProtocolErrorKind::PrivateKeySent => ProblemKind::PrivateKeySent,
            _ => ProblemKind::Malformed,
        };
        Self::new(Problem::new(kind, &error.to_string()))
    }
}

impl From<EngineError> for Refusal {
    fn from(error: EngineError) -> Self {
        let kind = match error.kind() {
            EngineErrorKind::Unauthenticated => ProblemKind::Unauthenticated,
            EngineErrorKind::EnrolmentRefused => ProblemKind::EnrolmentRefused,
            EngineErrorKind::KeyInUse => ProblemKind::KeyInUse,
            EngineErrorKind::LabelTaken => ProblemKind::LabelTaken,
            EngineErrorKind::LabelNotAllowed => ProblemKind::LabelNotAllowed,
            EngineErrorKind::AddressNotAllowed => ProblemKind::AddressNotAllowed,
            EngineErrorKind::CsrRefused => ProblemKind::CsrRefused,
            EngineErrorKind::NotFound => ProblemKind::NotFound,
            EngineErrorKind::RateLimited => ProblemKind::RateLimited,
            EngineErrorKind::Unavailable | EngineErrorKind::Corrupt => ProblemKind::Unavailable,
            _ => ProblemKind::Denied,
        };
        // What our own store says is for our own log.
        let detail = match kind {
            ProblemKind::Unavailable => {
                "the control server is temporarily unavailable; try again later".to_owned()
            }
            _ => error.to_string(),
        };
        let mut problem = Problem::new(kind, &detail);
        if let Some(code) = error.code() {
            problem = problem.with_code(code);
        }
        if let Some(refused) = error.source().and_then(|source| source.downcast_ref::<AddressRefusal>()) {
            problem = problem.with_address(refused.address);
        }
        if let Some(wait) = error.retry_after() {
            problem = problem.with_retry_after(wait.as_secs().max(1));
        }
        Self::new(problem).with_cause(&error)
    }
}

fn status(kind: &ProblemKind) -> StatusCode {
    match kind {
        ProblemKind::Unauthenticated => StatusCode::UNAUTHORIZED,
        ProblemKind::Denied | ProblemKind::EnrolmentRefused => StatusCode::FORBIDDEN,
        ProblemKind::KeyInUse | ProblemKind::LabelTaken => StatusCode::CONFLICT,
        ProblemKind::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        ProblemKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ProblemKind::NotFound => StatusCode::NOT_FOUND,
        _ => StatusCode::BAD_REQUEST,
    }
}
