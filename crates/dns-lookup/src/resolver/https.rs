//! DNS over HTTPS (RFC 8484).

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;

use fleetcert_dns_wire::ExchangeErrorKind;
use fleetcert_https::{BodyError, read_body};
use fleetcert_names::DomainName;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use reqwest::{StatusCode, Url};

use super::{Resolver, ResolverError, Way};
use crate::{LookupError, LookupErrorKind};

/// A URL that takes questions, and the client that asks.
#[derive(Debug)]
pub(crate) struct HttpsWay {
    url: Url,
    client: reqwest::Client,
}

const DNS_MESSAGE: HeaderValue = HeaderValue::from_static("application/dns-message");
/// The most octets of a DNS message.
const MAX_BODY: usize = u16::MAX as usize;

impl Resolver {
    /// DNS over HTTPS (RFC 8484): questions go to `url` by POST. `client` says which roots are trusted and which
    /// address the URL's host has; [`fleetcert_https::ClientBuilder`] makes one that follows no redirects. Without
    /// an address in the client, the host is looked up as any program of the system does.
    ///
    /// # Errors
    /// [`ResolverError::Url`].
    ///
    /// ```
    /// use fleetcert_dns_lookup::Resolver;
    /// use fleetcert_https::ClientBuilder;
    ///
    /// let client = ClientBuilder::new("my-server/1.0")
    ///     .into_reqwest()
    ///     .resolve("dns.example", "192.0.2.53:443".parse()?)
    ///     .build()?;
    /// let resolver = Resolver::https("https://dns.example/dns-query", client)?;
    /// assert_eq!(resolver.to_string(), "https://dns.example/dns-query");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn https(url: &str, client: reqwest::Client) -> Result<Self, ResolverError> {
        let url = Url::parse(url).map_err(|_| ResolverError::Url)?;
        if url.scheme() != "https" || !url.has_host() {
            return Err(ResolverError::Url);
        }
        Ok(Self { way: Way::Https(Arc::new(HttpsWay { url, client })) })
    }
}

impl HttpsWay {
    /// Sends one message and reads one; that it answers the question is for the caller to see.
    pub(crate) async fn exchange(&self, name: &DomainName, message: Vec<u8>) -> Result<Vec<u8>, LookupError> {
        let error = |kind| LookupError::new(kind, self, name);
        let request = self
            .client
            .post(self.url.clone())
            .header(CONTENT_TYPE, DNS_MESSAGE)
            .header(ACCEPT, DNS_MESSAGE)
            .body(message);
        // The URL may have a secret in its path, which some resolvers give to their customers.
        let failed = |failure: reqwest::Error| {
            let kind = kind_of(&failure);
            error(kind).caused_by(failure.without_url())
        };
        let response = request.send().await.map_err(failed)?;
        if response.status() != StatusCode::OK {
            return Err(error(LookupErrorKind::HttpStatus(response.status().as_u16())));
        }
        if response.headers().get(CONTENT_TYPE).is_none_or(|kind| !is_dns_message(kind)) {
            return Err(error(LookupErrorKind::BadAnswer));
        }
        read_body(response, MAX_BODY).await.map_err(|failure| match failure {
            BodyError::Broken(failure) => failed(failure),
            other => error(LookupErrorKind::BadAnswer).caused_by(other),
        })
    }
}

fn is_dns_message(kind: &HeaderValue) -> bool {
    let essence = kind.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/dns-message")
}

fn kind_of(failure: &reqwest::Error) -> LookupErrorKind {
    if failure.is_timeout() {
        return LookupErrorKind::TimedOut;
    }
    let mut cause = failure.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref() {
            return ExchangeErrorKind::of_tls(error).into();
        }
        let io = error.downcast_ref::<io::Error>();
        match io.map(io::Error::kind) {
            Some(io::ErrorKind::ConnectionRefused) => return LookupErrorKind::Unreachable,
            Some(io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable) => {
                return LookupErrorKind::NoRoute;
            }
            _ => {}
        }
        // The source of an I/O error is that of the error inside it; the inner one itself is wanted too.
        cause = match io.and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    if failure.is_connect() { LookupErrorKind::Unreachable } else { LookupErrorKind::BadAnswer }
}

/// The URL without its query and without what stands before an `@`.
impl fmt::Display for HttpsWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}", self.url.host_str().unwrap_or_default())?;
        if let Some(port) = self.url.port() {
            write!(f, ":{port}")?;
        }
        f.write_str(self.url.path())
    }
}
