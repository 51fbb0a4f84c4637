//! Where an entry stands.

use std::hash::Hash;
use std::time::SystemTime;

use super::shares::LOOKED_AT;
use super::turns::{FlowKey, Seat, Turns, number};
use super::{Flow, Gate, Pool, Queue};

/// Where an entry stands, if nothing comes, goes or is held from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing<W> {
    /// How many of its own flow go before it.
    pub in_flow: usize,
    /// How many that draw on the same buckets go before it, those of its flow among them. An estimate where more than
    /// 512 tenants wait in its lane.
    pub in_pool: usize,
    /// How many of all go before it. With more than one pool it is an estimate.
    pub ahead: usize,
    /// What holds it; of several, what ends last.
    pub held: Option<Held<W>>,
}

/// What holds an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held<W> {
    /// The closed gate; `None` when it is held alone.
    pub gate: Option<Gate>,
    /// Until when; `None` when no time helps.
    pub until: Option<SystemTime>,
    /// Why.
    pub why: W,
}

impl<K: Copy + Ord + Hash, W: Copy, T> Queue<K, W, T> {
    /// Where an entry stands, without a scan: O(log n) in its own flow, and a look at up to 512 other flows of its lane
    /// and up to 512 other pools. With more of them, those stand for the rest, and the numbers are estimates.
    pub fn standing(&self, key: K) -> Option<Standing<W>> {
        let (in_flow, in_pool) = self.place_in_pool(key)?;
        let elsewhere = self.ahead_elsewhere(key, in_pool, |_| true);
        let ahead = in_pool.saturating_add(elsewhere);
        Some(Standing { in_flow, in_pool, ahead, held: self.held_by(key) })
    }

    /// How many of those pools of which `counts` is true go before an entry of another pool.
    pub(crate) fn ahead_elsewhere(&self, key: K, in_pool: usize, counts: impl Fn(Pool) -> bool) -> usize {
        let Some(flow) = self.flow_of(key) else { return 0 };
        let before = self.turns.served_in_other_pools(flow.seat, in_pool as u64 + 1, counts);
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
        let gates = [Gate::All, Gate::Lane(lane), Gate::Pool(pool), Gate::PoolLane(pool, lane)];
        let closed = gates.into_iter().filter_map(|gate| {
            let (until, why) = self.turns.gates().get(gate)?;
            Some((until, Some(gate), why))
        });
        let last = alone.into_iter().chain(closed).max_by_key(|(until, ..)| *until);
        last.map(|(until, gate, why)| Held { gate, until: until.time(), why })
    }
}

impl<W: Copy> Turns<W> {
    /// How many entries of its pool are served before a flow is for the `nth` time.
    fn served_in_pool(&self, seat: Seat, nth: u64, size: impl Fn(u32) -> u64) -> u64 {
        let Some(pool) = self.pool(seat) else { return 0 };
        let shares = &pool.tenants.get(seat.lane).shares;
        let in_lane = (nth - 1).saturating_add(shares.served_before(seat.share, nth, size));
        let waiting = |lane| pool.tenants.get(lane).waiting;
        let of_lanes = pool.lanes.served_before(number(seat.lane), in_lane.saturating_add(1), waiting);
        in_lane.saturating_add(of_lanes)
    }

    /// About how many entries of other pools are served before this one is for the `nth` time: by the lanes that
    /// the pools offer now.
    fn served_in_other_pools(&self, seat: Seat, nth: u64, counts: impl Fn(Pool) -> bool) -> u64 {
        let Some(own) = self.pool(seat) else { return 0 };
        let own_weight = own.tenants.get(seat.lane).shares.ready_weight().max(1);
        let own_lane = u128::from(self.lane_weight(seat.lane));
        let offered = if own.offers == Some(seat.lane) { 0 } else { own_weight };
        let own_sum = self.offered_weight(seat.lane).saturating_add(offered);
        let (others, step) = self.some_pools(LOOKED_AT);
        let others = others.filter(|pool| pool.id != own.id && counts(pool.id));
        let before: u64 = others.fold(0, |before, other| {
            let Some(lane) = other.offers else { return before };
            // A pool's part is its lane's weight times its own weight by that of all that offer the lane.
            let weight = other.tenants.get(lane).shares.ready_weight();
            let part = product([self.lane_weight(lane), weight, own_sum]);
            let own_part = product([own_weight, self.offered_weight(lane)]).saturating_mul(own_lane).max(1);
            let times = u128::from(nth).saturating_mul(part).div_ceil(own_part);
            before.saturating_add(u64::try_from(times).unwrap_or(u64::MAX).min(other.waiting()))
        });
        // Each that was looked at stands for others.
        before.saturating_mul(step)
    }
}

fn product<const N: usize>(factors: [u64; N]) -> u128 {
    factors.into_iter().fold(1, |product, factor| u128::from(factor).saturating_mul(product))
}
