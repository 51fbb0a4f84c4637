//! One answer of the CA.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use crate::error::Fault;
use crate::{AcmeError, AcmeErrorKind, Operation, Problem, ProblemKind};

/// An answer, whole, and already known to be a good one.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Bytes,
}

impl Reply {
    /// The answer, if its status is a good one.
    pub(super) fn accepted(self) -> Result<Self, AcmeError> {
        if self.status.is_success() {
            return Ok(self);
        }
        let problem = Problem::parse(&self.body);
        let kind = kind(self.status, problem.as_ref(), self.retry_after);
        let status = Some(self.status.as_u16());
        let detail = if problem.is_none() { "there is no problem document" } else { "" };
        let fault = Fault { kind, status, retry_after: self.retry_after, problem, detail: detail.to_owned() };
        Err(fault.during(Operation::Setup))
    }

    /// Where the CA says that the object is.
    pub(crate) fn location(&self) -> Option<&str> {
        self.headers.get(http::header::LOCATION)?.to_str().ok()
    }
}

/// What Let's Encrypt writes, with the status and type of a reached limit, when it has paused a name.
const PAUSED: &str = "temporarily prevented from requesting certificates";

fn kind(status: StatusCode, problem: Option<&Problem>, retry_after: Option<Duration>) -> AcmeErrorKind {
    // Proxies and load balancers answer in HTML, or not at all: then the status alone speaks.
    match problem.map(|problem| &problem.kind) {
        Some(ProblemKind::BadNonce) => AcmeErrorKind::BadNonce,
        Some(ProblemKind::RateLimited) => {
            let paused =
                retry_after.is_none() && problem.is_some_and(|problem| problem.detail.contains(PAUSED));
            if paused { AcmeErrorKind::Paused } else { AcmeErrorKind::RateLimited }
        }
        Some(
            ProblemKind::AccountDoesNotExist
            | ProblemKind::ExternalAccountRequired
            | ProblemKind::UserActionRequired,
        ) => AcmeErrorKind::Account,
        Some(ProblemKind::OrderNotReady) => AcmeErrorKind::OrderNotReady,
        _ if status == StatusCode::TOO_MANY_REQUESTS => AcmeErrorKind::RateLimited,
        _ if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT => AcmeErrorKind::Unavailable,
        _ if status == StatusCode::NOT_FOUND || status == StatusCode::GONE => AcmeErrorKind::NotFound,
        Some(_) => AcmeErrorKind::Refused,
        None => AcmeErrorKind::Protocol,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind_of(status: u16, body: &str, retry_after: Option<u64>) -> AcmeErrorKind {
        let reply = Reply {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            retry_after: retry_after.map(Duration::from_secs),
            body: Bytes::copy_from_slice(body.as_bytes()),
        };
        reply.accepted().unwrap_err().kind()
    }

    fn acme(kind: &str, detail: &str) -> String {
        format!(r#"{{"type":"urn:ietf:params:acme:error:{kind}","detail":"{detail}"}}"#)
    }

    #[test]
    fn what_an_answer_means() {
        let paused = "Your account is temporarily prevented from requesting certificates for a.example and \
                      possibly others. Please visit: https://ca.test/unpause?jwt=x";
        for (status, body, retry_after, kind) in [
            (503, "<html>busy</html>".to_owned(), Some(7), AcmeErrorKind::Unavailable),
            (500, acme("serverInternal", ""), Some(60), AcmeErrorKind::Unavailable),
            (429, "<html>nginx</html>".to_owned(), None, AcmeErrorKind::RateLimited),
            (429, acme("rateLimited", "too many new orders"), Some(36), AcmeErrorKind::RateLimited),
            (429, acme("rateLimited", paused), None, AcmeErrorKind::Paused),
            (400, acme("badNonce", ""), None, AcmeErrorKind::BadNonce),
            (400, acme("accountDoesNotExist", ""), None, AcmeErrorKind::Account),
            (403, acme("orderNotReady", ""), None, AcmeErrorKind::OrderNotReady),
            (404, acme("malformed", "no such order"), None, AcmeErrorKind::NotFound),
            (409, acme("alreadyReplaced", ""), None, AcmeErrorKind::Refused),
            (403, acme("unauthorized", ""), None, AcmeErrorKind::Refused),
            (302, String::new(), None, AcmeErrorKind::Protocol),
            (403, "<html>proxy</html>".to_owned(), None, AcmeErrorKind::Protocol),
        ] {
            assert_eq!(kind_of(status, &body, retry_after), kind, "{status} {body}");
        }
    }
}
