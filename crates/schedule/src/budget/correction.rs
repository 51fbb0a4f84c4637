//! Corrections of the mirror by what the CA reports.

use std::time::{Duration, SystemTime};

use fleetcert_names::HostName;

use super::budgets::{BucketState, Budgets};
use super::key::{Account, BucketKey};
use super::limit::{Bucket, Limit};

/// The content of a refusal (HTTP 429) about a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Time after which to try again.
    pub retry_after: Duration,
    /// Burst and period, if the refusal names them.
    pub seen: Option<(u32, Duration)>,
}

/// The result of a [`Refusal`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Correction {
    /// Limit of the CA, if it differs from the mirror. The CA does not report the count of a period; the mirror assumes
    /// the burst, as in all overrides that it offers.
    pub learned: Option<Limit>,
}

impl Budgets {
    /// Corrects a bucket after a refusal of the CA.
    ///
    /// `None` if there is no room for one more bucket. The caller must then keep the time itself.
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
        let state = self.buckets.entry(key.clone()).or_insert(BucketState::IDLE);
        state.bucket = match limit {
            Some(limit) => state.bucket.denied_for(&limit, now, refusal.retry_after),
            None => state.bucket.closed_for(now, refusal.retry_after),
        };
        Some(Correction { learned })
    }

    /// Records a successful validation of a name, which resets its failures in a row.
    pub fn validated(&mut self, account: &Account, name: &HostName) {
        let key = BucketKey::FailedAuthorizationsForPausingPerDomainPerAccount(account.clone(), name.clone());
        if let Some(state) = self.buckets.get_mut(&key) {
            state.bucket = Bucket::FULL;
        }
    }

    /// Records that the CA has paused a name for an account. Its orders are denied until an operator lifts the pause.
    ///
    /// `false` if the number of paused names has reached the capacity; then nothing is recorded.
    pub fn pause(&mut self, account: Account, name: HostName) -> bool {
        let entry = (account, name);
        if self.paused.len() >= self.capacity && !self.paused.contains(&entry) {
            return false;
        }
        self.paused.insert(entry);
        true
    }

    /// Returns whether the name is paused.
    pub(crate) fn is_paused(&self, account: &Account, name: &HostName) -> bool {
        !self.paused.is_empty() && self.paused.contains(&(account.clone(), name.clone()))
    }
}
