//! What there is to be had now, and when.

use std::time::{Duration, SystemTime};

use super::budgets::{Budgets, State};
use super::charge::{Charge, Charges};
use super::denied::{Denied, DeniedBy};
use super::key::BucketKey;
use super::leave::Leave;
use super::limits::Rule;

/// Time after which to look again when a denial names no moment: an order in flight holds the token.
pub const HELD_TOKEN_RETRY: Duration = Duration::from_secs(60);

/// Why a bucket that several orders share denies a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedDenial {
    /// The limit.
    pub denied: Denied,
    /// Moment at which a token is expected.
    pub until: SystemTime,
    /// Whether there is a token that is reserved for more urgent lanes.
    pub is_reserved: bool,
}

impl Budgets {
    /// Why a reservation would be denied now; it takes nothing.
    pub fn denial(&self, charges: &Charges, now: SystemTime) -> Option<Denied> {
        self.denial_leaving(charges, Leave::NOTHING, now)
    }

    /// Why a reservation would be denied now that must leave so much of each shared bucket; it takes nothing.
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

    /// Returns why a shared bucket denies a token now to an order that has to leave some of it; `None` when each has one.
    /// It takes nothing, and does not look at the buckets of the order's own names.
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

    /// Without numbers a bucket is only the time before which the CA does not want to be asked.
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

    /// The time at which the `n`-th further token can be had of each shared bucket that the CA checks for these
    /// charges, if each is taken as soon as it is there, and if what is held is spent. One is the next; who must
    /// leave some adds them to `n`.
    ///
    /// An estimate for a queue, without a loop over it: never before `now`, and at most the year 2262. `None` when
    /// neither a shared bucket with known numbers is checked nor the account closed, so that nothing here says how
    /// quickly they follow one another.
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

    fn state(&self, key: &BucketKey) -> State {
        self.buckets.get(key).copied().unwrap_or(State::UNTOUCHED)
    }
}
