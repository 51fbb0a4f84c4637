//! Verdicts on a candidate, and the orders in flight.

use std::borrow::Borrow;
use std::hash::Hash;
use std::time::{Duration, SystemTime};

use super::{Candidate, Closure, HoldCause, MAX_CLOSURES, OrderQueue, QueuedOrder};
use crate::budget::SharedDenial;
use crate::queue::{Entry, HoldScope, Lane, Pool};

/// Maximum time for which a pool stays closed without a look: limits change, and other nodes give tokens back.
const RECHECK_POOL: Duration = Duration::from_secs(600);

#[derive(Debug)]
pub(super) struct RunningOrder<N, V> {
    key: u64,
    pub(super) entry: Entry,
    order: QueuedOrder<N, V>,
    is_placed: bool,
    /// Whether it has not reserved its tokens yet.
    is_starting: bool,
}

impl<N: Clone + Ord + Hash, V: Copy + Ord> OrderQueue<N, V> {
    /// Returns whether a candidate still is in this lane and draws on this pool. If not, it is moved there, and is not the
    /// candidate any more.
    pub fn confirm(&mut self, candidate: &Candidate<N>, lane: Lane, pool: Pool) -> bool {
        if (candidate.lane, candidate.pool) == (lane, pool) {
            return true;
        }
        if let Some(key) = self.keys.get(&candidate.name).copied()
            && let Some((entry, _)) = self.new.get(key)
        {
            self.new.change(key, Entry { lane, pool, ..entry });
        }
        false
    }

    /// Verdict "not due": holds one waiting order until a moment.
    pub fn hold<Q: Ord + ?Sized>(&mut self, name: &Q, until: SystemTime)
    where
        N: Borrow<Q>,
    {
        if let Some(key) = self.keys.get(name).copied()
            && !self.new.hold(key, Some(until), HoldCause::NotDue)
        {
            self.placed.hold(key, Some(until), HoldCause::NotDue);
        }
    }

    /// Verdict "closed": a shared limit denies the candidate a token. Closes its pool, or, if the rest is reserved for more
    /// urgent lanes, its lane in that pool. The pool is looked at again after ten minutes at the latest.
    ///
    /// `starting` is the number of orders [starting](Self::starting) in the pool that the denial counted as holders of a
    /// token. Returns whether this is news to report: the limit is reached for certain, and this was not reported for the
    /// same moment.
    pub fn close(
        &mut self,
        candidate: &Candidate<N>,
        denial: &SharedDenial,
        starting: u32,
        now: SystemTime,
    ) -> bool {
        let scope = match denial.is_reserved {
            true => HoldScope::PoolLane(candidate.pool, candidate.lane),
            false => HoldScope::Pool(candidate.pool),
        };
        let recheck = now.checked_add(RECHECK_POOL).unwrap_or(denial.until);
        self.new.close(scope, Some(denial.until.min(recheck)), HoldCause::Limit);
        if denial.denied.retry_at().is_none() {
            self.held_scopes.insert(scope);
        }
        if self.closures.len() >= MAX_CLOSURES {
            self.closures.clear();
        }
        let before = self.closures.get(&scope);
        let was_reported = before.is_some_and(|before| before.is_reported && before.until == denial.until);
        let is_reported = was_reported || starting == 0;
        let closure = Closure { denied: denial.denied.clone(), until: denial.until, is_reported };
        self.closures.insert(scope, closure);
        is_reported && !was_reported
    }

    /// Opens all pools that a limit closed: tokens were given back, or limits have changed.
    pub fn reopen_pools(&mut self) {
        for scope in self.closures.keys() {
            self.new.open(*scope);
        }
    }

    /// Returns the number of orders of a pool that have started and have not [reserved](Self::reserved) yet.
    pub fn starting(&self, pool: Pool) -> u32 {
        self.starting.get(&pool).copied().unwrap_or_default()
    }

    /// Verdict "admitted": the candidate is in flight from now on. `false` when the queue does not know it any more.
    pub fn start(&mut self, candidate: &Candidate<N>) -> bool {
        let Some(key) = self.keys.remove(&candidate.name) else { return false };
        // The order may have moved to the other queue since it was the candidate.
        let queue = if self.placed.contains(key) { &mut self.placed } else { &mut self.new };
        let Some((entry, order)) = queue.take(key) else { return false };
        self.stop_expiring(key, order.expiring_from);
        let is_placed = candidate.is_placed;
        if !is_placed {
            *self.starting.entry(entry.pool).or_default() += 1;
            self.count_failing(entry.lane);
        }
        let running = RunningOrder { key, entry, order, is_placed, is_starting: !is_placed };
        self.running.insert(candidate.name.clone(), running);
        true
    }

    fn count_failing(&mut self, lane: Lane) {
        if lane == Lane::Failing {
            self.failing += 1;
            if self.failing >= self.max_failing {
                self.new.close(HoldScope::Lane(Lane::Failing), None, HoldCause::FailingInFlight);
            }
        }
    }

    /// Records that an order in flight holds its tokens now, or was denied them.
    pub fn reserved<Q: Ord + Hash + ?Sized>(&mut self, name: &Q)
    where
        N: Borrow<Q>,
    {
        let Some(running) = self.running.get_mut(name) else { return };
        if std::mem::take(&mut running.is_starting) {
            let pool = running.entry.pool;
            self.release_start_slot(pool);
        }
    }

    /// Ends the start of one order of a pool. The token that was kept free for it may be available now.
    fn release_start_slot(&mut self, pool: Pool) {
        if let Some(starting) = self.starting.get_mut(&pool) {
            *starting = starting.saturating_sub(1);
            if *starting == 0 {
                self.starting.remove(&pool);
            }
        }
        self.new.open(HoldScope::Pool(pool));
        for lane in Lane::ALL {
            self.new.open(HoldScope::PoolLane(pool, lane));
        }
    }

    /// Ends the flight of an order. With `come_back` it waits again in its old place, until that moment at least, unless it
    /// was [put](Self::put) again meanwhile. `false` when it was not in flight.
    pub fn end<Q: Ord + Hash + ?Sized>(
        &mut self,
        name: &Q,
        come_back: Option<SystemTime>,
        now: SystemTime,
    ) -> bool
    where
        N: Borrow<Q>,
    {
        let Some(running) = self.running.remove(name) else { return false };
        let RunningOrder { key, entry, order, is_placed, is_starting } = running;
        for scope in std::mem::take(&mut self.held_scopes) {
            self.new.open(scope);
        }
        if is_starting {
            self.release_start_slot(entry.pool);
        }
        if !is_placed && entry.lane == Lane::Failing {
            self.failing = self.failing.saturating_sub(1);
            self.new.open(HoldScope::Lane(Lane::Failing));
        }
        if let Some(until) = come_back.filter(|_| !self.keys.contains_key(name)) {
            // There is room for it: orders in flight count.
            if self.insert(key, entry, order, is_placed).is_ok() {
                self.hold(name, until.max(now));
            }
        }
        true
    }
}
