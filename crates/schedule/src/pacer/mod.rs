//! A pacer for the request rates of the CA's load balancer.
//!
//! The [budgets](crate::budget) count orders and certificates of an account; a pacer counts HTTP requests of an address.
//! Let's Encrypt answers requests beyond the rate with the status 503 and `Retry-After`.
//!
//! ```
//! use fleetcert_schedule::known_ca::pacer_for;
//! use fleetcert_schedule::pacer::{Endpoint, Pace};
//! use std::time::{Duration, SystemTime};
//!
//! // Four fifths of the published rate, for one process behind one address.
//! let account = "https://acme-v02.api.letsencrypt.org/acme/acct/1";
//! let mut pacer = pacer_for(account);
//! let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
//! let sent = (0..100).filter(|_| pacer.take(Endpoint::NewNonce, now) == Pace::Now).count();
//! assert_eq!(sent, 8);
//! let wait = Duration::from_micros(62_500);
//! assert_eq!(pacer.take(Endpoint::NewNonce, now), Pace::After { wait, by: Endpoint::NewNonce });
//! assert_eq!(pacer.take(Endpoint::NewNonce, now + wait), Pace::Now);
//! ```

mod endpoint;
mod rates;
#[cfg(test)]
mod tests;

pub use endpoint::Endpoint;
pub use rates::{Rate, Rates};

use std::time::{Duration, SystemTime};

use crate::budget::{Bucket, Limit};

/// Whether a request may be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a request is paced only if it waits"]
pub enum Pace {
    /// The request may be sent, and is counted.
    Now,
    /// The request must wait, and is not counted.
    After {
        /// Time to wait, if no other request comes before.
        wait: Duration,
        /// Endpoint with the longest wait.
        by: Endpoint,
    },
}

/// The pacer of one process towards one CA. Several processes behind one address each use a share of the rates, set in
/// [`new`](Self::new).
#[derive(Clone, Debug)]
pub struct Pacer {
    rates: Rates,
    endpoints: [EndpointState; Endpoint::ALL.len()],
    per_mille: u16,
}

/// The state of one endpoint.
#[derive(Clone, Copy, Debug)]
struct EndpointState {
    bucket: Bucket,
    /// Time before which the server wants no request.
    closed_until: SystemTime,
    /// Number of halvings of the rate at `slowed_at`.
    slowed: u8,
    slowed_at: SystemTime,
}

/// Time without a refusal after which the pace doubles again.
const RECOVERY: Duration = Duration::from_secs(60);
/// Back-off of an endpoint after a refusal without `Retry-After`.
const DEFAULT_BACKOFF: Duration = Duration::from_secs(1);
/// Maximum back-off.
const MAX_BACKOFF: Duration = Duration::from_secs(86_400);

impl Pacer {
    /// Returns a pacer that uses `per_mille` thousandths of the rates and bursts: 1 to 1000. Use 800 for one process, 400
    /// for each of two behind one address.
    pub fn new(rates: Rates, per_mille: u16) -> Self {
        Self {
            rates,
            endpoints: [EndpointState::FRESH; Endpoint::ALL.len()],
            per_mille: per_mille.clamp(1, 1000),
        }
    }

    /// Counts a request if it may be sent now: for the endpoint and, if it counts there too, for [`Endpoint::Other`].
    pub fn take(&mut self, endpoint: Endpoint, now: SystemTime) -> Pace {
        let (own, all) =
            (self.ask(endpoint, now), self.shared(endpoint).map(|all| (all, self.ask(all, now))));
        let denied =
            [Some((endpoint, own)), all].into_iter().flatten().filter_map(|(by, asked)| match asked {
                Asked::Granted(_) => None,
                Asked::Wait(wait) => Some((wait, by)),
            });
        if let Some((wait, by)) = denied.max_by_key(|(wait, _)| *wait) {
            return Pace::After { wait, by };
        }
        for (endpoint, asked) in [Some((endpoint, own)), all].into_iter().flatten() {
            if let (Asked::Granted(bucket), Some(state)) = (asked, self.endpoints.get_mut(endpoint as usize))
            {
                state.bucket = bucket;
            }
        }
        Pace::Now
    }

    /// Records a refusal of the server (503, or a 429 that concerns no account). The endpoint backs off, then continues at
    /// half the pace, down to about one request a second, and speeds up in steps without further refusals.
    ///
    /// A refusal does not name its rate, so only the refused endpoint slows down; endpoints that count for
    /// [`Endpoint::Other`] slow down with it.
    pub fn refused(&mut self, endpoint: Endpoint, retry_after: Option<Duration>, now: SystemTime) {
        let slowed = self.slowed(endpoint, now);
        let most = self.rates.rate(endpoint).map_or(0, Rate::most_halvings);
        let Some(state) = self.endpoints.get_mut(endpoint as usize) else { return };
        let until = now.checked_add(retry_after.unwrap_or(DEFAULT_BACKOFF).min(MAX_BACKOFF)).unwrap_or(now);
        // Refusals of requests that were sent together count once.
        let resting = state.closed_until > now && state.closed_until <= latest(now, MAX_BACKOFF);
        state.closed_until = if resting { state.closed_until.max(until) } else { until };
        if !resting {
            state.slowed = slowed.saturating_add(1).min(most);
        }
        state.slowed_at = state.closed_until;
    }

    /// Returns the current limit of an endpoint, if it has one.
    pub(crate) fn limit(&self, endpoint: Endpoint, now: SystemTime) -> Option<Limit> {
        self.rates.rate(endpoint).and_then(|rate| rate.limit(self.per_mille, self.slowed(endpoint, now)))
    }

    /// Returns the endpoint for which a request counts as well.
    fn shared(&self, endpoint: Endpoint) -> Option<Endpoint> {
        self.rates.rate(endpoint).filter(|rate| rate.counts_as_other).map(|_| Endpoint::Other)
    }

    fn slowed(&self, endpoint: Endpoint, now: SystemTime) -> u8 {
        let Some(state) = self.endpoints.get(endpoint as usize) else { return 0 };
        if state.slowed_at > latest(now, MAX_BACKOFF) {
            // The clock was set back, so there was no such refusal.
            return 0;
        }
        let content = now.duration_since(state.slowed_at).unwrap_or_default();
        let steps = u8::try_from(content.as_secs() / RECOVERY.as_secs()).unwrap_or(u8::MAX);
        state.slowed.saturating_sub(steps)
    }

    fn ask(&self, endpoint: Endpoint, now: SystemTime) -> Asked {
        let state = self.endpoints.get(endpoint as usize).copied().unwrap_or(EndpointState::FRESH);
        let rest = state.closed_until.duration_since(now).unwrap_or_default();
        // A longer back-off than the maximum means that the clock was set back.
        if !rest.is_zero() && rest <= MAX_BACKOFF {
            return Asked::Wait(rest);
        }
        let Some(limit) = self.limit(endpoint, now) else { return Asked::Granted(state.bucket) };
        let bucket = state.bucket.at_most_empty(&limit, now);
        let decision = bucket.spend(&limit, now, 1);
        if decision.allowed {
            Asked::Granted(decision.bucket)
        } else {
            Asked::Wait(decision.retry_in().unwrap_or(DEFAULT_BACKOFF))
        }
    }
}

#[derive(Clone, Copy)]
enum Asked {
    Granted(Bucket),
    Wait(Duration),
}

impl EndpointState {
    const FRESH: Self = Self {
        bucket: Bucket::FULL,
        closed_until: SystemTime::UNIX_EPOCH,
        slowed: 0,
        slowed_at: SystemTime::UNIX_EPOCH,
    };
}

fn latest(now: SystemTime, wait: Duration) -> SystemTime {
    now.checked_add(wait).unwrap_or(now)
}
