//! All buckets of one CA: reserve, commit, release.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, SystemTime};

use fleetcert_names::HostName;

use super::charge::{Charge, Charges, Spent};
use super::denied::{Denied, DeniedBy};
use super::key::{Account, BucketKey};
use super::leave::Leave;
use super::limit::{Bucket, Limit};
use super::limits::{Limits, Override, Rule, SlowerThanDefault};

/// A mirror of the buckets of one CA.
///
/// A reservation holds a token of each bucket that an order touches; a held token is neither spent nor free. The
/// CA takes its token later, at the issuance, and only then the bucket begins to fill again: so does the mirror,
/// at the commit. As long as the mirror sees each order of the account, and commits after the CA's answer, it
/// never has more than the CA.
///
/// Only differences of time count, so a clock that is wrong by always the same is right. Where nodes share
/// buckets, an order can come too early by as much as their clocks differ.
///
/// It keeps at most as many buckets as it was made for, and forgets those that are full again.
#[derive(Clone, Debug)]
pub struct Budgets {
    pub(super) limits: Limits,
    pub(super) buckets: HashMap<BucketKey, State>,
    paused: BTreeSet<(Account, HostName)>,
    capacity: usize,
    next_sweep: Option<SystemTime>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct State {
    pub(super) bucket: Bucket,
    pub(super) held: u32,
}

/// One bucket as a store keeps it. Several nodes share their budgets by comparing and setting these rows, those
/// of one reservation in one transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Which bucket; its text is a key for a store.
    pub key: BucketKey,
    /// How full it is.
    pub bucket: Bucket,
    /// How many tokens reservations hold that were neither committed nor released.
    pub held: u32,
}

/// Tokens that are held until [`Budgets::commit`] or [`Budgets::release`] takes it.
///
/// Who keeps [rows](Row) in a store writes the charges into the order's journal in the same transaction, and
/// makes the reservation again from there after a crash. One that is lost holds its tokens for ever.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "its tokens are held until it is committed or released"]
pub struct Reservation(Vec<Charge>);

impl Reservation {
    /// A reservation that was made before a crash, and whose tokens are held in the rows that were restored.
    /// `ordered` says whether [`Budgets::ordered`] had been called.
    pub fn resume(charges: Charges, ordered: bool) -> Self {
        let mut charges = charges.into_vec();
        charges.retain(|charge| !(ordered && charge.spent == Spent::AtRequest));
        Self(charges)
    }

    /// The buckets of which it holds a token.
    pub fn keys(&self) -> impl Iterator<Item = &BucketKey> {
        self.0.iter().map(|charge| &charge.key)
    }
}

/// How an order, or a registration, ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The CA accepted the request and did all it was asked for.
    Done,
    /// The CA accepted the order, and for sure did not and will not issue.
    NotIssued {
        /// The names of which a validation failed, or may have.
        failed: Vec<HostName>,
    },
    /// Nobody knows. All tokens count as spent.
    Unknown,
}

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
    /// Full buckets for a CA with these limits; at most `capacity` that are not full are kept.
    pub fn new(limits: Limits, capacity: usize) -> Self {
        Self { limits, buckets: HashMap::new(), paused: BTreeSet::new(), capacity, next_sweep: None }
    }

    /// The limits that are mirrored.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Takes an override that the CA granted; see [`Limits::set_override`].
    pub fn set_override(&mut self, scope: Override, limit: Limit) -> Option<SlowerThanDefault> {
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
        Ok(Reservation(charges.clone().into_vec()))
    }

    /// Spends what the CA took when it accepted the request, so that it begins to come back. Without this call it
    /// is spent at the commit.
    pub fn ordered(&mut self, reservation: &mut Reservation, now: SystemTime) {
        reservation.0.retain(|charge| {
            let at_request = charge.spent == Spent::AtRequest;
            if at_request {
                self.settle(charge, true, now);
            }
            !at_request
        });
    }

    /// Ends a reservation of which the CA spent something, or may have: what the outcome says was spent is spent
    /// now, the rest is free again.
    pub fn commit(&mut self, reservation: Reservation, outcome: &Outcome, now: SystemTime) {
        for charge in reservation.0 {
            let spent = match (outcome, charge.spent) {
                (Outcome::Unknown, _) | (_, Spent::AtRequest) => true,
                (Outcome::Done, spent) => spent == Spent::AtIssuance,
                (Outcome::NotIssued { .. }, Spent::AtIssuance) => false,
                (Outcome::NotIssued { failed }, Spent::AtFailedValidation) => match &charge.key {
                    BucketKey::FailedAuthorizationsPerDomainPerAccount(_, name)
                    | BucketKey::FailedAuthorizationsForPausingPerDomainPerAccount(_, name) => {
                        failed.contains(name)
                    }
                    _ => true,
                },
            };
            self.settle(&charge, spent, now);
        }
    }

    /// Ends a reservation of which the CA spent nothing for sure: the request was not sent, or was refused. After
    /// [`ordered`](Self::ordered) it frees only what is still held.
    pub fn release(&mut self, reservation: Reservation, now: SystemTime) {
        for charge in reservation.0 {
            self.settle(&charge, false, now);
        }
    }

    fn settle(&mut self, charge: &Charge, spent: bool, now: SystemTime) {
        let limit = self.limit_of(&charge.key);
        // A held bucket is never forgotten; one that is not there belongs to a reservation of other budgets.
        let Some(state) = self.buckets.get_mut(&charge.key) else { return };
        state.held = state.held.saturating_sub(1);
        if let (true, Some(limit)) = (spent, limit) {
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

    /// Takes over what the CA said of a bucket when it refused a request, so that the mirror says the same.
    ///
    /// `None` when there is no room for one more bucket: then the caller must keep the time itself.
    pub fn correct(&mut self, key: &BucketKey, refusal: Refusal, now: SystemTime) -> Option<Correction> {
        if !self.make_room(std::iter::once(key), now) {
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
    pub fn is_paused(&self, account: &Account, name: &HostName) -> bool {
        !self.paused.is_empty() && self.paused.contains(&(account.clone(), name.clone()))
    }

    /// The parked names.
    pub fn paused(&self) -> impl Iterator<Item = &(Account, HostName)> {
        self.paused.iter()
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
        let fits = self.make_room(std::iter::once(&row.key), now);
        if fits {
            self.buckets.insert(row.key, State { bucket: row.bucket, held: row.held });
        }
        fits
    }

    fn limit_of(&self, key: &BucketKey) -> Option<Limit> {
        match self.limits.rule_for(key) {
            Rule::Limited(limit) => Some(limit),
            Rule::Unlimited | Rule::Unknown => None,
        }
    }

    fn make_room<'a>(&mut self, keys: impl Iterator<Item = &'a BucketKey>, now: SystemTime) -> bool {
        let wanted = keys.filter(|key| !self.buckets.contains_key(key)).count();
        if wanted <= self.capacity.saturating_sub(self.buckets.len()) {
            return true;
        }
        if self.may_sweep(now) {
            self.buckets.retain(|_, state| !state.is_untouched(now));
            self.next_sweep = now.checked_add(BETWEEN_SWEEPS);
        }
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
