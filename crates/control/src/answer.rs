//! What every answer has: a new nonce, and no place in a cache.

use std::time::SystemTime;

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use fleetcert_protocol::{Problem, request};
use serde::Serialize;

use crate::nonces::{NonceRefusal, Nonces};
use crate::problem;
use fleetcert_ambient::Ambient;

/// Makes answers.
pub(crate) struct Answers {
    nonces: Nonces,
    ambient: Ambient,
}

const REPLAY_NONCE: HeaderName = HeaderName::from_static(request::REPLAY_NONCE);

impl Answers {
    pub(crate) fn new(nonces: Nonces, ambient: Ambient) -> Self {
        Self { nonces, ambient }
    }

    pub(crate) fn now(&self) -> SystemTime {
        self.ambient.now()
    }

    pub(crate) fn redeem(&self, nonce: &str) -> Result<(), NonceRefusal> {
        self.nonces.redeem(nonce, self.ambient.now())
    }

    pub(crate) fn empty(&self) -> Response {
        self.with_nonce(StatusCode::NO_CONTENT.into_response())
    }

    pub(crate) fn give(&self, outcome: Result<impl Serialize, Problem>) -> Response {
        let response = match outcome {
            Ok(value) => axum::Json(value).into_response(),
            Err(problem) => refusal(&problem),
        };
        self.with_nonce(response)
    }

    /// A refusal with a status of its own, for what HTTP itself has a word.
    pub(crate) fn refuse(&self, status: StatusCode, problem: &Problem) -> Response {
        let mut response = refusal(problem);
        *response.status_mut() = status;
        self.with_nonce(response)
    }

    fn with_nonce(&self, mut response: Response) -> Response {
        let nonce = self.nonces.issue(self.ambient.now(), self.ambient.entropy.as_ref());
        let headers = response.headers_mut();
        if let Ok(value) = HeaderValue::from_str(&nonce) {
            headers.insert(REPLAY_NONCE, value);
        }
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

fn refusal(problem: &Problem) -> Response {
    let mut response = (problem::status(problem), axum::Json(problem)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(request::PROBLEM_TYPE));
    if let Some(seconds) = problem.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}
