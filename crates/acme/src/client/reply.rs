//! One reply of the CA.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use crate::error::Fault;
use crate::{AcmeError, AcmeErrorKind, Operation, Problem, ProblemKind, RateLimit};

/// A whole reply.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Bytes,
}

impl Reply {
    /// Returns the reply if its status is 2xx, and otherwise the fault that it is.
    pub(super) fn accepted(self, now: SystemTime) -> Result<Self, AcmeError> {
        if self.status.is_success() {
            return Ok(self);
        }
        let (problem, detail) = Problem::parse(&self.body).unzip();
        let kind = kind(self.status, problem.as_ref());
        // A busy server answers 503; Boulder does so with the type of a limit, though no limit is reached.
        let limited = kind == AcmeErrorKind::RateLimited && self.status != StatusCode::SERVICE_UNAVAILABLE;
        let limit =
            limited.then(|| RateLimit::read(detail.as_deref().unwrap_or_default(), self.retry_after, now));
        let kind = if matches!(limit, Some(RateLimit::Paused(_))) { AcmeErrorKind::Paused } else { kind };
        let status = Some(self.status.as_u16());
        let detail = if problem.is_none() { "the answer has no problem document" } else { "" };
        let retry_after = self.retry_after;
        let fault = Fault { status, retry_after, problem, limit, ..Fault::new(kind, detail) };
        Err(fault.during(Operation::Setup))
    }

    /// Returns the targets of the links with a relation (RFC 8288), as they are written.
    pub(crate) fn links(&self, relation: &str) -> Vec<String> {
        let headers = self.headers.get_all(http::header::LINK).iter().filter_map(|value| value.to_str().ok());
        headers.flat_map(|value| links(value, relation)).map(str::to_owned).collect()
    }

    /// Returns the URL of the object, if the CA names it.
    pub(crate) fn location(&self) -> Option<&str> {
        self.headers.get(http::header::LOCATION)?.to_str().ok()
    }
}

fn links<'a>(header: &'a str, relation: &str) -> Vec<&'a str> {
    let mut found = Vec::new();
    for link in header.split('<').skip(1) {
        let Some((target, parameters)) = link.split_once('>') else { continue };
        let is_relation = |parameter: &str| {
            let Some((name, value)) = parameter.split_once('=') else { return false };
            let value = value.trim_matches(['"', ',', ' ', '\t']);
            name.trim().eq_ignore_ascii_case("rel")
                && value.split_ascii_whitespace().any(|one| one.eq_ignore_ascii_case(relation))
        };
        if parameters.split(';').any(is_relation) {
            found.push(target);
        }
    }
    found
}

fn kind(status: StatusCode, problem: Option<&Problem>) -> AcmeErrorKind {
    // Proxies and load balancers answer in HTML or without a body: then the status decides.
    match problem.map(|problem| &problem.kind) {
        Some(ProblemKind::BadNonce) => AcmeErrorKind::BadNonce,
        Some(ProblemKind::RateLimited) => AcmeErrorKind::RateLimited,
        Some(
            ProblemKind::AccountDoesNotExist
            | ProblemKind::ExternalAccountRequired
            | ProblemKind::UserActionRequired,
        ) => AcmeErrorKind::Account,
        Some(ProblemKind::OrderNotReady) => AcmeErrorKind::OrderNotReady,
        _ if status == StatusCode::TOO_MANY_REQUESTS => AcmeErrorKind::RateLimited,
        _ if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT => AcmeErrorKind::Unavailable,
        // A deactivated account (RFC 8555 section 7.3.6).
        Some(ProblemKind::Unauthorized) if status == StatusCode::UNAUTHORIZED => AcmeErrorKind::Account,
        Some(_) if status == StatusCode::NOT_FOUND || status == StatusCode::GONE => AcmeErrorKind::NotFound,
        Some(_) => AcmeErrorKind::Refused,
        None => AcmeErrorKind::Protocol,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(status: u16, body: &str, retry_after: Option<u64>) -> Fault {
        let reply = Reply {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            retry_after: retry_after.map(Duration::from_secs),
            body: Bytes::copy_from_slice(body.as_bytes()),
        };
        reply.accepted(SystemTime::UNIX_EPOCH).unwrap_err().into()
    }

    fn acme(kind: &str, detail: &str) -> String {
        format!(r#"{{"type":"urn:ietf:params:acme:error:{kind}","detail":"{detail}"}}"#)
    }

    #[test]
    fn reply_has_the_kind_of_its_problem_and_status() {
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
            (401, acme("unauthorized", ""), None, AcmeErrorKind::Account),
            (404, "<html>no route</html>".to_owned(), None, AcmeErrorKind::Protocol),
            (404, r#"{"message":"no route"}"#.to_owned(), None, AcmeErrorKind::Protocol),
            (410, acme("malformed", "the order has expired"), None, AcmeErrorKind::NotFound),
            (302, String::new(), None, AcmeErrorKind::Protocol),
            (403, "<html>proxy</html>".to_owned(), None, AcmeErrorKind::Protocol),
        ] {
            let fault = fault(status, &body, retry_after);
            assert_eq!(fault.kind, kind, "{status} {body}");
            let limited = matches!(kind, AcmeErrorKind::RateLimited | AcmeErrorKind::Paused);
            assert_eq!(fault.limit.is_some(), limited, "{status} {body}");
            // The page that lifts a pause is for the operator alone.
            assert!(!fault.to_string().contains("unpause"), "{fault}");
        }
        let shed = fault(503, &acme("rateLimited", "Service busy; retry later."), None);
        assert_eq!((shed.kind, shed.limit), (AcmeErrorKind::RateLimited, None));
        let forbidden = fault(403, &acme("rateLimited", ""), None);
        assert!(matches!(forbidden.limit, Some(RateLimit::Reached(_))));
    }

    #[test]
    fn links_of_a_relation_are_found() {
        for (header, found) in [
            (r#"<https://ca.test/a>;rel="alternate""#, &["https://ca.test/a"][..]),
            (r#"<a>; rel=alternate, <b>;title="x, y";REL="index Alternate" , <c>;rel="index""#, &["a", "b"]),
            (r#"<a>;rel="alternates""#, &[]),
            ("<a;rel=alternate", &[]),
            ("<a>", &[]),
            ("", &[]),
        ] {
            assert_eq!(links(header, "alternate"), found, "{header}");
        }
    }

    #[test]
    fn long_url_of_a_pause_is_kept_whole() {
        let url = format!("https://ca.test/unpause?jwt={}", "x".repeat(4000));
        let paused = format!(
            "Your account is temporarily prevented from requesting certificates for a.example and possibly \
             others. Please visit: {url}"
        );
        let fault = fault(429, &acme("rateLimited", &paused), None);
        let Some(RateLimit::Paused(pause)) = fault.limit else { panic!("{fault:?}") };
        assert_eq!(pause.unpause_url(), Some(&*url));
        let problem = fault.problem.unwrap();
        assert!(problem.detail.ends_with("and possibly others."), "{problem}");
    }
}
