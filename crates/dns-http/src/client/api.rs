//! An API of a provider, with one account.

use parking_lot::Mutex;
use std::time::{Duration, SystemTime};

use fleetcert_dns::{BackendErrorKind, Operation};
use fleetcert_names::DomainName;
use http::StatusCode;
use tokio::sync::Semaphore;

use super::{Authorizer, Call, Endpoint, HttpClient};

/// Reads the kind of a refusal from its body, if the status alone does not determine it.
pub(crate) type ReadKind = fn(StatusCode, &[u8]) -> Option<BackendErrorKind>;

/// An API: its endpoint, its credentials and its limits.
#[derive(Debug)]
pub(crate) struct Api {
    pub(super) http: HttpClient,
    pub(super) endpoint: Endpoint,
    pub(super) authorizer: Box<dyn Authorizer>,
    pub(super) read_kind: ReadKind,
    /// Permits for requests in flight.
    pub(super) permits: Semaphore,
    /// Pause that the server asked this account to make.
    rest: Mutex<Option<Rest>>,
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
            rest: Mutex::default(),
        }
    }

    /// Sets a reader of the API's own error codes.
    #[cfg(any(
        test,
        feature = "azure",
        feature = "cloudflare",
        feature = "google",
        feature = "hetzner",
        feature = "route53",
        feature = "webhook"
    ))]
    pub(crate) fn reading_kinds(mut self, read_kind: ReadKind) -> Self {
        self.read_kind = read_kind;
        self
    }

    /// Begins a call of a backend, and its deadline.
    pub(crate) fn call<'a>(&'a self, operation: Operation, zone: &'a DomainName) -> Call<'a> {
        Call::new(self, operation, zone, self.http.clock().now() + self.http.options().call_within)
    }

    /// Returns the rest of the pause that the server asked for.
    pub(super) fn quiet_for(&self, now: SystemTime) -> Option<Duration> {
        (*self.rest.lock())?.left(now)
    }

    /// Pauses all calls for this long: the server counts the requests of all of them.
    pub(super) fn be_quiet(&self, now: SystemTime, wait: Duration) {
        let mut rest = self.rest.lock();
        if rest.and_then(|rest| rest.left(now)).is_none_or(|left| left < wait) {
            *rest = now.checked_add(wait).map(|until| Rest { until, whole: wait });
        }
    }
}

/// A pause that the server asked for.
#[derive(Clone, Copy, Debug)]
struct Rest {
    until: SystemTime,
    whole: Duration,
}

impl Rest {
    /// Returns the rest of the pause; never more than the whole, even if the clock is set back.
    fn left(self, now: SystemTime) -> Option<Duration> {
        self.until.duration_since(now).ok().filter(|left| !left.is_zero() && *left <= self.whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rest_never_gets_longer_with_a_clock_that_is_set_back() {
        let noon = SystemTime::UNIX_EPOCH + Duration::from_secs(43_200);
        let whole = Duration::from_secs(60);
        let rest = Rest { until: noon + whole, whole };
        assert_eq!(rest.left(noon), Some(whole));
        assert_eq!(rest.left(noon + whole / 4), Some(whole * 3 / 4));
        assert_eq!(rest.left(noon + whole), None);
        assert_eq!(rest.left(noon - Duration::from_secs(1)), None, "it was set back");
    }
}
