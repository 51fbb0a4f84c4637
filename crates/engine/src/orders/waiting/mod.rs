//! The orders that wait, as this process knows them.
//!
//! The store is the truth and this a cache of it: what is here is found again by paging, and an order is worked on only
//! after a compare-and-set on its record. What it gives is the order of turns, and that all which wait for the same
//! empty bucket cost nothing until it has a token again.

mod place;
mod state;
#[cfg(test)]
mod tests;

use parking_lot::{Mutex, MutexGuard};
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::SystemTime;

use fleetcert_schedule::budget::Charges;
use fleetcert_schedule::queue::{Lane, Pool, Tenant};
use fleetcert_store::Version;

pub(crate) use place::Place;
pub(super) use state::Candidate;
use state::State;

use crate::EngineOptions;

/// What the queue has to know of an order that waits.
#[derive(Clone, Debug)]
pub(crate) struct Waits {
    /// Its record's key.
    pub name: String,
    /// Which write of the record this is from.
    pub version: Version,
    /// Whether the CA has it already: then it goes before all that are new, and no bucket keeps it.
    pub placed: bool,
    pub lane: Lane,
    /// From when on it is of [`Lane::Expiring`].
    pub expiring_from: Option<SystemTime>,
    pub pool: Pool,
    pub tenant: Tenant,
    pub deadline: SystemTime,
    pub since: SystemTime,
    /// Until when nobody may work on it.
    pub due: SystemTime,
}

/// The queue of a process whose order worker runs.
#[derive(Debug)]
pub(crate) struct Waiting(Mutex<Option<State>>);

impl Waiting {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// Begins anew; the queue is there as long as what is returned.
    pub(super) fn open(&self, options: &EngineOptions) -> Open<'_> {
        *self.state() = Some(State::new(options));
        Open(self)
    }

    fn state(&self) -> MutexGuard<'_, Option<State>> {
        self.0.lock()
    }

    fn with<R>(&self, f: impl FnOnce(&mut State) -> R) -> Option<R> {
        self.state().as_mut().map(f)
    }

    pub(crate) fn is_open(&self) -> bool {
        self.state().is_some()
    }

    /// Takes note of an order that was just written to wait.
    pub(crate) fn note(&self, waits: &Waits, now: SystemTime) {
        self.with(|state| state.put(waits, now));
    }

    /// Takes note of an order that was found in the store, unless it is being worked on here.
    pub(crate) fn found(&self, waits: &Waits, now: SystemTime) {
        self.with(|state| {
            if !state.is_running(&waits.name) {
                state.put(waits, now);
            }
        });
    }

    /// Whether this very write is known, or a later one.
    pub(crate) fn knows(&self, name: &str, version: Version) -> bool {
        self.with(|state| state.is_running(name) || state.version(name) >= Some(version)).unwrap_or(true)
    }

    /// What comes after everything that is known now.
    pub(super) fn mark(&self) -> u64 {
        self.with(|state| state.mark()).unwrap_or_default()
    }

    /// Forgets what was known before `mark` and should lie between two keys of the store, and does not.
    pub(super) fn forget_others(
        &self,
        after: Option<&str>,
        last: Option<&str>,
        there: &BTreeSet<&str>,
        mark: u64,
    ) {
        self.with(|state| state.forget_others(after, last, there, mark));
    }

    pub(super) fn forget(&self, name: &str) {
        self.with(|state| state.forget(name));
    }

    /// Nothing that is new goes until then.
    pub(super) fn halt(&self, until: Option<SystemTime>) {
        self.with(|state| state.halt(until));
    }

    pub(super) fn next(&self, now: SystemTime) -> Option<Candidate> {
        self.with(|state| state.next(now)).flatten()
    }

    /// Moves an order whose lane or pool turned out to be another.
    pub(super) fn change(&self, name: &str, lane: Lane, pool: Pool) {
        self.with(|state| state.change(name, lane, pool));
    }

    /// Lets one order wait for a while whatever the store says of it.
    pub(crate) fn hold(&self, name: &str, until: SystemTime) {
        self.with(|state| state.hold(name, until));
    }

    /// How many orders of a pool were started that have not reserved yet.
    pub(super) fn starting(&self, pool: Pool) -> u32 {
        self.with(|state| state.starting(pool)).unwrap_or_default()
    }

    /// A bucket keeps all of a pool, or one lane of it. Says whether that is certain, and news.
    pub(super) fn close(&self, closed: &Closed) -> bool {
        self.with(|state| state.close(closed)).unwrap_or_default()
    }

    /// Tokens were given back: all that wait for a bucket may look again.
    pub(crate) fn look_again(&self) {
        self.with(State::look_again);
    }

    pub(super) fn started(&self, candidate: &Candidate) {
        self.with(|state| state.started(candidate));
    }

    /// The order holds its tokens now, or was denied them.
    pub(super) fn reserved(&self, name: &str) {
        self.with(|state| state.reserved(name));
    }

    /// Nobody works on the order any more here. When nothing was noted of it meanwhile, and `come_back` says when, it is
    /// looked at again then.
    pub(super) fn ended(&self, name: &str, come_back: Option<SystemTime>, now: SystemTime) {
        self.with(|state| state.ended(name, come_back, now));
    }

    /// Where an order stands; `None` when it is not known here.
    pub(crate) fn place(&self, name: &str) -> Option<Place> {
        self.with(|state| state.place(name)).flatten()
    }
}

/// As long as this is there, the queue is.
#[derive(Debug)]
pub(super) struct Open<'a>(&'a Waiting);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        *self.0.state() = None;
    }
}

/// What keeps a pool.
#[derive(Clone, Debug)]
pub(super) struct Closed {
    pub pool: Pool,
    /// Only this lane: what is left is kept for others.
    pub lane: Option<Lane>,
    /// When the bucket has a token.
    pub until: SystemTime,
    /// When it is looked at, at the latest.
    pub look_at: SystemTime,
    /// For the devices' owners.
    pub why: String,
    /// No order is on the point of taking a token, or of leaving it.
    pub certain: bool,
}

/// The pool of all orders that share the same buckets. Two sets of buckets of which the hashes are equal are held
/// together, which costs time and nothing else.
pub(crate) fn pool_of(charges: &Charges) -> Pool {
    let mut hasher = DefaultHasher::new();
    charges.shared().for_each(|key| key.hash(&mut hasher));
    let [a, b, c, d, ..] = hasher.finish().to_le_bytes();
    Pool(u32::from_le_bytes([a, b, c, d]))
}
