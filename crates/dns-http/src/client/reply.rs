//! The answer to a request.

use bytes::Bytes;
use fleetcert_dns::{BackendError, BackendErrorKind};
use http::{HeaderMap, Method, StatusCode, header};
use serde::de::{DeserializeOwned, IgnoredAny};
use url::Url;

use super::excerpt::excerpt;
use super::{ApiError, ApiFault, Call};

/// An answer whose body is complete and within the bound.
#[derive(Debug)]
pub(crate) struct Reply<'a> {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) is_secret: bool,
    pub(super) call: Call<'a>,
}

impl Reply<'_> {
    /// Parses the body as JSON.
    ///
    /// # Errors
    /// `Unavailable` with an [`ApiError`] that says what came instead. The text of the parser is not shown: it
    /// repeats values.
    #[allow(dead_code, reason = "Route 53 has XML instead")]
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, BackendError> {
        serde_json::from_slice(&self.body).map_err(|_| {
            self.unusable(match serde_json::from_slice::<IgnoredAny>(&self.body) {
                _ if self.is_html() => ApiFault::Html,
                Ok(_) => ApiFault::UnexpectedJson,
                Err(error) if error.is_eof() => ApiFault::TruncatedJson,
                Err(_) => ApiFault::NotJson,
            })
        })
    }

    /// Returns the error for an answer that cannot be used.
    pub(crate) fn unusable(&self, fault: ApiFault) -> BackendError {
        self.call.error(BackendErrorKind::Unavailable, self.fault(fault))
    }

    pub(super) fn fault(&self, fault: ApiFault) -> ApiError {
        let shown = if self.is_secret {
            String::new()
        } else {
            excerpt(&self.call.conceal(&String::from_utf8_lossy(&self.body)))
        };
        ApiError::new(fault, &self.method, &self.url, shown)
    }

    /// Returns whether the answer is a web page. No API of this crate has any.
    pub(crate) fn is_html(&self) -> bool {
        let content_type = self.headers.get(header::CONTENT_TYPE).map(http::HeaderValue::as_bytes);
        content_type.is_some_and(|value| value.to_ascii_lowercase().starts_with(b"text/html"))
            || self.body.trim_ascii_start().starts_with(b"<!")
            || self.body.trim_ascii_start().get(..5).is_some_and(|start| start.eq_ignore_ascii_case(b"<html"))
    }
}
