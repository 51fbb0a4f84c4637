//! What there is to be had now, and when.

use std::time::SystemTime;

use super::budgets::{Budgets, State};
use super::charge::{Charge, Charges};
use super::denied::{Denied, DeniedBy};
use super::key::BucketKey;
use super::leave::Leave;
use super::limits::Rule;

impl Budgets {
    /// Why a reservation would be denied now; it takes nothing.
    pub fn denial(&self, charges: &Charges, now: SystemTime) -> Option<Denied> {
        self.denial_leaving(charges, Leave::NOTHING, now)
    }

    /// Why a reservation would be denied now that must leave so much of each shared bucket; it takes nothing.
    pub fn denial_leaving(
        &self,
        charges: &Charges,
        leave: impl Into<Leave>,
        now: SystemTime,
    ) -> Option<Denied> {
        let leave = leave.into();
        charges.iter().filter_map(|charge| self.denial_of(charge, leave, now)).reduce(Denied::stricter)
    }

    fn denial_of(&self, charge: &Charge, leave: Leave, now: SystemTime) -> Option<Denied> {
        if let BucketKey::FailedAuthorizationsForPausingPerDomainPerAccount(account, name) = &charge.key
            && self.is_paused(account, name)
        {
            let by = DeniedBy::Paused { account: account.clone(), name: name.clone() };
            return Some(Denied::new(by, None));
        }
        if !charge.checked {
            return None;
        }
        let state = self.state(&charge.key);
        let (allowed, remaining, retry_in) = match self.limits.rule_for(&charge.key) {
            Rule::Limited(limit) => {
                let left = if charge.key.kind().is_shared() { leave.of(&limit) } else { 0 };
                let decision =
                    state.bucket.spend(&limit, now, state.held.saturating_add(1).saturating_add(left));
                (decision.allowed, decision.remaining, decision.retry_in)
            }
            // Without numbers a bucket is only the time before which the CA does not want to be asked.
            Rule::Unlimited | Rule::Unknown => {
                (state.bucket.is_full(now), 0, Some(state.bucket.full_in(now)))
            }
        };
        let by = || DeniedBy::Limit { key: charge.key.clone(), remaining, held: state.held };
        (!allowed).then(|| Denied::new(by(), retry_in.and_then(|wait| now.checked_add(wait))))
    }

    /// The time at which the `n`-th further token can be had of each shared bucket that the CA checks for these
    /// charges, if each is taken as soon as it is there, and if what is held is spent. One is the next; who must
    /// leave some adds them to `n`.
    ///
    /// An estimate for a queue, without a loop over it: never before `now`, and at most the year 2262. `None` when
    /// no shared bucket with known numbers is checked, so that nothing here says how quickly they follow one
    /// another.
    pub fn available_at(&self, charges: &Charges, n: u64, now: SystemTime) -> Option<SystemTime> {
        let shared = charges.iter().filter(|charge| charge.checked && charge.key.kind().is_shared());
        let waits = shared.filter_map(|charge| match self.limits.rule_for(&charge.key) {
            Rule::Limited(limit) => {
                let state = self.state(&charge.key);
                Some(state.bucket.wait_for(&limit, now, n.saturating_add(state.held.into())))
            }
            Rule::Unlimited | Rule::Unknown => None,
        });
        waits.max().map(|wait| now.checked_add(wait).unwrap_or(now))
    }

    fn state(&self, key: &BucketKey) -> State {
        self.buckets.get(key).copied().unwrap_or(State::UNTOUCHED)
    }
}
