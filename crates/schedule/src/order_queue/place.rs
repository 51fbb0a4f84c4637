//! The position of an order, and when it is expected to be done.

use std::borrow::Borrow;
use std::fmt;
use std::hash::Hash;
use std::time::{Duration, SystemTime};

use super::{HoldCause, OrderQueue};
use crate::budget::Denied;
use crate::expected_completion;
use crate::queue::{HoldScope, Lane};

/// The position of an order in an [`OrderQueue`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Lane of the order.
    pub lane: Lane,
    /// Number of orders that start before it.
    pub ahead: usize,
    /// Number of those that draw on the same buckets.
    pub in_pool: usize,
    /// Number of orders in flight.
    pub in_flight: usize,
    /// Whether the order is in flight, or placed at the CA: then no limit delays it.
    pub is_exempt: bool,
    /// What holds the order.
    pub held: Option<Hold>,
}

impl Place {
    /// Returns when the order is expected to be done, if it starts at `start` at the earliest, `slots` orders are in
    /// flight at a time and each takes `each`. Nothing that comes later is considered.
    pub fn expected_at(
        &self,
        start: SystemTime,
        slots: usize,
        each: Duration,
        now: SystemTime,
    ) -> SystemTime {
        let held_until = self.held.as_ref().and_then(|hold| hold.until);
        let start = held_until.map_or(start, |until| until.max(start)).max(now);
        let by_slots = expected_completion(now, self.ahead.saturating_add(self.in_flight), slots, each);
        start.checked_add(each).unwrap_or(start).max(by_slots)
    }
}

/// What holds an order, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Reason.
    pub reason: HoldReason,
    /// Moment at which the order is looked at again; `None` when another order has to end first.
    pub until: Option<SystemTime>,
}

/// Why an order waits.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HoldReason {
    /// It is not due yet.
    NotDue,
    /// A limit that it shares with other orders.
    Limit {
        /// The limit.
        denied: Denied,
        /// Moment at which the limit has a token.
        until: SystemTime,
    },
    /// The maximum number of orders is in flight.
    InFlight,
    /// The maximum number of failing orders is in flight.
    FailingInFlight,
    /// All new orders are halted.
    Halted,
}

impl fmt::Display for HoldReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotDue => f.write_str("the order is not due yet"),
            Self::Limit { denied, .. } => denied.fmt(f),
            Self::InFlight => f.write_str("the maximum number of orders is in flight"),
            Self::FailingInFlight => f.write_str("the maximum number of failing orders is in flight"),
            Self::Halted => f.write_str("new orders are halted"),
        }
    }
}

impl<N: Clone + Ord + Hash, V: Copy + Ord> OrderQueue<N, V> {
    /// Returns the position of an order; `None` when the queue does not know it. O(log n): no other order is looked at.
    pub fn place<Q: Ord + Hash + ?Sized>(&self, name: &Q) -> Option<Place>
    where
        N: Borrow<Q>,
    {
        let in_flight = self.running.len();
        if let Some(running) = self.running.get(name) {
            let lane = running.entry.lane;
            return Some(Place { lane, ahead: 0, in_pool: 0, in_flight, is_exempt: true, held: None });
        }
        let key = *self.keys.get(name)?;
        let is_exempt = self.placed.contains(key);
        let queue = if is_exempt { &self.placed } else { &self.new };
        let (entry, _) = queue.get(key)?;
        let standing = queue.standing(key)?;
        let held =
            standing.held.map(|held| Hold { reason: self.reason(held.scope, held.why), until: held.until });
        let (ahead, in_pool) = (standing.ahead, standing.in_pool);
        Some(Place { lane: entry.lane, ahead, in_pool, in_flight, is_exempt, held })
    }

    pub(super) fn reason(&self, scope: Option<HoldScope>, cause: HoldCause) -> HoldReason {
        match cause {
            HoldCause::NotDue => HoldReason::NotDue,
            HoldCause::FailingInFlight => HoldReason::FailingInFlight,
            HoldCause::Halted => HoldReason::Halted,
            // A scope that a limit closed has its closure until it opens, or until there are too many of them.
            HoldCause::Limit => {
                scope.and_then(|scope| self.closures.get(&scope)).map_or(HoldReason::NotDue, |closure| {
                    HoldReason::Limit { denied: closure.denied.clone(), until: closure.until }
                })
            }
        }
    }
}
