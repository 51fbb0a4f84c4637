//! How many requests a second the CA's load balancer lets through.
//!
//! The [budgets](crate::budget) count orders and certificates for an account; these count HTTP requests for an
//! address, whatever is asked for. Let's Encrypt answers what is too much with the status 503 and `Retry-After`.
//!
//! ```
//! use fleetcert_schedule::known_ca::pacer_for;
//! use fleetcert_schedule::pacer::{Endpoint, Pace};
//! use std::time::{Duration, SystemTime};
//!
//! // Four fifths of what is allowed, for one process behind one address.
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
#[must_use = "a request is paced only when it waits"]
pub enum Pace {
    /// It may, and is counted.
    Now,
    /// It may not, and nothing is counted.
    After {
        /// How long until it may, if no other comes before.
        wait: Duration,
        /// What holds it back longest.
        by: Endpoint,
    },
}

/// The pace of one address towards one CA. It belongs to one process; several behind one address each take their
/// share of the [margin](Self::new).
#[derive(Clone, Debug)]
pub struct Pacer {
    rates: Rates,
    lanes: [Lane; Endpoint::ALL.len()],
    per_mille: u16,
}

/// The state of one endpoint.
#[derive(Clone, Copy, Debug)]
struct Lane {
    bucket: Bucket,
    /// Before this the server does not want to be asked.
    closed_until: SystemTime,
    /// By how many halvings it goes slower than its rate, at `slowed_at`.
    slowed: u8,
    slowed_at: SystemTime,
}

/// How long the server must have been content until the pace doubles again.
const RECOVERY: Duration = Duration::from_secs(60);
/// How long an endpoint rests after a refusal that does not say.
const DEFAULT_REST: Duration = Duration::from_secs(1);
/// The longest rest that is believed.
const MAX_REST: Duration = Duration::from_secs(86_400);

impl Pacer {
    /// A pacer that uses at most so many thousandths of the rates, and of the bursts: 1 to 1000. 800 is a fair
    /// choice for one process, 400 for each of two behind one address.
    pub fn new(rates: Rates, per_mille: u16) -> Self {
        Self { rates, lanes: [Lane::FRESH; Endpoint::ALL.len()], per_mille: per_mille.clamp(1, 1000) }
    }

    /// Counts a request, if it may be sent now: of the endpoint's own rate and, where it counts there too, of
    /// [`Endpoint::Other`].
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
            if let (Asked::Granted(bucket), Some(lane)) = (asked, self.lanes.get_mut(endpoint as usize)) {
                lane.bucket = bucket;
            }
        }
        Pace::Now
    }

    /// Takes a refusal of the server (503, or a 429 that concerns no account): the endpoint rests, then goes on at
    /// half the pace, down to about one in a second, and gets faster by steps as long as nothing more is refused.
    ///
    /// A refusal does not say which rate it is about, so only the endpoint that met it slows down; what counts for
    /// [`Endpoint::Other`] slows down with that. When others are concerned, they will learn it in the same way.
    pub fn refused(&mut self, endpoint: Endpoint, retry_after: Option<Duration>, now: SystemTime) {
        let slowed = self.slowed(endpoint, now);
        let most = self.rates.rate(endpoint).map_or(0, Rate::most_halvings);
        let Some(lane) = self.lanes.get_mut(endpoint as usize) else { return };
        let until = now.checked_add(retry_after.unwrap_or(DEFAULT_REST).min(MAX_REST)).unwrap_or(now);
        // Answers to requests that were sent together tell one thing, once.
        let resting = lane.closed_until > now && lane.closed_until <= latest(now, MAX_REST);
        lane.closed_until = if resting { lane.closed_until.max(until) } else { until };
        if !resting {
            lane.slowed = slowed.saturating_add(1).min(most);
        }
        lane.slowed_at = lane.closed_until;
    }

    /// The limit that holds for an endpoint now; `None` when it has none.
    pub(crate) fn limit(&self, endpoint: Endpoint, now: SystemTime) -> Option<Limit> {
        self.rates.rate(endpoint).and_then(|rate| rate.limit(self.per_mille, self.slowed(endpoint, now)))
    }

    /// Where a request counts besides its own endpoint.
    fn shared(&self, endpoint: Endpoint) -> Option<Endpoint> {
        self.rates.rate(endpoint).filter(|rate| rate.counts_as_other).map(|_| Endpoint::Other)
    }

    fn slowed(&self, endpoint: Endpoint, now: SystemTime) -> u8 {
        let Some(lane) = self.lanes.get(endpoint as usize) else { return 0 };
        if lane.slowed_at > latest(now, MAX_REST) {
            // The clock was set back: there was no such refusal.
            return 0;
        }
        let content = now.duration_since(lane.slowed_at).unwrap_or_default();
        let steps = u8::try_from(content.as_secs() / RECOVERY.as_secs()).unwrap_or(u8::MAX);
        lane.slowed.saturating_sub(steps)
    }

    fn ask(&self, endpoint: Endpoint, now: SystemTime) -> Asked {
        let lane = self.lanes.get(endpoint as usize).copied().unwrap_or(Lane::FRESH);
        let rest = lane.closed_until.duration_since(now).unwrap_or_default();
        // A longer rest than is ever taken: the clock was set back.
        if !rest.is_zero() && rest <= MAX_REST {
            return Asked::Wait(rest);
        }
        let Some(limit) = self.limit(endpoint, now) else { return Asked::Granted(lane.bucket) };
        let bucket = lane.bucket.at_most_empty(&limit, now);
        let decision = bucket.spend(&limit, now, 1);
        if decision.allowed {
            Asked::Granted(decision.bucket)
        } else {
            Asked::Wait(decision.retry_in().unwrap_or(DEFAULT_REST))
        }
    }
}

#[derive(Clone, Copy)]
enum Asked {
    Granted(Bucket),
    Wait(Duration),
}

impl Lane {
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
