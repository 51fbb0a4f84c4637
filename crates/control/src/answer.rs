//! Answers: each has a new nonce and no place in a cache, and a server error leaves a line in the log.

use std::time::SystemTime;

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use fleetcert_ambient::Ambient;
use fleetcert_protocol::{EnrolmentAnswer, request};
use serde::Serialize;

use crate::nonces::{NonceRefusal, Nonces};
use crate::refusal::Refusal;

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

    pub(crate) fn give(&self, outcome: Result<impl Serialize, Refusal>) -> Response {
        match outcome {
            Ok(value) => self.with_nonce(axum::Json(value).into_response()),
            Err(refusal) => self.refuse(refusal),
        }
    }

    /// Gives the answer to an enrolment: 202 with `Retry-After` while it is pending.
    pub(crate) fn give_enrolment(&self, outcome: Result<EnrolmentAnswer, Refusal>) -> Response {
        let wait = match &outcome {
            Ok(EnrolmentAnswer::Pending(pending)) => Some(pending.retry_after),
            _ => None,
        };
        let mut response = self.give(outcome);
        if let Some(seconds) = wait {
            *response.status_mut() = StatusCode::ACCEPTED;
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }

    pub(crate) fn refuse(&self, refusal: Refusal) -> Response {
        let Refusal { status, problem, cause } = refusal;
        if status.is_server_error() {
            let cause = cause.as_deref().unwrap_or(&problem.detail);
            tracing::error!(status = status.as_u16(), cause, "a request of a device failed");
        }
        let retry_after = problem.retry_after;
        let mut response = (status, axum::Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(request::PROBLEM_TYPE));
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
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
