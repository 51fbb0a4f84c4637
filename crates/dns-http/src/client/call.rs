//! One call of a backend: its requests, all under one deadline.

use std::fmt;
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use fleetcert_ambient::timeout;
use fleetcert_dns::{BackendError, BackendErrorKind, Capabilities, Change, Operation};
use fleetcert_names::DomainName;
use http::StatusCode;

use super::error::{kind_of, without_query};
use super::retry::{Failure, pause};
use super::retry_after::retry_after;
use super::{Api, ApiError, ApiFault, HttpClient, Outgoing, Reply, Request};

/// A call of the contract in flight: its API, operation, zone and deadline.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    api: &'a Api,
    pub(crate) operation: Operation,
    pub(crate) zone: &'a DomainName,
    deadline: SystemTime,
}

/// A failed attempt.
struct Failed {
    failure: Failure,
    error: BackendError,
}

impl<'a> Call<'a> {
    pub(super) fn new(
        api: &'a Api,
        operation: Operation,
        zone: &'a DomainName,
        deadline: SystemTime,
    ) -> Self {
        Self { api, operation, zone, deadline }
    }

    /// Returns the same call, with the same deadline, through another API: one that issues tokens.
    #[cfg(any(test, feature = "azure", feature = "google"))]
    pub(crate) fn through<'b>(&self, api: &'b Api) -> Call<'b>
    where
        'a: 'b,
    {
        Call { api, operation: self.operation, zone: self.zone, deadline: self.deadline }
    }

    pub(crate) fn http(&self) -> &'a HttpClient {
        &self.api.http
    }

    pub(crate) fn now(&self) -> SystemTime {
        self.http().clock().now()
    }

    /// Returns the time that is left.
    pub(crate) fn left(&self) -> Duration {
        self.deadline.duration_since(self.now()).unwrap_or_default()
    }

    /// Returns an error of this call.
    pub(crate) fn error(
        &self,
        kind: BackendErrorKind,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> BackendError {
        BackendError::new(kind, self.operation, self.zone, source).at_server(self.api.endpoint.server())
    }

    pub(super) fn conceal(&self, text: &str) -> String {
        self.api.authorizer.conceal(text)
    }

    /// Checks the changes against the capabilities of the backend.
    pub(crate) fn check_changes(
        &self,
        capabilities: &Capabilities,
        changes: &[Change],
    ) -> Result<(), BackendError> {
        capabilities.check(self.zone, changes).map_err(|error| error.at_server(self.api.endpoint.server()))
    }

    /// Checks that the backend can read records of the name.
    pub(crate) fn check_read(
        &self,
        capabilities: &Capabilities,
        name: &DomainName,
    ) -> Result<(), BackendError> {
        capabilities.check_read(self.zone, name).map_err(|error| error.at_server(self.api.endpoint.server()))
    }

    /// Sends the request until it succeeds, fails for good, or the deadline passes. Every other status is an error.
    pub(crate) async fn send(&self, request: &Request) -> Result<Reply<'a>, BackendError> {
        self.send_allowing(request, &[]).await
    }

    /// Sends the request as [`send`](Self::send) does, but accepts these statuses too, unless the body is a web page: a 404
    /// of a proxy does not prove that a record is absent.
    pub(crate) async fn send_allowing(
        &self,
        request: &Request,
        allowed: &[StatusCode],
    ) -> Result<Reply<'a>, BackendError> {
        let mut renewed = false;
        let mut attempt = 1;
        loop {
            let Failed { failure, error } = match self.attempt(request, allowed).await {
                Ok(reply) => return Ok(reply),
                Err(failed) => failed,
            };
            let unauthorized = matches!(failure, Failure::Status(StatusCode::UNAUTHORIZED, _));
            if unauthorized && !renewed && self.api.authorizer.refused() {
                renewed = true;
                attempt += 1;
                continue;
            }
            let http = self.http();
            let random = http.random();
            match pause(failure, request.repeat, attempt, self.left(), http.options(), random) {
                Some(wait) => {
                    tracing::debug!(attempt, ?wait, %error, "a request is sent again");
                    http.clock().sleep(wait).await;
                    attempt += 1;
                }
                None => return Err(error.at_attempt(attempt)),
            }
        }
    }

    async fn attempt(&self, request: &Request, allowed: &[StatusCode]) -> Result<Reply<'a>, Failed> {
        self.wait_for_quiet().await?;
        let mut outgoing = request.outgoing(&self.api.endpoint).map_err(|url| {
            let error = ApiError::new(ApiFault::ForeignUrl, &request.method, &url, String::new());
            self.unusable(self.error(BackendErrorKind::Unavailable, error))
        })?;
        let (method, url) = (outgoing.method.clone(), outgoing.url.clone());
        let fault = |fault| ApiError::new(fault, &method, &url, String::new());
        let too_late = |_| Failed {
            failure: Failure::NoAnswer,
            error: self.error(BackendErrorKind::Unavailable, fault(ApiFault::TooLate)),
        };

        let clock = self.http().clock();
        let permit = timeout(clock, self.left(), self.api.permits.acquire()).await.map_err(too_late)?;
        let _permit = permit.expect("the semaphore is never closed");
        let authorized = self.api.authorizer.authorize(&mut outgoing, self).await;
        authorized.map_err(|error| self.unusable(error))?;

        let within = self.left().min(self.http().options().attempt_within);
        let exchanged = timeout(clock, within, self.exchange(outgoing)).await.map_err(too_late)?;
        let (status, headers, body) = exchanged.map_err(|broken| {
            let failure =
                if broken.fault == ApiFault::NotReached { Failure::NotSent } else { Failure::NoAnswer };
            let failure = if broken.fault == ApiFault::TooLong { Failure::Unusable } else { failure };
            let mut error = fault(broken.fault);
            if let Some(source) = broken.source {
                error = error.caused_by(source.without_url());
            }
            Failed { failure, error: self.error(BackendErrorKind::Unavailable, error) }
        })?;
        tracing::trace!(%method, url = without_query(&url), status = status.as_u16(), octets = body.len(), "answered");
        let reply =
            Reply { status, headers, body, method, url, is_secret: request.reply_is_secret, call: *self };
        if status.is_success() || (allowed.contains(&status) && !reply.is_html()) {
            return Ok(reply);
        }
        Err(self.refusal(&reply))
    }

    /// Waits until the server wants requests again, if that is before the deadline.
    async fn wait_for_quiet(&self) -> Result<(), Failed> {
        while let Some(wait) = self.api.quiet_for(self.now()) {
            if wait >= self.left() {
                let why = "the server wants no requests at present";
                let error = self.error(BackendErrorKind::Quota, why).with_retry_after(wait);
                return Err(self.unusable(error));
            }
            self.http().clock().sleep(wait).await;
        }
        Ok(())
    }

    async fn exchange(
        &self,
        outgoing: Outgoing,
    ) -> Result<(StatusCode, http::HeaderMap, Bytes), BrokenExchange> {
        let mut request = reqwest::Request::new(outgoing.method, outgoing.url);
        *request.headers_mut() = outgoing.headers;
        *request.body_mut() = Some(outgoing.body.into());
        let http = self.http();
        let mut response = http.connections().execute(request).await.map_err(|source| {
            let fault = if source.is_connect() { ApiFault::NotReached } else { ApiFault::Broken };
            BrokenExchange { fault, source: Some(source) }
        })?;
        let most = http.options().max_body;
        let too_long = BrokenExchange { fault: ApiFault::TooLong, source: None };
        if response.content_length().is_some_and(|length| length > most as u64) {
            return Err(too_long);
        }
        let mut body = BytesMut::new();
        let broken = |source| BrokenExchange { fault: ApiFault::Broken, source: Some(source) };
        while let Some(chunk) = response.chunk().await.map_err(broken)? {
            if body.len() + chunk.len() > most {
                return Err(too_long);
            }
            body.extend_from_slice(&chunk);
        }
        Ok((response.status(), std::mem::take(response.headers_mut()), body.freeze()))
    }

    /// Returns the error for a status that is not a success.
    fn refusal(&self, reply: &Reply<'_>) -> Failed {
        let now = self.now();
        let named = retry_after(&reply.headers, now);
        let told = (self.api.read_kind)(reply.status, &reply.body);
        let kind = told.unwrap_or(kind_of(reply.status));
        if kind == BackendErrorKind::Quota
            && let Some(wait) = named
        {
            self.api.be_quiet(now, wait);
        }
        let mut error = self.error(kind, reply.fault(ApiFault::Status(reply.status.as_u16())));
        // Without a time it would look like too many records in one call, which callers retry in smaller parts at once.
        let unnamed = told.is_none() && reply.status == StatusCode::TOO_MANY_REQUESTS;
        if let Some(wait) = named.or(unnamed.then(|| self.http().options().longest_pause)) {
            error = error.with_retry_after(wait);
        }
        // Some APIs use another status, with a code of their own.
        let status =
            if kind == BackendErrorKind::Quota { StatusCode::TOO_MANY_REQUESTS } else { reply.status };
        Failed { failure: Failure::Status(status, named), error }
    }

    fn unusable(&self, error: BackendError) -> Failed {
        Failed { failure: Failure::Unusable, error }
    }
}

struct BrokenExchange {
    fault: ApiFault,
    source: Option<reqwest::Error>,
}

impl fmt::Debug for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Call({:?} of {} at {})", self.operation, self.zone, self.api.endpoint)
    }
}
