//! The order queue of this process.
//!
//! The store is the truth and this a cache of it: what is here is found again by paging, and an order is worked on only
//! after a compare-and-set on its record. Which order starts next is decided by [`OrderQueue`].

use std::collections::BTreeSet;
use std::time::SystemTime;

use fleetcert_schedule::budget::SharedDenial;
use fleetcert_schedule::order_queue::{self, Lane, NextOrder, OrderQueue, OrderQueueOptions, Place, Pool};
use fleetcert_store::Version;
use parking_lot::Mutex;

use crate::EngineOptions;

pub(crate) type WaitingOrder = order_queue::WaitingOrder<String, Version>;
pub(super) type Candidate = order_queue::Candidate<String>;

/// The order queue of a process. It is open while the process's order worker runs.
#[derive(Debug)]
pub(crate) struct Waiting(Mutex<Option<OrderQueue<String, Version>>>);

impl Waiting {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// Opens an empty queue, which closes when the returned guard is dropped.
    pub(super) fn open(&self, options: &EngineOptions) -> OpenQueue<'_> {
        *self.0.lock() = Some(OrderQueue::new(&OrderQueueOptions {
            capacity: options.most_waiting,
            in_flight: options.orders_in_flight,
            failing_in_flight: options.failing_in_flight,
            lane_weights: options.lane_weights,
            tenant_weights: options.tenant_weights.clone(),
            ..OrderQueueOptions::default()
        }));
        OpenQueue(self)
    }

    fn with<R>(&self, f: impl FnOnce(&mut OrderQueue<String, Version>) -> R) -> Option<R> {
        self.0.lock().as_mut().map(f)
    }

    pub(crate) fn is_open(&self) -> bool {
        self.0.lock().is_some()
    }

    /// Records an order that was just written. One that finds no room is found in the store again.
    pub(crate) fn note(&self, order: WaitingOrder, now: SystemTime) {
        self.with(|queue| queue.put(order, now).ok());
    }

    /// Records an order that was found in the store, unless it is in flight here.
    pub(crate) fn found(&self, order: WaitingOrder, now: SystemTime) {
        self.with(|queue| {
            if !queue.is_in_flight(&order.name) {
                // One that finds no room is found again.
                let _ = queue.put(order, now);
            }
        });
    }

    /// Returns whether the queue knows this version of an order, or a later one.
    pub(crate) fn knows(&self, name: &str, version: Version) -> bool {
        let knows = self.with(|queue| queue.is_in_flight(name) || queue.version(name) >= Some(version));
        knows.unwrap_or(true)
    }

    /// Returns a mark between what is known now and what comes later.
    pub(super) fn mark(&self) -> u64 {
        self.with(|queue| queue.mark()).unwrap_or_default()
    }

    /// Forgets the orders of a page of the store that were known before `mark` and are not there.
    pub(super) fn forget_missing(
        &self,
        after: Option<&str>,
        last: Option<&str>,
        present: &BTreeSet<&str>,
        mark: u64,
    ) {
        self.with(|queue| queue.forget_missing(after, last, present, mark));
    }

    pub(super) fn forget(&self, name: &str) {
        self.with(|queue| queue.forget(name));
    }

    /// Starts no new order until then; `None` ends a halt.
    pub(super) fn halt(&self, until: Option<SystemTime>) {
        self.with(|queue| match until {
            Some(until) => queue.halt(until),
            None => queue.resume(),
        });
    }

    pub(super) fn next(&self, now: SystemTime) -> Option<Candidate> {
        match self.with(|queue| queue.next(now))? {
            NextOrder::Candidate(candidate) => Some(candidate),
            NextOrder::Wait { .. } | NextOrder::Empty => None,
        }
    }

    /// Returns whether a candidate is in this lane and pool; otherwise moves it there.
    pub(super) fn confirm(&self, candidate: &Candidate, lane: Lane, pool: Pool) -> bool {
        self.with(|queue| queue.confirm(candidate, lane, pool)).unwrap_or_default()
    }

    /// Holds one order until a moment, whatever the store says of it.
    pub(crate) fn hold(&self, name: &str, until: SystemTime) {
        self.with(|queue| queue.hold(name, until));
    }

    /// Returns the number of orders of a pool that have started and have not reserved yet.
    pub(super) fn starting(&self, pool: Pool) -> u32 {
        self.with(|queue| queue.starting(pool)).unwrap_or_default()
    }

    /// Closes what a shared limit denies to the candidate. Returns whether that is certain, and news.
    pub(super) fn close(
        &self,
        candidate: &Candidate,
        denial: &SharedDenial,
        starting: u32,
        now: SystemTime,
    ) -> bool {
        self.with(|queue| queue.close(candidate, denial, starting, now)).unwrap_or_default()
    }

    /// Opens all pools after tokens were given back.
    pub(crate) fn reopen_pools(&self) {
        self.with(OrderQueue::reopen_pools);
    }

    pub(super) fn started(&self, candidate: &Candidate) {
        self.with(|queue| queue.start(candidate));
    }

    /// Records that an order holds its tokens now, or was denied them.
    pub(super) fn reserved(&self, name: &str) {
        self.with(|queue| queue.reserved(name));
    }

    /// Ends the work on an order here. If no write of it was noted meanwhile, it is looked at again at `come_back`.
    pub(super) fn ended(&self, name: &str, come_back: Option<SystemTime>, now: SystemTime) {
        self.with(|queue| queue.end(name, come_back, now));
    }

    /// Returns the position of an order; `None` when the queue does not know it.
    pub(crate) fn place(&self, name: &str) -> Option<Place> {
        self.with(|queue| queue.place(name)).flatten()
    }
}

/// Keeps the queue open.
#[derive(Debug)]
pub(super) struct OpenQueue<'a>(&'a Waiting);

impl Drop for OpenQueue<'_> {
    fn drop(&mut self) {
        *self.0.0.lock() = None;
    }
}

#[cfg(test)]
mod tests {
    use fleetcert_schedule::order_queue::Tenant;
    use fleetcert_store::{Collection, Expect, MemoryStore, Store, Transaction};

    use super::*;

    fn order(name: &str, version: Version) -> WaitingOrder {
        let now = SystemTime::UNIX_EPOCH;
        WaitingOrder {
            name: name.to_owned(),
            version,
            is_placed: false,
            lane: Lane::New,
            expiring_from: None,
            pool: Pool(1),
            tenant: Tenant::default(),
            deadline: now,
            since: now,
            due: now,
        }
    }

    #[tokio::test]
    async fn queue_is_open_while_its_guard_lives() {
        const ANY: Collection = Collection::new("any");
        let write = Transaction::new().put(ANY, "key", Expect::Any, Vec::new(), None);
        let version = MemoryStore::new().commit(write).await.unwrap();
        let (waiting, now) = (Waiting::new(), SystemTime::UNIX_EPOCH);
        waiting.note(order("a", version), now);
        assert!(waiting.place("a").is_none() && !waiting.is_open() && waiting.knows("a", version));
        let options = EngineOptions::new("fleet.test".parse().unwrap());
        let open = waiting.open(&EngineOptions { most_waiting: 1, ..options });
        waiting.note(order("a", version), now);
        // One that finds no room stays in the store.
        waiting.note(order("b", version), now);
        assert!(waiting.place("a").is_some() && waiting.place("b").is_none());
        let candidate = waiting.next(now).unwrap();
        waiting.started(&candidate);
        waiting.found(order("a", version), now);
        assert!(waiting.next(now).is_none() && waiting.knows("a", version));
        drop(open);
        assert!(!waiting.is_open());
    }
}
