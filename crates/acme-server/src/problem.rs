//! Problem documents (RFC 8555 section 6.7, RFC 7807).

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use fleetcert_jose::ProblemKind;
use fleetcert_names::Identifier;
use http::header::{CONTENT_TYPE, LINK, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};

use crate::answer::{link, seconds};
use crate::request::ALGORITHMS;

/// Reason why a request or a challenge failed, as the client sees it.
///
/// It has the status code that RFC 8555 or, where that leaves it open, Boulder gives the kind. Inside an
/// [`Issuer`](crate::Issuer) it is the error type.
///
/// ```
/// use fleetcert_acme_server::{Problem, ProblemKind};
/// use std::time::Duration;
///
/// let problem = Problem::new(ProblemKind::RateLimited, "too many new orders from this account")
///     .with_retry_after(Duration::from_secs(36));
/// assert_eq!(problem.status(), 429);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}: {detail}")]
pub struct Problem {
    kind: ProblemKind,
    detail: Box<str>,
    status: StatusCode,
    retry_after: Option<Duration>,
    help: Option<Box<str>>,
    identifier: Option<Box<str>>,
    subproblems: Box<[Problem]>,
}

/// Returns the status code of a kind. Kinds that RFC 8555 does not define are the client's fault.
fn status(kind: &ProblemKind) -> StatusCode {
    match kind {
        ProblemKind::AlreadyReplaced => StatusCode::CONFLICT,
        ProblemKind::Caa | ProblemKind::OrderNotReady | ProblemKind::Unauthorized => StatusCode::FORBIDDEN,
        ProblemKind::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        ProblemKind::ServerInternal => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_REQUEST,
    }
}

/// A foreign identifier is repeated up to this length.
const MAX_IDENTIFIER: usize = 255;

impl Problem {
    /// A problem of `kind`; `detail` is one sentence for people.
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self {
            status: status(&kind),
            kind,
            detail: detail.into().into(),
            retry_after: None,
            help: None,
            identifier: None,
            subproblems: Box::default(),
        }
    }

    /// Returns the problem of an order whose identifiers are refused in part, as Boulder does: one refusal is the
    /// problem itself, several are subproblems (RFC 8555 section 6.7.1). Returns `None` without a refusal.
    pub fn of_identifiers(refusals: Vec<(Identifier, Problem)>) -> Option<Self> {
        Self::of_values(refusals.into_iter().map(|(it, problem)| (it.to_string(), problem)).collect())
    }

    pub(crate) fn of_values(mut refusals: Vec<(String, Problem)>) -> Option<Self> {
        if refusals.len() == 1 {
            return refusals.pop().map(|(_, problem)| problem);
        }
        let (kind, status) = refusals.first().map(|(_, problem)| (problem.kind.clone(), problem.status))?;
        let detail = format!("{} identifiers are refused; see the subproblems", refusals.len());
        let subproblems = refusals
            .into_iter()
            .map(|(identifier, problem)| Problem {
                identifier: Some(identifier.chars().take(MAX_IDENTIFIER).collect()),
                ..problem
            })
            .collect();
        Some(Self { status, subproblems, ..Self::new(kind, detail) })
    }

    /// The same with another status code; one that is not an error becomes 500.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = StatusCode::from_u16(status)
            .ok()
            .filter(|status| status.is_client_error() || status.is_server_error())
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        self
    }

    /// The same with a `Retry-After` header, in whole seconds, rounded up.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// The same with a `Link` header of relation `help`: a page that explains the limit (RFC 8555 section 6.6).
    #[must_use]
    pub fn with_help(mut self, url: impl Into<Box<str>>) -> Self {
        self.help = Some(url.into());
        self
    }

    pub(crate) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(ProblemKind::Malformed, detail)
    }

    pub(crate) fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(ProblemKind::Unauthorized, detail)
    }

    /// Boulder and Pebble say it so too: RFC 8555 has no type of its own for it.
    pub(crate) fn not_found(what: &str) -> Self {
        Self::malformed(format!("there is no such {what}")).with_status(404)
    }

    pub(crate) fn busy() -> Self {
        Self::new(ProblemKind::RateLimited, "the server is busy, try again later")
            .with_status(503)
            .with_retry_after(Duration::from_secs(10))
    }

    /// Returns the error type.
    pub fn kind(&self) -> ProblemKind {
        self.kind.clone()
    }

    /// The sentence for people.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The status code of the answer.
    pub fn status(&self) -> u16 {
        self.status.as_u16()
    }

    /// When the client should try again.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The page that explains it.
    pub fn help(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// The problems of the single names.
    pub fn subproblems(&self) -> &[Problem] {
        &self.subproblems
    }

    /// The document.
    pub(crate) fn to_json(&self) -> Value {
        let mut document = json!({
            "type": self.kind,
            "detail": self.detail,
            "status": self.status(),
        });
        if let Some(name) = &self.identifier {
            document["identifier"] = json!({ "type": "dns", "value": name });
        }
        // RFC 8555 section 6.2.
        if self.kind == ProblemKind::BadSignatureAlgorithm {
            document["algorithms"] = json!(ALGORITHMS);
        }
        if !self.subproblems.is_empty() {
            document["subproblems"] = self.subproblems.iter().map(Self::to_json).collect();
        }
        document
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.to_json().to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(wait) = self.retry_after {
            headers.insert(RETRY_AFTER, seconds(wait));
        }
        if let Some(url) = &self.help {
            headers.append(LINK, link(url, "help"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(name: &str) -> (Identifier, Problem) {
        (name.parse().unwrap(), Problem::new(ProblemKind::RejectedIdentifier, "not ours"))
    }

    #[test]
    fn one_refused_name_has_no_subproblems() {
        assert_eq!(Problem::of_identifiers(Vec::new()), None);
        let one = Problem::of_identifiers(vec![refused("a.test")]).unwrap();
        assert_eq!((one.detail(), one.subproblems().len()), ("not ours", 0));
    }

    #[test]
    fn several_refused_names_have_one_each() {
        let two = Problem::of_identifiers(vec![refused("a.test"), refused("b.test")]).unwrap();
        let document = two.to_json();
        assert_eq!(document["type"], "urn:ietf:params:acme:error:rejectedIdentifier");
        assert_eq!(document["subproblems"][1]["identifier"]["value"], "b.test");
        assert_eq!(document["subproblems"][1]["status"], 400);
    }
}
