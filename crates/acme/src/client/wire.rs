//! Bounded requests to one CA.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use fleetcert_ambient::{Ambient, retry_after, timeout};
use fleetcert_https::{BodyError, read_body};
use http::header::{CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::response::Parts;
use http::{HeaderValue, Method};
use reqwest::Url;
use tokio::sync::Semaphore;

use super::nonce_pool::{NoncePool, replay_nonce};
use super::reply::Reply;
use super::traffic::{Counters, Purpose};
use crate::{AcmeError, AcmeErrorKind, Operation, Traffic, Transport};

/// What carries the requests.
pub(super) enum HttpClient {
    Network(reqwest::Client),
    Transport { transport: Arc<dyn Transport>, user_agent: HeaderValue },
}

/// Connections to one CA, shared by its accounts.
pub(super) struct Wire {
    http: HttpClient,
    request_timeout: Duration,
    directory_url: Url,
    ambient: Ambient,
    nonces: NoncePool,
    nonce_fetches: Semaphore,
    counters: Counters,
}

const JOSE: &str = "application/jose+json";
const MAX_BODY: usize = 1 << 20;
const MAX_URL: usize = 1024;
/// Longest wait that is read from a reply.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(30 * 86_400);
/// Maximum newNonce requests at a time. Let's Encrypt allows 20 a second.
const MAX_NONCE_FETCHES: usize = 4;

impl Wire {
    pub(super) fn new(
        http: HttpClient,
        request_timeout: Duration,
        directory_url: Url,
        ambient: Ambient,
    ) -> Self {
        Self {
            http,
            request_timeout,
            directory_url,
            ambient,
            nonces: NoncePool::default(),
            nonce_fetches: Semaphore::new(MAX_NONCE_FETCHES),
            counters: Counters::default(),
        }
    }

    /// Sends a request and reads the whole reply; any status but 2xx is an error. The reply's nonce goes into the pool.
    /// No redirect is followed, and no URL outside the directory's origin is requested: an object of the CA must not
    /// send our signature elsewhere.
    pub(super) async fn exchange(
        &self,
        purpose: Purpose,
        method: Method,
        url: &str,
        jose: Option<Bytes>,
    ) -> Result<Reply, AcmeError> {
        let (reply, nonce) = self.send(purpose, method, url, jose).await?;
        if let Some(nonce) = nonce {
            self.nonces.put(nonce, self.now());
        }
        reply.accepted(self.now())
    }

    /// Returns the newest nonce of the pool, or fetches one.
    pub(super) async fn nonce(&self, new_nonce_url: &str) -> Result<String, AcmeError> {
        if let Some(nonce) = self.nonces.take(self.now()) {
            return Ok(nonce);
        }
        let _turn = self.nonce_fetches.acquire().await.expect("the semaphore is never closed");
        // A call before this one in the queue may have fetched one.
        if let Some(nonce) = self.nonces.take(self.now()) {
            return Ok(nonce);
        }
        let (reply, nonce) = self.send(Purpose::NewNonce, Method::HEAD, new_nonce_url, None).await?;
        reply.accepted(self.now())?;
        nonce.ok_or_else(|| AcmeError::protocol("the answer to newNonce has no nonce"))
    }

    async fn send(
        &self,
        purpose: Purpose,
        method: Method,
        url: &str,
        jose: Option<Bytes>,
    ) -> Result<(Reply, Option<String>), AcmeError> {
        let own_url = self.own_url(url)?;
        self.counters.count(purpose);
        let (parts, body) = match &self.http {
            HttpClient::Network(client) => self.send_by_network(client, method, own_url, jose).await?,
            HttpClient::Transport { transport, user_agent } => {
                let request = http::Request::builder().method(method).uri(own_url.as_str());
                let request = request.header(USER_AGENT, user_agent);
                let request = match &jose {
                    Some(_) => request.header(CONTENT_TYPE, JOSE),
                    None => request,
                };
                let request = request
                    .body(jose.unwrap_or_default())
                    .map_err(|error| AcmeError::protocol("the URL is not one of HTTP").because(error))?;
                self.send_by_transport(&**transport, request, url).await?
            }
        };
        let nonce = replay_nonce(&parts.headers);
        let wait = parts.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after = wait.and_then(|value| retry_after(value, self.now(), MAX_RETRY_AFTER));
        Ok((Reply { status: parts.status, headers: parts.headers, retry_after, body }, nonce))
    }

    async fn send_by_network(
        &self,
        client: &reqwest::Client,
        method: Method,
        url: Url,
        jose: Option<Bytes>,
    ) -> Result<(Parts, Bytes), AcmeError> {
        let mut request = client.request(method, url.clone());
        if let Some(jose) = jose {
            request = request.header(CONTENT_TYPE, JOSE).body(jose);
        }
        let unreachable = |error| self.unreachable(url.as_str(), error);
        let mut response = request.send().await.map_err(unreachable)?;
        let (mut parts, ()) = http::Response::new(()).into_parts();
        parts.status = response.status();
        parts.headers = std::mem::take(response.headers_mut());
        let body = read_body(response, MAX_BODY).await.map_err(|error| match error {
            BodyError::Broken(error) => unreachable(error),
            error => AcmeError::protocol("the answer is too large").because(error),
        })?;
        Ok((parts, body.into()))
    }

    async fn send_by_transport(
        &self,
        transport: &dyn Transport,
        request: http::Request<Bytes>,
        url: &str,
    ) -> Result<(Parts, Bytes), AcmeError> {
        let unreachable =
            |detail: String| AcmeError::new(AcmeErrorKind::Unreachable, Operation::Setup, detail);
        let answer = timeout(&*self.ambient.clock, self.request_timeout, transport.send(request)).await;
        let answer = answer.map_err(|elapsed| unreachable(self.timed_out(url)).because(elapsed))?;
        let answer = answer.map_err(|error| {
            unreachable(format!("no answer from {url}: {}", crate::problem::bounded(&error.to_string(), 200)))
                .because(error)
        })?;
        if answer.body().len() > MAX_BODY {
            return Err(AcmeError::protocol("the answer is too large"));
        }
        Ok(answer.into_parts())
    }

    fn timed_out(&self, url: &str) -> String {
        format!("no answer from {url}: timed out after {} s", self.request_timeout.as_secs_f32())
    }

    /// Returns the URL if it is of the directory's origin.
    pub(super) fn own_url(&self, text: &str) -> Result<Url, AcmeError> {
        // The parser drops tabs and line ends; what is stored and shown must be what is requested.
        let plain = text.len() <= MAX_URL && text.bytes().all(|byte| byte.is_ascii_graphic());
        let url = plain.then(|| Url::parse(text).ok()).flatten();
        match url {
            Some(url)
                if url.origin() == self.directory_url.origin()
                    && url.username().is_empty()
                    && url.password().is_none() =>
            {
                Ok(url)
            }
            _ => Err(AcmeError::protocol(format!(
                "the URL {} is not on {}",
                crate::problem::bounded(text, 200),
                self.directory_url.origin().ascii_serialization()
            ))),
        }
    }

    /// Returns the error of a request without a complete answer; it names the URL, with its port, and the cause.
    fn unreachable(&self, url: &str, error: reqwest::Error) -> AcmeError {
        let error = error.without_url();
        let detail = if error.is_timeout() {
            self.timed_out(url)
        } else if error.is_connect() {
            format!("cannot connect to {url}: {}", cause(&error))
        } else {
            format!("the connection for {url} broke: {}", cause(&error))
        };
        AcmeError::new(AcmeErrorKind::Unreachable, Operation::Setup, detail).because(error)
    }

    pub(super) fn directory_url(&self) -> &Url {
        &self.directory_url
    }

    pub(super) fn traffic(&self) -> Traffic {
        self.counters.read()
    }

    pub(super) fn now(&self) -> SystemTime {
        self.ambient.now()
    }
}

/// Explanation of the error of rustls for a server whose certificate is marked as a CA.
const CA_AS_SERVER: (&str, &str) = (
    "CaUsedAsEndEntity",
    "its certificate is marked as a CA; make one with basicConstraints=CA:FALSE, or trust the CA that signed it",
);

/// Returns the innermost cause of an error, for people.
fn cause(error: &reqwest::Error) -> String {
    let mut deepest: &dyn std::error::Error = error;
    while let Some(below) = deepest.source() {
        deepest = below;
    }
    let text = deepest.to_string();
    match CA_AS_SERVER {
        (code, words) if text.contains(code) => words.to_owned(),
        _ => crate::problem::bounded(&text, 200),
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").field("directory", &self.directory_url.as_str()).finish_non_exhaustive()
    }
}
