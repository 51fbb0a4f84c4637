//! One API of one provider, with one account.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use fleetcert_dns::{BackendErrorKind, Operation};
use fleetcert_names::DomainName;
use http::StatusCode;
use tokio::sync::Semaphore;

use super::{Authorizer, Call, Endpoint, HttpClient};

/// Reads the kind of a refusal in its body, where the status alone does not tell.
pub(crate) type ReadKind = fn(StatusCode, &[u8]) -> Option<BackendErrorKind>;

/// Where an API is and how requests to it are proved.
#[derive(Debug)]
pub(crate) struct Api {
    pub(super) http: HttpClient,
    pub(super) endpoint: Endpoint,
    pub(super) authorizer: Box<dyn Authorizer>,
    pub(super) read_kind: ReadKind,
    /// As many requests as may be under way.
    pub(super) permits: Semaphore,
    /// Until when the server wants no request of this account.
    quiet_until: Mutex<Option<SystemTime>>,
}

impl Api {
    pub(crate) fn new(http: &HttpClient, endpoint: Endpoint, authorizer: impl Authorizer + 'static) -> Self {
        let permits = Semaphore::new(http.options().requests_at_once.clamp(1, Semaphore::MAX_PERMITS));
        Self {
            http: http.clone(),
            endpoint,
            authorizer: Box::new(authorizer),
            read_kind: |_, _| None,
            permits,
            quiet_until: Mutex::default(),
        }
    }

    /// With a reader of the API's own error codes.
    pub(crate) fn reading_kinds(mut self, read_kind: ReadKind) -> Self {
        self.read_kind = read_kind;
        self
    }

    /// One call of a backend; its deadline begins to run.
    pub(crate) fn call<'a>(&'a self, operation: Operation, zone: &'a DomainName) -> Call<'a> {
        Call::new(self, operation, zone, self.http.clock().now() + self.http.options().call_within)
    }

    /// How long the server wants no request yet.
    pub(super) fn quiet_for(&self, now: SystemTime) -> Option<Duration> {
        let until = *self.quiet_until.lock().unwrap_or_else(PoisonError::into_inner);
        until?.duration_since(now).ok().filter(|wait| !wait.is_zero())
    }

    /// The server wants no request for so long: what counts requests counts those of the other calls, too.
    pub(super) fn be_quiet(&self, now: SystemTime, wait: Duration) {
        let mut until = self.quiet_until.lock().unwrap_or_else(PoisonError::into_inner);
        *until = (*until).max(Some(now + wait));
    }
}
