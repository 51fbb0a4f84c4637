//! The queue of certificate orders: which order starts next, which wait, and for what.
//!
//! [`OrderQueue`] holds no budgets and does no I/O. Its user asks for the [`next`](OrderQueue::next) candidate, finds out
//! whether the CA's limits allow it, and gives the queue the verdict: [`start`](OrderQueue::start) it,
//! [`hold`](OrderQueue::hold) it until it is due, [`close`](OrderQueue::close) its pool because a shared limit has no
//! token, or [`forget`](OrderQueue::forget) it. The engine of the control server and the simulation of a year both run on
//! this queue.
//!
//! ```
//! use fleetcert_schedule::budget::{Account, Budgets, Charges, Limits, OrderKind};
//! use fleetcert_schedule::budget::Outcome;
//! use fleetcert_schedule::order_queue::{NextOrder, OrderQueue, OrderQueueOptions};
//! use fleetcert_schedule::order_queue::{Reserve, WaitingOrder, lane_of, pool_of};
//! use fleetcert_schedule::order_queue::Tenant;
//! use std::time::{Duration, SystemTime};
//!
//! let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
//! let account = Account::new("https://ca.example/acct/1").expect("visible ASCII");
//! let mut budgets = Budgets::new(Limits::lets_encrypt_production(), 100_000);
//! let charges = |budgets: &Budgets, device: &u32| {
//!     let names = format!("d{device}.fleet.example.com").parse().expect("a name");
//!     Charges::order(budgets.limits(), OrderKind::New, &account, &names)
//! };
//! let mut queue: OrderQueue<u32> = OrderQueue::new(&OrderQueueOptions::default());
//! for device in 0..60 {
//!     let order = WaitingOrder {
//!         name: device,
//!         version: (),
//!         is_placed: false,
//!         lane: lane_of(0, None, now),
//!         expiring_from: None,
//!         pool: pool_of(&charges(&budgets, &device)),
//!         tenant: Tenant(0),
//!         deadline: now,
//!         since: now,
//!         due: now,
//!     };
//!     queue.put(order, now)?;
//! }
//! let mut started = 0;
//! let until = loop {
//!     let candidate = match queue.next(now) {
//!         NextOrder::Candidate(candidate) => candidate,
//!         NextOrder::Wait { until, .. } => break until,
//!         NextOrder::Empty => break None,
//!     };
//!     let charges = charges(&budgets, &candidate.name);
//!     let leave = Reserve::default().leave_of(candidate.lane);
//!     if let Some(denial) = budgets.shared_denial(&charges, leave, now) {
//!         let starting = queue.starting(candidate.pool);
//!         queue.close(&candidate, &denial, starting, now);
//!         continue;
//!     }
//!     queue.start(&candidate);
//!     let reservation = budgets.reserve_leaving(&charges, leave, now).expect("checked");
//!     queue.reserved(&candidate.name);
//!     // Here the order is sent, and the certificate comes.
//!     budgets.commit(reservation, &Outcome::Done, now);
//!     queue.end(&candidate.name, None, now);
//!     started += 1;
//! };
//! // 50 certificates for one domain at once; a tenth is reserved for orders that are more urgent than new devices.
//! assert_eq!(started, 45);
//! // The pool is looked at after ten minutes: another node may have given tokens back.
//! assert_eq!(until, Some(now + Duration::from_secs(600)));
//! # Ok::<(), fleetcert_schedule::order_queue::NotInserted>(())
//! ```

mod flight;
mod lane_rule;
mod options;
mod place;
mod reserve;
#[cfg(test)]
mod tests;

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Bound;
use std::time::SystemTime;

pub use crate::queue::{Lane, NotInserted, PerLane, Pool, QueueOptions, Tenant};
pub use lane_rule::{Predecessor, lane_of};
pub use options::OrderQueueOptions;
pub use place::{Hold, HoldReason, Place};
pub use reserve::Reserve;

use crate::budget::{Charges, Denied};
use crate::queue::{By, Entry, HoldScope, Next, Queue};
use flight::RunningOrder;

/// The orders of one CA account that wait or are in flight.
///
/// `N` names an order. `V` is the version of its record, so that a late look at a store does not undo a newer write; it
/// is `()` where there is no store.
///
/// Placed orders, which the CA already has, go before new ones and are stopped by no limit and no halt.
#[derive(Debug)]
pub struct OrderQueue<N, V = ()> {
    new: Queue<u64, HoldCause, QueuedOrder<N, V>>,
    placed: Queue<u64, HoldCause, QueuedOrder<N, V>>,
    keys: BTreeMap<N, u64>,
    /// Moments at which waiting orders move to [`Lane::Expiring`].
    expiring: BTreeSet<(SystemTime, u64)>,
    running: HashMap<N, RunningOrder<N, V>>,
    /// Number of orders of each pool that have started and have not reserved yet.
    starting: HashMap<Pool, u32>,
    failing: usize,
    capacity: usize,
    max_in_flight: usize,
    max_failing: usize,
    /// Closures of the scopes of pools.
    closures: HashMap<HoldScope, Closure>,
    /// Scopes that closed because orders in flight hold the tokens: no moment is known, an order has to end.
    held_scopes: BTreeSet<HoldScope>,
    next_key: u64,
}

/// An order that waits, as its record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingOrder<N, V = ()> {
    /// Name of the order.
    pub name: N,
    /// Version of the record.
    pub version: V,
    /// Whether the CA already has the order.
    pub is_placed: bool,
    /// Lane, from [`lane_of`].
    pub lane: Lane,
    /// Moment at which a routine or revoked order moves to [`Lane::Expiring`].
    pub expiring_from: Option<SystemTime>,
    /// Pool of the shared buckets that the order draws on, from [`pool_of`].
    pub pool: Pool,
    /// Tenant whose share the order counts to.
    pub tenant: Tenant,
    /// Moment by which the order should be done.
    pub deadline: SystemTime,
    /// Moment since which the order waits.
    pub since: SystemTime,
    /// Moment before which the order does not start.
    pub due: SystemTime,
}

/// The order whose turn it is. It stays the candidate until the queue has a verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate<N> {
    /// Name of the order.
    pub name: N,
    /// Lane of the order.
    pub lane: Lane,
    /// Pool of the order.
    pub pool: Pool,
    /// Whether the CA already has the order.
    pub is_placed: bool,
}

/// The answer of the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NextOrder<N> {
    /// Decide about this order.
    Candidate(Candidate<N>),
    /// Nothing can start now.
    Wait {
        /// Moment at which to ask again; `None` when another order has to end first. Ask again also after each order
        /// that ends.
        until: Option<SystemTime>,
        /// Hold that ends then.
        reason: HoldReason,
    },
    /// No order waits.
    Empty,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HoldCause {
    NotDue,
    Limit,
    FailingInFlight,
    Halted,
}

#[derive(Clone, Debug)]
struct QueuedOrder<N, V> {
    name: N,
    version: V,
    expiring_from: Option<SystemTime>,
}

/// Why a scope of a pool is closed.
#[derive(Clone, Debug)]
struct Closure {
    denied: Denied,
    until: SystemTime,
    is_reported: bool,
}

/// Maximum closures that are remembered. Scopes number pools times lanes: a handful for each registered domain.
const MAX_CLOSURES: usize = 10_000;

/// Returns the pool of all orders that share the same buckets.
///
/// Pools are numbered by a hash. Two sets of buckets with equal hashes wait for each other, which costs time and nothing
/// else.
pub fn pool_of(charges: &Charges) -> Pool {
    let mut hasher = DefaultHasher::new();
    charges.shared().for_each(|key| key.hash(&mut hasher));
    let [a, b, c, d, ..] = hasher.finish().to_le_bytes();
    Pool(u32::from_le_bytes([a, b, c, d]))
}

impl<N: Clone + Ord + Hash, V: Copy + Ord> OrderQueue<N, V> {
    /// Returns an empty queue.
    pub fn new(options: &OrderQueueOptions) -> Self {
        let mut new = Queue::new(options.queue());
        for (tenant, weight) in &options.tenant_weights {
            new.set_tenant_weight(*tenant, *weight);
        }
        Self {
            new,
            placed: Queue::new(options.queue()),
            keys: BTreeMap::new(),
            expiring: BTreeSet::new(),
            running: HashMap::new(),
            starting: HashMap::new(),
            failing: 0,
            capacity: options.capacity,
            max_in_flight: options.in_flight.max(1),
            max_failing: options.failing_in_flight.max(1),
            closures: HashMap::new(),
            held_scopes: BTreeSet::new(),
            next_key: 0,
        }
    }

    /// Returns the number of orders that wait.
    pub fn waiting(&self) -> usize {
        self.keys.len()
    }

    /// Returns whether an order is in flight.
    pub fn is_in_flight<Q: Ord + Hash + ?Sized>(&self, name: &Q) -> bool
    where
        N: Borrow<Q>,
    {
        self.running.contains_key(name)
    }

    /// Returns the version of a waiting order.
    pub fn version<Q: Ord + ?Sized>(&self, name: &Q) -> Option<V>
    where
        N: Borrow<Q>,
    {
        let key = *self.keys.get(name)?;
        let (_, order) = self.new.get(key).or_else(|| self.placed.get(key))?;
        Some(order.version)
    }

    /// Adds an order, or replaces what the queue knows of it. A newer version that the queue already has is kept.
    ///
    /// # Errors
    /// [`NotInserted`] when there is no room. The queue then does not know the order.
    pub fn put(&mut self, order: WaitingOrder<N, V>, now: SystemTime) -> Result<(), NotInserted> {
        if self.version(&order.name) > Some(order.version) {
            return Ok(());
        }
        self.forget(&order.name);
        if !order.is_placed && self.new.len() + self.running.len() >= self.capacity {
            return Err(NotInserted::Full);
        }
        let WaitingOrder {
            name,
            version,
            is_placed,
            lane,
            expiring_from,
            pool,
            tenant,
            deadline,
            since,
            due,
        } = order;
        let entry = Entry { lane, pool, tenant, deadline, since };
        let key = self.next_key;
        self.next_key += 1;
        self.room_for(key, entry, is_placed)?;
        self.insert(key, entry, QueuedOrder { name: name.clone(), version, expiring_from }, is_placed)?;
        if due > now {
            self.hold(&name, due);
        }
        Ok(())
    }

    fn room_for(&self, key: u64, entry: Entry, is_placed: bool) -> Result<(), NotInserted> {
        if is_placed { self.placed.room_for(key, entry) } else { self.new.room_for(key, entry) }
    }

    /// Inserts an order that was in the queue before, or for which there is room.
    fn insert(
        &mut self,
        key: u64,
        entry: Entry,
        order: QueuedOrder<N, V>,
        is_placed: bool,
    ) -> Result<(), NotInserted> {
        let (name, expiring_from) = (order.name.clone(), order.expiring_from);
        let queue = if is_placed { &mut self.placed } else { &mut self.new };
        queue.insert(key, entry, order)?;
        self.keys.insert(name, key);
        if let Some(at) = expiring_from.filter(|_| matches!(entry.lane, Lane::Routine | Lane::Revoked)) {
            self.expiring.insert((at, key));
        }
        Ok(())
    }

    /// Removes an order that waits. An order in flight is not touched.
    pub fn forget<Q: Ord + ?Sized>(&mut self, name: &Q) -> bool
    where
        N: Borrow<Q>,
    {
        let Some(key) = self.keys.remove(name) else { return false };
        if let Some((_, order)) = self.new.remove(key).or_else(|| self.placed.remove(key)) {
            self.stop_expiring(key, order.expiring_from);
        }
        true
    }

    fn stop_expiring(&mut self, key: u64, expiring_from: Option<SystemTime>) {
        if let Some(at) = expiring_from {
            self.expiring.remove(&(at, key));
        }
    }

    /// Returns a mark that separates the orders put until now from later ones, for
    /// [`forget_missing`](Self::forget_missing).
    pub fn mark(&self) -> u64 {
        self.next_key
    }

    /// Removes the waiting orders with names above `after` and up to `last` that were put before `mark` and are not
    /// `present`. `None` leaves the range open on that side.
    pub fn forget_missing<Q: Ord + Hash + ?Sized>(
        &mut self,
        after: Option<&Q>,
        last: Option<&Q>,
        present: &BTreeSet<&Q>,
        mark: u64,
    ) where
        N: Borrow<Q>,
    {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let to = last.map_or(Bound::Unbounded, Bound::Included);
        let missing = self.keys.range::<Q, _>((from, to));
        let missing = missing.filter(|(name, key)| **key < mark && !present.contains((*name).borrow()));
        for name in missing.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
            self.forget::<N>(&name);
        }
    }

    /// Starts no new order until a moment, or until [`resume`](Self::resume).
    pub fn halt(&mut self, until: SystemTime) {
        self.new.close(HoldScope::All, Some(until), HoldCause::Halted);
    }

    /// Ends a halt.
    pub fn resume(&mut self) {
        self.new.open(HoldScope::All);
    }

    /// Returns the order whose turn it is. It stays so until it is started, held, moved, forgotten, or its pool closes.
    pub fn next(&mut self, now: SystemTime) -> NextOrder<N> {
        self.move_expiring(now);
        if self.running.len() >= self.max_in_flight && !self.keys.is_empty() {
            return NextOrder::Wait { until: None, reason: HoldReason::InFlight };
        }
        let placed = self.placed.next(now);
        if let Next::Candidate(key) = placed
            && let Some(candidate) = candidate(&self.placed, key, true)
        {
            return NextOrder::Candidate(candidate);
        }
        let new = self.new.next(now);
        if let Next::Candidate(key) = new
            && let Some(candidate) = candidate(&self.new, key, false)
        {
            return NextOrder::Candidate(candidate);
        }
        let waits = [placed, new].into_iter().filter_map(|next| match next {
            Next::Wait { until, by, why } => {
                let scope = if let By::HoldScope(scope) = by { Some(scope) } else { None };
                Some((until, scope, why))
            }
            Next::Candidate(_) | Next::Empty => None,
        });
        // No time is later than any time.
        let first = waits.min_by_key(|(until, ..)| (until.is_none(), *until));
        first.map_or(NextOrder::Empty, |(until, scope, why)| NextOrder::Wait {
            until,
            reason: self.reason(scope, why),
        })
    }

    fn move_expiring(&mut self, now: SystemTime) {
        while let Some((_, key)) = self.expiring.first().copied().filter(|(at, _)| *at <= now) {
            self.expiring.pop_first();
            if let Some((entry, _)) = self.new.get(key) {
                self.new.change(key, Entry { lane: Lane::Expiring, ..entry });
            }
        }
    }
}

fn candidate<N: Clone, V>(
    queue: &Queue<u64, HoldCause, QueuedOrder<N, V>>,
    key: u64,
    is_placed: bool,
) -> Option<Candidate<N>> {
    let (entry, order) = queue.get(key)?;
    Some(Candidate { name: order.name.clone(), lane: entry.lane, pool: entry.pool, is_placed })
}
