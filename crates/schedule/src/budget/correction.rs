//! What the CA says of its own buckets.

use std::time::{Duration, SystemTime};

use fleetcert_names::HostName;

use super::budgets::{Budgets, State};
use super::key::{Account, BucketKey};
use super::limit::{Bucket, Limit};

/// What a refusal of the CA (HTTP 429) says about a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The time after which it may be tried again.
    pub retry_after: Duration,
    /// The burst and the period that the text names, if it does.
    pub seen: Option<(u32, Duration)>,
}

/// What was learned from a [`Refusal`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Correction {
    /// The limit that the CA turned out to have, when it was not the one that was mirrored. The CA does not say
    /// how many come back in a period; it is taken to be the burst, as in all overrides that it offers.
    pub learned: Option<Limit>,
}

impl Budgets {
    /// Takes over what the CA said of a bucket when it refused a request, so that the mirror says the same.
    ///
    /// `None` when there is no room for one more bucket: then the caller must keep the time itself.
    pub fn correct(&mut self, key: &BucketKey, refusal: Refusal, now: SystemTime) -> Option<Correction> {
        if !self.make_room([key].into_iter(), now) {
            return None;
        }
        let known = self.limit_of(key);
        let learned = refusal
            .seen
            .filter(|seen| known.is_none_or(|known| *seen != (known.burst(), known.period())))
            .and_then(|(burst, period)| Limit::new(burst, burst, period).ok())
            .filter(|limit| self.limits.learn(key, *limit));
        let limit = self.limit_of(key);
        let state = self.buckets.entry(key.clone()).or_insert(State::UNTOUCHED);
        state.bucket = match limit {
            Some(limit) => state.bucket.denied_for(&limit, now, refusal.retry_after),
            None => state.bucket.closed_for(now, refusal.retry_after),
        };
        Some(Correction { learned })
    }

    /// Takes a successful validation of a name: its failures in a row begin anew.
    pub fn validated(&mut self, account: &Account, name: &HostName) {
        let key = BucketKey::FailedAuthorizationsForPausingPerDomainPerAccount(account.clone(), name.clone());
        if let Some(state) = self.buckets.get_mut(&key) {
            state.bucket = Bucket::FULL;
        }
    }

    /// Parks a name that the CA has paused for an account, until an operator has lifted the pause at the CA.
    ///
    /// `false` when as many names are parked as there may be buckets; then nothing is kept.
    pub fn pause(&mut self, account: Account, name: HostName) -> bool {
        let entry = (account, name);
        if self.paused.len() >= self.capacity && !self.paused.contains(&entry) {
            return false;
        }
        self.paused.insert(entry);
        true
    }

    /// Lets a paused name take part again, and says whether it was paused.
    pub fn unpause(&mut self, account: &Account, name: &HostName) -> bool {
        self.paused.remove(&(account.clone(), name.clone()))
    }

    /// Whether the name is parked.
    pub(crate) fn is_paused(&self, account: &Account, name: &HostName) -> bool {
        !self.paused.is_empty() && self.paused.contains(&(account.clone(), name.clone()))
    }
}
