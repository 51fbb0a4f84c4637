//! All buckets of one CA: reserve, commit, release.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, SystemTime};

use fleetcert_names::HostName;

use super::charge::{Charge, Charges};
use super::denied::{Denied, DeniedBy};
use super::key::{Account, BucketKey};
use super::leave::Leave;
use super::limit::{Bucket, Limit};
use super::limits::{Limits, Rule};
use super::reservation::{Outcome, Reservation};

/// A mirror of the buckets of one CA.
///
/// A reservation holds a token of each bucket that an order touches; a held token is neither spent nor free. The
/// CA takes its token later, at the issuance, and only then the bucket begins to fill again: so does the mirror,
/// at the commit. As long as the mirror sees each order of the account, and commits after the CA's answer, it
/// never has more than the CA.
///
/// There is one exception. What the CA spends without a check (a renewal in the ARI window) is held, but never
/// denied, and may take from an order beside it a token that was held for that. So one exact set of names should
/// not have two orders under way at a time.
///
/// Only differences of time count, so a clock that is always wrong by the same amount is right. Nodes that share buckets
/// need one clock, such as the database's.
///
/// It keeps at most as many buckets as it was made for, and forgets those that are full again.
#[derive(Clone, Debug)]
pub struct Budgets {
    pub(super) limits: Limits,
    pub(super) buckets: HashMap<BucketKey, State>,
    pub(super) paused: BTreeSet<(Account, HostName)>,
    pub(super) capacity: usize,
    next_sweep: Option<SystemTime>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct State {
    pub(super) bucket: Bucket,
    pub(super) held: u32,
}

/// One bucket as a store keeps it. Several nodes share their budgets by comparing and setting these rows, those
/// of one reservation in one transaction.
///
/// What a reservation reads is [`Charges::keys`], and what it writes are the keys of its charges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Which bucket; its text is a key for a store.
    pub key: BucketKey,
    /// How full it is.
    pub bucket: Bucket,
    /// How many tokens reservations hold that were neither committed nor released.
    pub held: u32,
}

impl Budgets {
    /// Full buckets for a CA with these limits; at most `capacity` that are not full are kept.
    pub fn new(limits: Limits, capacity: usize) -> Self {
        Self { limits, buckets: HashMap::new(), paused: BTreeSet::new(), capacity, next_sweep: None }
    }

    /// The limits that are mirrored.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Takes an override that the CA granted; see [`Limits::set_override`].
    #[cfg(test)]
    pub(crate) fn set_override(
        &mut self,
        scope: super::Override,
        limit: Limit,
    ) -> Option<super::SlowerThanDefault> {
        self.limits.set_override(scope, limit)
    }

    /// Holds a token of each bucket, or of none.
    ///
    /// # Errors
    /// [`Denied`], with the limit that clears last, when a bucket that the CA would check has no token free, when
    /// the CA has paused a name, or when there is no room for more buckets.
    pub fn reserve(&mut self, charges: &Charges, now: SystemTime) -> Result<Reservation, Denied> {
        self.reserve_leaving(charges, Leave::NOTHING, now)
    }

    /// As [`reserve`](Self::reserve), and of each shared bucket so much must be left afterwards. `retry_at` is the
    /// time at which that is so.
    ///
    /// # Errors
    /// As [`reserve`](Self::reserve).
    pub fn reserve_leaving(
        &mut self,
        charges: &Charges,
        leave: impl Into<Leave>,
        now: SystemTime,
    ) -> Result<Reservation, Denied> {
        if let Some(denied) = self.denial_leaving(charges, leave, now) {
            return Err(denied);
        }
        if !self.make_room(charges.iter().map(|charge| &charge.key), now) {
            return Err(Denied::new(DeniedBy::Capacity, None));
        }
        for charge in charges.iter() {
            let state = self.buckets.entry(charge.key.clone()).or_insert(State::UNTOUCHED);
            state.held = state.held.saturating_add(1);
        }
        Ok(Reservation::new(charges.clone()))
    }

    /// Spends what the CA took when it accepted the request, so that it begins to come back. Without this call it
    /// is spent at the commit.
    pub fn ordered(&mut self, reservation: &mut Reservation, now: SystemTime) {
        for charge in reservation.take_ordered() {
            self.settle(charge, true, now);
        }
    }

    /// Ends a reservation of which the CA spent something, or may have: what the outcome says was spent is spent
    /// now, the rest is free again.
    #[expect(clippy::needless_pass_by_value, reason = "a reservation ends once")]
    pub fn commit(&mut self, reservation: Reservation, outcome: &Outcome, now: SystemTime) {
        for charge in reservation.held() {
            self.settle(charge, outcome.spent(charge), now);
        }
    }

    /// Ends a reservation of which the CA spent nothing for sure: the request was not sent, or was refused. After
    /// [`ordered`](Self::ordered) it frees only what is still held.
    #[expect(clippy::needless_pass_by_value, reason = "a reservation ends once")]
    pub fn release(&mut self, reservation: Reservation, now: SystemTime) {
        for charge in reservation.held() {
            self.settle(charge, false, now);
        }
    }

    fn settle(&mut self, charge: &Charge, spent: bool, now: SystemTime) {
        let limit = if spent { self.limit_of(&charge.key) } else { None };
        // A held bucket is never forgotten; one that is not there belongs to a reservation of other budgets.
        let Some(state) = self.buckets.get_mut(&charge.key) else { return };
        state.held = state.held.saturating_sub(1);
        if let Some(limit) = limit {
            state.bucket = if charge.checked {
                // It was held, so it was there.
                state.bucket.spend_anyway(&limit, now, 1)
            } else {
                state.bucket.spend_to_empty(&limit, now, 1)
            };
        }
        if state.is_untouched(now) {
            self.buckets.remove(&charge.key);
        }
    }

    /// One bucket; `None` when it is full and nothing is held.
    pub fn row(&self, key: &BucketKey) -> Option<Row> {
        self.buckets.get(key).map(|state| Row { key: key.clone(), bucket: state.bucket, held: state.held })
    }

    /// All buckets of which something is spent or held, in no order.
    pub fn rows(&self) -> impl Iterator<Item = Row> {
        self.buckets.iter().map(|(key, state)| Row {
            key: key.clone(),
            bucket: state.bucket,
            held: state.held,
        })
    }

    /// Puts a row in the place of what is known of its bucket. `false` when there is no room for it.
    #[must_use = "a row that found no room is not counted"]
    pub fn restore(&mut self, row: Row, now: SystemTime) -> bool {
        let fits = self.make_room([&row.key].into_iter(), now);
        if fits {
            self.buckets.insert(row.key, State { bucket: row.bucket, held: row.held });
        }
        fits
    }

    pub(super) fn limit_of(&self, key: &BucketKey) -> Option<Limit> {
        match self.limits.rule_for(key) {
            Rule::Limited(limit) => Some(limit),
            Rule::Unlimited | Rule::Unknown => None,
        }
    }

    pub(super) fn make_room<'a>(
        &mut self,
        keys: impl Iterator<Item = &'a BucketKey> + Clone,
        now: SystemTime,
    ) -> bool {
        // With room for all of them it does not matter which are new.
        if keys.clone().count() <= self.capacity.saturating_sub(self.buckets.len()) {
            return true;
        }
        if self.has_room(keys.clone()) {
            return true;
        }
        if self.may_sweep(now) {
            self.buckets.retain(|_, state| !state.is_untouched(now));
            self.next_sweep = now.checked_add(BETWEEN_SWEEPS);
        }
        // Counted anew: the sweep may have forgotten one of these.
        self.has_room(keys)
    }

    fn has_room<'a>(&self, keys: impl Iterator<Item = &'a BucketKey>) -> bool {
        let wanted = keys.filter(|key| !self.buckets.contains_key(key)).count();
        wanted <= self.capacity.saturating_sub(self.buckets.len())
    }

    /// A sweep looks at every bucket; who asks again and again while all are in use must not pay for it each time.
    fn may_sweep(&self, now: SystemTime) -> bool {
        let wait = self.next_sweep.and_then(|next| next.duration_since(now).ok()).unwrap_or_default();
        // A longer wait than was ever set: the clock was set back.
        wait.is_zero() || wait > BETWEEN_SWEEPS
    }
}

const BETWEEN_SWEEPS: Duration = Duration::from_secs(10);

impl State {
    pub(super) const UNTOUCHED: Self = Self { bucket: Bucket::FULL, held: 0 };

    fn is_untouched(&self, now: SystemTime) -> bool {
        self.held == 0 && self.bucket.is_full(now)
    }
}
