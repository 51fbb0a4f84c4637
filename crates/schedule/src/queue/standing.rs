//! The position of an entry.

use std::hash::Hash;
use std::time::SystemTime;

use super::turns::{FlowKey, PoolTurns, Seat, Turns, number};
use super::{Flow, HoldScope, Lane, Queue};

/// The position of an entry, if no entry comes, goes or is held from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing<W> {
    /// Entries of its flow before it.
    pub in_flow: usize,
    /// Entries that draw on the same buckets before it, including those of its flow. An estimate if more than 512 tenants
    /// wait in its lane.
    pub in_pool: usize,
    /// All entries before it. An estimate if there is more than one pool.
    pub ahead: usize,
    /// Hold of the entry; of several, the one that ends last.
    pub held: Option<Held<W>>,
}

/// The hold of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held<W> {
    /// Closed scope; `None` if the entry is held alone.
    pub scope: Option<HoldScope>,
    /// End of the hold; `None` if no time is set.
    pub until: Option<SystemTime>,
    /// Reason.
    pub why: W,
}

impl<K: Copy + Ord + Hash, W: Copy, T> Queue<K, W, T> {
    /// Returns the position of an entry without a scan: O(log n) in its flow, and visits to at most about 512 other flows
    /// of its lane and 512 other pools. With more of them, the largest and a sample of the smaller ones are visited, and
    /// the numbers are estimates.
    pub(crate) fn standing(&self, key: K) -> Option<Standing<W>> {
        let (in_flow, in_pool) = self.place_in_pool(key)?;
        let elsewhere = self.ahead_elsewhere(key, in_pool);
        let ahead = in_pool.saturating_add(elsewhere);
        Some(Standing { in_flow, in_pool, ahead, held: self.held_by(key) })
    }

    /// Returns the number of entries of other pools before an entry.
    fn ahead_elsewhere(&self, key: K, in_pool: usize) -> usize {
        let Some(flow) = self.flow_of(key) else { return 0 };
        let before = self.turns.served_in_other_pools(flow.seat, in_pool as u64 + 1);
        usize::try_from(before).unwrap_or(usize::MAX)
    }

    pub(super) fn flow_of(&self, key: K) -> Option<&Flow> {
        let slot = self.slots.get(self.index.get(key, &self.slots)?)?;
        self.flows.get(slot.flow as usize)
    }

    fn place_in_pool(&self, key: K) -> Option<(usize, usize)> {
        let id = self.index.get(key, &self.slots)?;
        let deadline = self.slots.get(id)?.deadline;
        let flow = self.flow_of(key)?;
        let in_flow = flow.order.count_before((deadline, id));
        let size = |id: u32| self.flows.get(id as usize).map_or(0, |flow| u64::from(flow.order.len()));
        let in_pool = self.turns.served_in_pool(flow.seat, u64::from(in_flow) + 1, size);
        Some((in_flow as usize, usize::try_from(in_pool).unwrap_or(usize::MAX)))
    }

    fn held_by(&self, key: K) -> Option<Held<W>> {
        let slot = self.slots.get(self.index.get(key, &self.slots)?)?;
        let FlowKey { lane, pool, .. } = self.flow_of(key)?.key;
        let alone = slot.held.map(|why| (slot.until, None, why));
        let scopes =
            [HoldScope::All, HoldScope::Lane(lane), HoldScope::Pool(pool), HoldScope::PoolLane(pool, lane)];
        let closed = scopes.into_iter().filter_map(|scope| {
            let (until, why) = self.turns.scopes().get(scope)?;
            Some((until, Some(scope), why))
        });
        let last = alone.into_iter().chain(closed).max_by_key(|(until, ..)| *until);
        last.map(|(until, scope, why)| Held { scope, until: until.time(), why })
    }
}

impl<W: Copy> Turns<W> {
    /// Returns how many entries of its pool are served before a flow is served for the `nth` time.
    fn served_in_pool(&self, seat: Seat, nth: u64, size: impl Fn(u32) -> u64) -> u64 {
        let Some(pool) = self.pool(seat) else { return 0 };
        let tenants = pool.tenants.get(seat.lane);
        let times = tenants.shares.times_before(seat.share, nth);
        let size_of = |share| tenants.shares.id(share).map_or(0, &size);
        let others = tenants.sizes.sum(|share| times(share).min(size_of(share)));
        let others = others.min(tenants.waiting.saturating_sub(size_of(seat.share)));
        let in_lane = (nth - 1).saturating_add(others);
        let waiting = |lane| pool.tenants.get(lane).waiting;
        let of_lanes = pool.lanes.served_before(number(seat.lane), in_lane.saturating_add(1), waiting);
        in_lane.saturating_add(of_lanes)
    }

    /// Estimates how many entries of other pools are served before this flow is served for the `nth` time.
    fn served_in_other_pools(&self, seat: Seat, nth: u64) -> u64 {
        let Some(own) = self.pool(seat) else { return 0 };
        let served = self.served_elsewhere(own, seat.lane, nth);
        let all = self.waiting().saturating_sub(own.waiting);
        self.sum_of_pools(served).min(all)
    }

    /// Returns a function that estimates how much of another pool is served before the `nth` entry of `own`, by the lanes
    /// that the pools offer now.
    fn served_elsewhere(&self, own: &PoolTurns, own_lane: Lane, nth: u64) -> impl Fn(&PoolTurns) -> u64 {
        let own_weight = own.tenants.get(own_lane).shares.ready_weight().max(1);
        let offered = if own.offers == Some(own_lane) { 0 } else { own_weight };
        let own_sum = self.offered_weight(own_lane).saturating_add(offered);
        let (own_id, own_lane) = (own.id, u128::from(self.lane_weight(own_lane)));
        move |other| {
            let Some(lane) = other.offers.filter(|_| other.id != own_id) else { return 0 };
            // The share of a pool is the weight of its lane times its own weight, divided by the weights of all pools that
            // offer the lane.
            let weight = other.tenants.get(lane).shares.ready_weight();
            let part = product([self.lane_weight(lane), weight, own_sum]);
            let own_part = product([own_weight, self.offered_weight(lane)]).saturating_mul(own_lane).max(1);
            let times = u128::from(nth).saturating_mul(part).div_ceil(own_part);
            u64::try_from(times).unwrap_or(u64::MAX).min(other.waiting)
        }
    }
}

fn product<const N: usize>(factors: [u64; N]) -> u128 {
    factors.into_iter().fold(1, |product, factor| u128::from(factor).saturating_mul(product))
}
