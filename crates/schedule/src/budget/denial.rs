//! Denials: why no token is available, and when one is.

use std::time::{Duration, SystemTime};

use super::budgets::{BucketState, Budgets};
use super::charge::{Charge, Charges};
use super::denied::{Denied, DeniedBy};
use super::key::BucketKey;
use super::leave::Leave;
use super::limits::Rule;

/// Retry interval for a denial without a time: an order in flight holds the token.
pub const HELD_TOKEN_RETRY: Duration = Duration::from_secs(60);

/// A denial by a bucket that several orders share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedDenial {
    /// Limit.
    pub denied: Denied,
    /// Time at which a token is expected.
    pub until: SystemTime,
    /// Whether there is a token that is reserved for more urgent lanes.
    pub is_reserved: bool,
}

impl Budgets {
    /// Returns why a reservation would be denied now. It takes no token.
    pub fn denial(&self, charges: &Charges, now: SystemTime) -> Option<Denied> {
        self.denial_leaving(charges, Leave::NOTHING, now)
    }

    /// Returns why a reservation that must leave tokens of each shared bucket would be denied now. It takes no token.
    pub(crate) fn denial_leaving(
        &self,
        charges: &Charges,
        leave: impl Into<Leave>,
        now: SystemTime,
    ) -> Option<Denied> {
        let leave = leave.into();
        let of_charges = charges.iter().filter_map(|charge| self.denial_of(charge, leave, now));
        of_charges
            .chain(charges.whole_account().and_then(|key| self.closed(key, now)))
            .reduce(Denied::stricter)
    }

    /// Returns why a shared bucket denies a token now to an order that must leave some of it; `None` if each has one. It
    /// takes no token, and ignores the buckets of the order's own names.
    pub fn shared_denial(
        &self,
        charges: &Charges,
        leave: impl Into<Leave>,
        now: SystemTime,
    ) -> Option<SharedDenial> {
        let denied = self.denial_of_shared(charges, leave.into(), now)?;
        let is_reserved = self.denial_of_shared(charges, Leave::NOTHING, now).is_none();
        let until = denied.retry_at().unwrap_or(now + HELD_TOKEN_RETRY);
        Some(SharedDenial { denied, until, is_reserved })
    }

    fn denial_of_shared(&self, charges: &Charges, leave: Leave, now: SystemTime) -> Option<Denied> {
        let of_charges = charges.shared_charges().filter_map(|charge| self.denial_of(charge, leave, now));
        of_charges
            .chain(charges.whole_account().and_then(|key| self.closed(key, now)))
            .reduce(Denied::stricter)
    }

    /// Returns the denial by a bucket without numbers, which is the time before which the CA refuses requests.
    fn closed(&self, key: &BucketKey, now: SystemTime) -> Option<Denied> {
        let state = self.buckets.get(key)?;
        let wait = state.bucket.full_in(now);
        let by = || DeniedBy::Limit { key: key.clone(), remaining: 0, held: state.held };
        (!wait.is_zero()).then(|| Denied::new(by(), now.checked_add(wait)))
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
        let limit = match self.limits.rule_for(&charge.key) {
            Rule::Limited(limit) => limit,
            Rule::Unlimited | Rule::Unknown => return self.closed(&charge.key, now),
        };
        let state = self.state(&charge.key);
        let left = if charge.key.kind().is_shared() { leave.of(&limit) } else { 0 };
        let cost = state.held.saturating_add(1).saturating_add(left);
        let decision = state.bucket.spend(&limit, now, cost);
        let by =
            || DeniedBy::Limit { key: charge.key.clone(), remaining: decision.remaining(), held: state.held };
        let retry_at = || decision.retry_in().and_then(|wait| now.checked_add(wait));
        (!decision.allowed).then(|| Denied::new(by(), retry_at()))
    }

    /// Returns the time at which the `n`-th further token is available of each shared bucket that the CA checks for these
    /// charges, if each token is taken as soon as it is there and held tokens are spent. One is the next; add the tokens
    /// that must be left to `n`.
    ///
    /// It is an estimate for a queue without a loop over it: not before `now`, and at most the year 2262. `None` if no
    /// shared bucket with known numbers is checked and the account is not closed.
    pub fn available_at(&self, charges: &Charges, n: u64, now: SystemTime) -> Option<SystemTime> {
        let shared = charges.iter().filter(|charge| charge.checked && charge.key.kind().is_shared());
        let times = shared.filter_map(|charge| match self.limits.rule_for(&charge.key) {
            Rule::Limited(limit) => {
                let state = self.state(&charge.key);
                let wait = state.bucket.wait_for(&limit, now, n.saturating_add(state.held.into()));
                Some(now.checked_add(wait).unwrap_or(now))
            }
            Rule::Unlimited | Rule::Unknown => self.closed(&charge.key, now)?.retry_at(),
        });
        let closed = charges.whole_account().and_then(|key| self.closed(key, now)?.retry_at());
        times.chain(closed).max()
    }

    fn state(&self, key: &BucketKey) -> BucketState {
        self.buckets.get(key).copied().unwrap_or(BucketState::IDLE)
    }
}
