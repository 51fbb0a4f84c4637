//! Whose turn it is: among the lanes, among the pools, and inside each pool among its lanes and their tenants.
//!
//! The shares of a lane and of a tenant in a budget are counted inside the pool, because a pool's clock stands
//! still while its bucket is empty: each token that comes back goes to whom the shares owe it, whatever others got
//! meanwhile. So each pool offers one lane, whose turn it is there. What goes on at a time is shared by the lanes
//! that are offered, and in a lane by the pools that offer it.

use std::collections::BTreeMap;

use super::gate::{Gate, Gates};
use super::lane::{Lane, PerLane, Pool, Tenant};
use super::moment::Moment;
use super::shares::Shares;

#[derive(Clone, Debug)]
pub(super) struct Turns<W> {
    lanes: Shares<Lane>,
    pools_of: PerLane<Shares<Pool>>,
    pools: BTreeMap<Pool, PoolTurns>,
    gates: Gates<W>,
    lane_weights: PerLane<u32>,
    tenant_weights: BTreeMap<Tenant, u32>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct PoolTurns {
    pub(super) lanes: Shares<Lane>,
    pub(super) tenants: PerLane<Tenants>,
    /// The lane whose turn it is here; none while the pool cannot go.
    pub(super) offers: Option<Lane>,
}

/// The flows of one lane of a pool.
#[derive(Clone, Debug, Default)]
pub(super) struct Tenants {
    pub(super) shares: Shares<Tenant>,
    pub(super) flows: BTreeMap<Tenant, u32>,
    /// The entries that are not held alone.
    pub(super) waiting: u64,
}

impl PoolTurns {
    pub(super) fn waiting(&self) -> u64 {
        Lane::ALL.iter().map(|lane| self.tenants.get(*lane).waiting).sum()
    }
}

/// Which flow: the entries of one tenant, in one lane, that draw on the same buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FlowKey {
    pub(super) lane: Lane,
    pub(super) pool: Pool,
    pub(super) tenant: Tenant,
}

impl<W: Copy> Turns<W> {
    pub(super) fn new(lane_weights: PerLane<u32>) -> Self {
        Self {
            lanes: Shares::default(),
            pools_of: PerLane::default(),
            pools: BTreeMap::new(),
            gates: Gates::new(),
            lane_weights,
            tenant_weights: BTreeMap::new(),
        }
    }

    pub(super) fn set_tenant_weight(&mut self, tenant: Tenant, weight: u32) {
        if weight == 1 {
            self.tenant_weights.remove(&tenant);
        } else {
            self.tenant_weights.insert(tenant, weight);
        }
    }

    pub(super) fn pool(&self, pool: Pool) -> Option<&PoolTurns> {
        self.pools.get(&pool)
    }

    pub(super) fn pools(&self) -> impl Iterator<Item = (&Pool, &PoolTurns)> {
        self.pools.iter()
    }

    /// The weight of a lane.
    pub(super) fn lane_weight(&self, lane: Lane) -> u64 {
        u64::from(*self.lane_weights.get(lane)).max(1)
    }

    /// The weight of all pools together that offer a lane.
    pub(super) fn offered_weight(&self, lane: Lane) -> u64 {
        self.pools_of.get(lane).ready_weight()
    }

    fn tenant_weight(&self, tenant: Tenant) -> u64 {
        u64::from(self.tenant_weights.get(&tenant).copied().unwrap_or(1))
    }

    pub(super) fn flow(&self, key: FlowKey) -> Option<u32> {
        self.pools.get(&key.pool)?.tenants.get(key.lane).flows.get(&key.tenant).copied()
    }

    pub(super) fn add_flow(&mut self, key: FlowKey, flow: u32) {
        let pool = self.pools.entry(key.pool).or_default();
        pool.tenants.get_mut(key.lane).flows.insert(key.tenant, flow);
    }

    /// Forgets a flow in which nothing is left, and its pool if it was the last.
    pub(super) fn remove_flow(&mut self, key: FlowKey) {
        let Some(pool) = self.pools.get_mut(&key.pool) else { return };
        let tenants = pool.tenants.get_mut(key.lane);
        tenants.flows.remove(&key.tenant);
        tenants.shares.forget(key.tenant);
        self.refresh(key.pool, key.lane);
        let is_empty =
            |pool: &PoolTurns| Lane::ALL.iter().all(|lane| pool.tenants.get(*lane).flows.is_empty());
        if self.pools.get(&key.pool).is_some_and(is_empty) {
            self.pools.remove(&key.pool);
            for lane in Lane::ALL {
                self.pools_of.get_mut(lane).forget(key.pool);
                self.gates.open(Gate::PoolLane(key.pool, lane));
            }
            self.gates.open(Gate::Pool(key.pool));
        }
    }

    /// Takes note that one entry more, or one less, waits in a flow; `some` says whether any does now.
    pub(super) fn waits(&mut self, key: FlowKey, more: bool, some: bool) {
        let weight = self.tenant_weight(key.tenant);
        let Some(pool) = self.pools.get_mut(&key.pool) else { return };
        let Tenants { shares, waiting, .. } = pool.tenants.get_mut(key.lane);
        *waiting = if more { *waiting + 1 } else { waiting.saturating_sub(1) };
        if some == shares.is_ready(key.tenant) {
            return;
        }
        if some {
            shares.wake(key.tenant, weight);
        } else {
            shares.sleep(key.tenant);
        }
        self.refresh(key.pool, key.lane);
    }

    /// Counts one service.
    pub(super) fn serve(&mut self, key: FlowKey) {
        let Some(pool) = self.pools.get_mut(&key.pool) else { return };
        pool.tenants.get_mut(key.lane).shares.serve(key.tenant);
        pool.lanes.serve(key.lane);
        self.pools_of.get_mut(key.lane).serve(key.pool);
        self.lanes.serve(key.lane);
        self.offer(key.pool);
    }

    /// The flow whose turn it is.
    pub(super) fn first(&self) -> Option<u32> {
        if self.gates.is_closed(Gate::All) {
            return None;
        }
        let lane = self.lanes.first()?;
        let pool = self.pools_of.get(lane).first()?;
        let tenants = self.pools.get(&pool)?.tenants.get(lane);
        tenants.flows.get(&tenants.shares.first()?).copied()
    }

    pub(super) fn close(&mut self, gate: Gate, until: Moment, why: W) {
        if let Gate::Pool(pool) | Gate::PoolLane(pool, _) = gate
            && !self.pools.contains_key(&pool)
        {
            return;
        }
        self.gates.close(gate, until, why);
        self.refresh_behind(gate);
    }

    pub(super) fn open(&mut self, gate: Gate) -> bool {
        let was_closed = self.gates.open(gate);
        if was_closed {
            self.refresh_behind(gate);
        }
        was_closed
    }

    pub(super) fn gates(&self) -> &Gates<W> {
        &self.gates
    }

    /// The gates that an entry of this flow has to pass.
    pub(super) fn gates_before(key: FlowKey) -> [Gate; 4] {
        [Gate::All, Gate::Lane(key.lane), Gate::Pool(key.pool), Gate::PoolLane(key.pool, key.lane)]
    }

    fn refresh_behind(&mut self, gate: Gate) {
        match gate {
            Gate::All => {}
            Gate::Lane(lane) => {
                let behind = |(pool, turns): (&Pool, &PoolTurns)| {
                    (!turns.tenants.get(lane).flows.is_empty()).then_some(*pool)
                };
                for pool in self.pools.iter().filter_map(behind).collect::<Vec<_>>() {
                    self.refresh(pool, lane);
                }
            }
            Gate::Pool(pool) => self.offer(pool),
            Gate::PoolLane(pool, lane) => self.refresh(pool, lane),
        }
    }

    /// Looks again whether a lane of a pool can go.
    fn refresh(&mut self, id: Pool, lane: Lane) {
        let closed = self.gates.is_closed(Gate::Lane(lane)) || self.gates.is_closed(Gate::PoolLane(id, lane));
        let weight = self.lane_weight(lane);
        let Some(pool) = self.pools.get_mut(&id) else { return };
        if closed || pool.tenants.get(lane).shares.first().is_none() {
            pool.lanes.sleep(lane);
        } else {
            pool.lanes.wake(lane, weight);
        }
        self.offer(id);
    }

    /// Looks again which lane a pool offers.
    fn offer(&mut self, id: Pool) {
        let closed = self.gates.is_closed(Gate::Pool(id));
        let Some(pool) = self.pools.get_mut(&id) else { return };
        let offers = if closed { None } else { pool.lanes.first() };
        let before = std::mem::replace(&mut pool.offers, offers);
        if let Some(lane) = before.filter(|_| before != offers) {
            let pools = self.pools_of.get_mut(lane);
            pools.sleep(id);
            if pools.first().is_none() {
                self.lanes.sleep(lane);
            }
        }
        if let Some(lane) = offers {
            let weight = pool.tenants.get(lane).shares.ready_weight();
            self.pools_of.get_mut(lane).wake(id, weight);
            {
                let weight = self.lane_weight(lane);
                self.lanes.wake(lane, weight);
            }
        }
    }
}
