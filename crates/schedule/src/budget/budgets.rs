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
/// A reservation holds a token of each bucket that an order uses; a held token is neither spent nor free. The CA takes
/// its token at issuance, and only then the bucket refills; the mirror does the same at the commit. If the mirror sees
/// each order of the account and commits after the CA's answer, it never has more tokens than the CA.
///
/// There is one exception. A token that the CA spends without a check (a renewal in the ARI window) is held but never
/// denied, and may use a token that is held for another order. So one exact set of names should have one order in flight.
///
/// Only differences of time count, so a constant error of the clock does no harm. Nodes that share buckets need one
/// clock, such as the database's.
///
/// The number of buckets is bounded; full buckets are dropped.
#[derive(Clone, Debug)]
pub struct Budgets {
    pub(super) limits: Limits,
    pub(super) buckets: HashMap<BucketKey, BucketState>,
    pub(super) paused: BTreeSet<(Account, HostName)>,
    pub(super) capacity: usize,
    next_sweep: Option<SystemTime>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct BucketState {
    pub(super) bucket: Bucket,
    pub(super) held: u32,
}

/// One bucket as a store keeps it. Several nodes share budgets by compare-and-set on these rows, those of one
/// reservation in one transaction.
///
/// A reservation reads the rows of [`Charges::keys`] and writes the rows of its charges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Key of the bucket; its text is a key for a store.
    pub key: BucketKey,
    /// State of the bucket.
    pub bucket: Bucket,
    /// Number of tokens held by reservations that are neither committed nor released.
    pub held: u32,
}

impl Budgets {
    /// Returns full buckets for a CA with these limits. At most `capacity` buckets that are not full are kept.
    pub fn new(limits: Limits, capacity: usize) -> Self {
        Self { limits, buckets: HashMap::new(), paused: BTreeSet::new(), capacity, next_sweep: None }
    }

    /// Returns the limits of the mirror.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Holds a token of each bucket, or of none.
    ///
    /// # Errors
    /// [`Denied`], with the limit that clears last, if a bucket that the CA checks has no free token, if the CA has
    /// paused a name, or if there is no room for more buckets.
    pub fn reserve(&mut self, charges: &Charges, now: SystemTime) -> Result<Reservation, Denied> {
        self.reserve_leaving(charges, Leave::NOTHING, now)
    }

    /// Holds a token as [`reserve`](Self::reserve) does, if `leave` remains in each shared bucket. `retry_at` is the time
    /// at which it does.
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
            let state = self.buckets.entry(charge.key.clone()).or_insert(BucketState::IDLE);
            state.held = state.held.saturating_add(1);
        }
        Ok(Reservation::new(charges.clone()))
    }

    /// Spends the tokens that the CA took when it accepted the request, so that they refill. Without this call they are
    /// spent at the commit.
    pub fn ordered(&mut self, reservation: &mut Reservation, now: SystemTime) {
        for charge in reservation.take_ordered() {
            self.settle(charge, true, now);
        }
    }

    /// Ends a reservation of which the CA spent tokens, or may have: the tokens spent according to the outcome are spent
    /// now, the rest is free again.
    #[expect(clippy::needless_pass_by_value, reason = "a reservation ends once")]
    pub fn commit(&mut self, reservation: Reservation, outcome: &Outcome, now: SystemTime) {
        for charge in reservation.held() {
            self.settle(charge, outcome.spent(charge), now);
        }
    }

    /// Ends a reservation of which the CA certainly spent nothing: the request was not sent, or was refused. After
    /// [`ordered`](Self::ordered) it frees only the tokens that are still held.
    #[expect(clippy::needless_pass_by_value, reason = "a reservation ends once")]
    pub fn release(&mut self, reservation: Reservation, now: SystemTime) {
        for charge in reservation.held() {
            self.settle(charge, false, now);
        }
    }

    fn settle(&mut self, charge: &Charge, spent: bool, now: SystemTime) {
        let limit = if spent { self.limit_of(&charge.key) } else { None };
        // A held bucket is never dropped; a missing one belongs to a reservation of other budgets.
        let Some(state) = self.buckets.get_mut(&charge.key) else { return };
        state.held = state.held.saturating_sub(1);
        if let Some(limit) = limit {
            state.bucket = if charge.checked {
                // It was held, so it was available.
                state.bucket.spend_anyway(&limit, now, 1)
            } else {
                state.bucket.spend_to_empty(&limit, now, 1)
            };
        }
        if state.is_idle(now) {
            self.buckets.remove(&charge.key);
        }
    }

    /// Returns one bucket; `None` if it is full and nothing is held.
    pub fn row(&self, key: &BucketKey) -> Option<Row> {
        self.buckets.get(key).map(|state| Row { key: key.clone(), bucket: state.bucket, held: state.held })
    }

    /// Iterates over all buckets with spent or held tokens, in no particular order.
    pub fn rows(&self) -> impl Iterator<Item = Row> {
        self.buckets.iter().map(|(key, state)| Row {
            key: key.clone(),
            bucket: state.bucket,
            held: state.held,
        })
    }

    /// Replaces the state of a bucket by a row. `false` if there is no room for it.
    #[must_use = "a row without room is not counted"]
    pub fn restore(&mut self, row: Row, now: SystemTime) -> bool {
        let fits = self.make_room([&row.key].into_iter(), now);
        if fits {
            self.buckets.insert(row.key, BucketState { bucket: row.bucket, held: row.held });
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
        // With room for all keys it does not matter which of them are new.
        if keys.clone().count() <= self.capacity.saturating_sub(self.buckets.len()) {
            return true;
        }
        if self.has_room(keys.clone()) {
            return true;
        }
        if self.may_sweep(now) {
            self.buckets.retain(|_, state| !state.is_idle(now));
            self.next_sweep = now.checked_add(SWEEP_INTERVAL);
        }
        // Counted again, because the sweep may have dropped one of these.
        self.has_room(keys)
    }

    fn has_room<'a>(&self, keys: impl Iterator<Item = &'a BucketKey>) -> bool {
        let wanted = keys.filter(|key| !self.buckets.contains_key(key)).count();
        wanted <= self.capacity.saturating_sub(self.buckets.len())
    }

    /// Returns whether a sweep may run. It visits every bucket, so it must not run at each request while all are in use.
    fn may_sweep(&self, now: SystemTime) -> bool {
        let wait = self.next_sweep.and_then(|next| next.duration_since(now).ok()).unwrap_or_default();
        // A longer wait than any that is set means that the clock was set back.
        wait.is_zero() || wait > SWEEP_INTERVAL
    }
}

const SWEEP_INTERVAL: Duration = Duration::from_secs(10);

impl BucketState {
    pub(super) const IDLE: Self = Self { bucket: Bucket::FULL, held: 0 };

    fn is_idle(&self, now: SystemTime) -> bool {
        self.held == 0 && self.bucket.is_full(now)
    }
}
