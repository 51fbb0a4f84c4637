//! A request to an API.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, header};
use serde::Serialize;
use url::Url;

use super::{Endpoint, Outgoing};

/// Whether a request may reach the server twice. Each request decides it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// It is idempotent: after any failure that may pass, it is sent again.
    Harmless,
    /// It is not idempotent: it is sent again only if the server has certainly not carried it out.
    #[cfg_attr(
        not(any(feature = "acme-dns", feature = "digitalocean")),
        allow(dead_code, reason = "other providers have no such request")
    )]
    Harmful,
}

/// A request to an API.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    target: Target,
    query: Vec<(&'static str, String)>,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
    pub(crate) repeat: Repeat,
    pub(crate) reply_is_secret: bool,
}

#[derive(Clone, Debug)]
enum Target {
    Segments(Vec<String>),
    Url(Url),
}

#[allow(dead_code, reason = "most providers use a part of it")]
impl Request {
    /// Returns a request to the path of these segments below the base URL. An empty last segment ends the path with a slash.
    pub(crate) fn new<'a>(
        method: Method,
        segments: impl IntoIterator<Item = &'a str>,
        repeat: Repeat,
    ) -> Self {
        Self::to(method, Target::Segments(segments.into_iter().map(str::to_owned).collect()), repeat)
    }

    /// Returns a GET, which is safe to repeat (RFC 9110 section 9.2.1).
    pub(crate) fn get<'a>(segments: impl IntoIterator<Item = &'a str>) -> Self {
        Self::new(Method::GET, segments, Repeat::Harmless)
    }

    /// Returns a GET of a URL that the server named, such as its next page. It is sent only to the same origin.
    pub(crate) fn get_url(url: Url) -> Self {
        Self::to(Method::GET, Target::Url(url), Repeat::Harmless)
    }

    fn to(method: Method, target: Target, repeat: Repeat) -> Self {
        let body = Bytes::new();
        Self { method, target, query: vec![], headers: vec![], body, repeat, reply_is_secret: false }
    }

    /// Adds a pair to the query.
    pub(crate) fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    /// Adds a header.
    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Sets the body to this value as JSON.
    pub(crate) fn json(self, value: &impl Serialize) -> Self {
        let body = serde_json::to_vec(value).expect("the bodies of requests are maps with text keys");
        self.body("application/json", body.into())
    }

    /// Sets the body.
    pub(crate) fn body(mut self, content_type: &'static str, body: Bytes) -> Self {
        self.body = body;
        self.header(header::CONTENT_TYPE, HeaderValue::from_static(content_type))
    }

    /// Marks the answer as secret: no error shows a part of it.
    pub(crate) fn with_secret_reply(mut self) -> Self {
        self.reply_is_secret = true;
        self
    }

    /// Returns the request for one attempt.
    ///
    /// # Errors
    /// The URL, if it has another origin.
    pub(super) fn outgoing(&self, endpoint: &Endpoint) -> Result<Outgoing, Url> {
        let mut url = match &self.target {
            Target::Segments(segments) => endpoint.join(segments.iter().map(String::as_str)),
            Target::Url(url) if endpoint.has_same_origin(url) => url.clone(),
            Target::Url(url) => return Err(url.clone()),
        };
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        let mut headers: http::HeaderMap = self.headers.iter().cloned().collect();
        headers.entry(header::ACCEPT).or_insert(HeaderValue::from_static("application/json"));
        Ok(Outgoing { method: self.method.clone(), url, headers, body: self.body.clone() })
    }
}
