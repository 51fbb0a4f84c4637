//! One request to the CA and its answer, bounded.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use fleetcert_ambient::Clock;
use fleetcert_https::{BodyError, read_body};
use http::Method;
use http::header::CONTENT_TYPE;
use reqwest::Url;
use tokio::sync::Semaphore;

use super::nonce_pool::{NoncePool, replay_nonce};
use super::reply::Reply;
use super::retry_after::retry_after;
use super::traffic::{Counters, Purpose};
use crate::{AcmeError, AcmeErrorKind, Operation, Traffic};

/// The connection to one CA, shared by all that talk to it.
pub(super) struct Wire {
    http: reqwest::Client,
    directory_url: Url,
    clock: Arc<dyn Clock>,
    nonces: NoncePool,
    nonce_fetches: Semaphore,
    counters: Counters,
}

const MAX_BODY: usize = 1 << 20;
const MAX_URL: usize = 1024;
/// Let's Encrypt allows 20 of them in a second.
const NONCE_FETCHES_AT_ONCE: usize = 4;

impl Wire {
    pub(super) fn new(http: reqwest::Client, directory_url: Url, clock: Arc<dyn Clock>) -> Self {
        Self {
            http,
            directory_url,
            clock,
            nonces: NoncePool::default(),
            nonce_fetches: Semaphore::new(NONCE_FETCHES_AT_ONCE),
            counters: Counters::default(),
        }
    }

    /// Sends a request and reads the whole answer; anything but 2xx is an error. The answer's nonce goes into the
    /// pool. No redirect is followed, and no URL outside the directory's origin is asked: an object of the CA must
    /// not send us elsewhere with our signature.
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

    /// A nonce: the newest of the pool, or else one that is asked for.
    pub(super) async fn nonce(&self, new_nonce_url: &str) -> Result<String, AcmeError> {
        if let Some(nonce) = self.nonces.take(self.now()) {
            return Ok(nonce);
        }
        let _turn = self.nonce_fetches.acquire().await.expect("the semaphore is never closed");
        // Whoever was before us in the queue may have brought one.
        if let Some(nonce) = self.nonces.take(self.now()) {
            return Ok(nonce);
        }
        let (reply, nonce) = self.send(Purpose::NewNonce, Method::HEAD, new_nonce_url, None).await?;
        reply.accepted(self.now())?;
        nonce.ok_or_else(|| AcmeError::protocol("newNonce gives no nonce"))
    }

    async fn send(
        &self,
        purpose: Purpose,
        method: Method,
        url: &str,
        jose: Option<Bytes>,
    ) -> Result<(Reply, Option<String>), AcmeError> {
        let mut request = self.http.request(method, self.own_url(url)?);
        if let Some(jose) = jose {
            request = request.header(CONTENT_TYPE, "application/jose+json").body(jose);
        }
        self.counters.count(purpose);
        let mut response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let headers = std::mem::take(response.headers_mut());
        let nonce = replay_nonce(&headers);
        let retry_after = retry_after(&headers, self.now());
        let body = read_body(response, MAX_BODY).await.map_err(|error| match error {
            BodyError::Broken(error) => unreachable(error),
            error => AcmeError::protocol("the answer is too large").because(error),
        })?;
        Ok((Reply { status, headers, retry_after, body: body.into() }, nonce))
    }

    /// The URL, if it belongs to the CA whose directory we were given.
    pub(super) fn own_url(&self, text: &str) -> Result<Url, AcmeError> {
        // The parser drops tabs and line ends; what is stored and shown must be what is asked.
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
                "the URL {} is not of {}",
                crate::problem::bounded(text, 200),
                self.directory_url.origin().ascii_serialization()
            ))),
        }
    }

    pub(super) fn directory_url(&self) -> &Url {
        &self.directory_url
    }

    pub(super) fn traffic(&self) -> Traffic {
        self.counters.read()
    }

    pub(super) fn now(&self) -> SystemTime {
        self.clock.now()
    }
}

fn unreachable(error: reqwest::Error) -> AcmeError {
    let detail = match (error.is_timeout(), error.is_connect()) {
        (true, _) => "the time is over",
        (_, true) => "no connection",
        _ => "the connection broke",
    };
    let error = error.without_url();
    let mut deepest: &dyn std::error::Error = &error;
    while let Some(below) = deepest.source() {
        deepest = below;
    }
    let detail = format!("{detail}: {}", crate::problem::bounded(&deepest.to_string(), 200));
    AcmeError::new(AcmeErrorKind::Unreachable, Operation::Setup, detail).because(error)
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").field("directory", &self.directory_url.as_str()).finish_non_exhaustive()
    }
}
