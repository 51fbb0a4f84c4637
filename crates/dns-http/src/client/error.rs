//! Errors of requests to an API.

use std::fmt;

use fleetcert_dns::BackendErrorKind;
use http::{Method, StatusCode};
use url::Url;

type Source = Box<dyn std::error::Error + Send + Sync + 'static>;

/// A request to an API failed: the source of a [`BackendError`](fleetcert_dns::BackendError) of every backend of this
/// crate.
///
/// It shows the method, the URL without its query, and the beginning of the answer without secrets.
#[derive(Debug)]
pub struct ApiError {
    fault: ApiFault,
    method: Method,
    url: String,
    excerpt: String,
    source: Option<Source>,
}

/// The kind of an [`ApiError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ApiFault {
    /// The server could not be reached: no address, no connection, no TLS.
    NotReached,
    /// The deadline passed before the whole answer came.
    TooLate,
    /// The connection ended in the middle of the exchange.
    Broken,
    /// The answer has more octets than [`HttpOptions::max_body`](crate::HttpOptions::max_body).
    TooLong,
    /// The answer has this status, which is not a success.
    Status(u16),
    /// A web page where JSON or XML should be: of a proxy, a login, or another server.
    Html,
    /// Truncated JSON.
    TruncatedJson,
    /// Something else that is not JSON.
    NotJson,
    /// JSON of another form than that of the API.
    UnexpectedJson,
    /// Truncated XML.
    TruncatedXml,
    /// Something else that is not XML.
    NotXml,
    /// XML of another form than that of the API.
    UnexpectedXml,
    /// The API named a next page on another server; the token is not sent there.
    ForeignUrl,
}

impl ApiError {
    pub(super) fn new(fault: ApiFault, method: &Method, url: &Url, excerpt: String) -> Self {
        Self { fault, method: method.clone(), url: without_query(url), excerpt, source: None }
    }

    pub(super) fn caused_by(mut self, source: impl Into<Source>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Returns the kind.
    pub fn fault(&self) -> ApiFault {
        self.fault
    }

    /// Returns the URL of the request without its query.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns at most 200 characters of the answer, on one line, without secrets. Empty if there was none.
    pub fn excerpt(&self) -> &str {
        &self.excerpt
    }
}

/// A query can hold secrets and tokens of pages.
pub(super) fn without_query(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    url.into()
}

/// Returns the kind of a status, for the caller of a backend.
pub(super) fn kind_of(status: StatusCode) -> BackendErrorKind {
    match status.as_u16() {
        401 => BackendErrorKind::Unauthenticated,
        402 | 403 | 451 => BackendErrorKind::Refused,
        404 | 410 => BackendErrorKind::NotInZone,
        // 412: the condition of a write failed. 423: another process is writing.
        409 | 412 | 423 => BackendErrorKind::Conflict,
        429 => BackendErrorKind::Quota,
        408 | 425 | 500.. => BackendErrorKind::Unavailable,
        _ => BackendErrorKind::InvalidInput,
    }
}

impl fmt::Display for ApiFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Status(status) => return write!(f, "the answer is status {status}"),
            Self::NotReached => "the server could not be reached",
            Self::TooLate => "no whole answer came in time",
            Self::Broken => "the connection ended before the answer did",
            Self::TooLong => "the answer is longer than allowed",
            Self::Html => "the answer is a web page and not the API's; is the base URL right?",
            Self::TruncatedJson => "the answer is JSON that ends in its middle",
            Self::NotJson => "the answer is not JSON",
            Self::UnexpectedJson => "the answer is JSON of another kind than this API has",
            Self::TruncatedXml => "the answer is XML that ends in its middle",
            Self::NotXml => "the answer is not XML",
            Self::UnexpectedXml => "the answer is XML of another kind than this API has",
            Self::ForeignUrl => "the next page is said to be on another server",
        })
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.method, self.url, self.fault)?;
        if !self.excerpt.is_empty() {
            write!(f, ": {}", self.excerpt)?;
        }
        Ok(())
    }
}

impl std::error::Error for ApiError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.source {
            Some(source) => Some(&**source),
            None => None,
        }
    }
}
