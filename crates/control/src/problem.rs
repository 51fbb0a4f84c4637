//! What the engine's errors are to a device.

use std::error::Error;

use axum::http::StatusCode;
use fleetcert_engine::{AddressRefusal, EngineError, EngineErrorKind};
use fleetcert_protocol::{Problem, ProblemKind, ProtocolError, ProtocolErrorKind};

pub(crate) fn of_request(error: &ProtocolError) -> Problem {
    let kind = match error.kind() {
        ProtocolErrorKind::Unauthenticated => ProblemKind::Unauthenticated,
        ProtocolErrorKind::PrivateKeySent => ProblemKind::PrivateKeySent,
        _ => ProblemKind::Malformed,
    };
    Problem::new(kind, &error.to_string())
}

pub(crate) fn of_engine(error: &EngineError) -> Problem {
    let kind = match error.kind() {
        EngineErrorKind::Unauthenticated => ProblemKind::Unauthenticated,
        EngineErrorKind::TokenUnknown => ProblemKind::TokenUnknown,
        EngineErrorKind::TokenUsed => ProblemKind::TokenUsed,
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
        ProblemKind::Unavailable => "the control server cannot do it now".to_owned(),
        _ => error.to_string(),
    };
    let mut problem = Problem::new(kind, &detail);
    if let Some(code) = error.code() {
        problem = problem.with_code(code);
    }
    if let Some(refusal) = error.source().and_then(|source| source.downcast_ref::<AddressRefusal>()) {
        problem = problem.with_address(refusal.address);
    }
    match error.retry_after() {
        Some(wait) => problem.with_retry_after(wait.as_secs().max(1)),
        None => problem,
    }
}

pub(crate) fn status(problem: &Problem) -> StatusCode {
    match problem.kind {
        ProblemKind::Unauthenticated => StatusCode::UNAUTHORIZED,
        ProblemKind::Denied | ProblemKind::TokenUnknown | ProblemKind::TokenUsed => StatusCode::FORBIDDEN,
        ProblemKind::KeyInUse | ProblemKind::LabelTaken => StatusCode::CONFLICT,
        ProblemKind::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        ProblemKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ProblemKind::NotFound => StatusCode::NOT_FOUND,
        _ => StatusCode::BAD_REQUEST,
    }
}
