//! Turns: among the lanes, among the pools, and inside each pool among its lanes and their tenants.
//!
//! The shares of a lane and a tenant in a budget are counted inside the pool, because a pool makes no progress while its
//! bucket is empty: each refilled token goes to the flow whose turn it is there. So each pool offers one lane. The starts
//! overall are shared by the offered lanes, and in a lane by the pools that offer it.

use std::collections::{BTreeMap, HashMap};

use super::hold_scope::{ClosedScopes, HoldScope};
use super::lane::{Lane, PerLane, Pool, Tenant};
use super::shares::Shares;
use super::sizes::Sizes;
use crate::Moment;

#[derive(Clone, Debug)]
pub(super) struct Turns<W> {
    lanes: Shares<Lane>,
    /// Pools that offer each lane, or did, by their places in `pools`.
    offering: PerLane<Shares<u32>>,
    pools: Vec<PoolTurns>,
    /// Pools by the number of entries that wait.
    sizes: Sizes,
    /// Entries that are not held alone.
    waiting: u64,
    free: Vec<u32>,
    places: HashMap<Pool, u32>,
    flows: HashMap<FlowKey, u32>,
    scopes: ClosedScopes<W>,
    lane_weights: PerLane<u32>,
    tenant_weights: BTreeMap<Tenant, u32>,
}

#[derive(Clone, Debug)]
pub(super) struct PoolTurns {
    pub(super) id: Pool,
    pub(super) lanes: Shares<Lane>,
    pub(super) tenants: PerLane<Tenants>,
    /// Entries of all lanes that are not held alone.
    pub(super) waiting: u64,
    /// Lane whose turn it is; `None` while the pool is held or empty.
    pub(super) offers: Option<Lane>,
    /// Numbers of the pool among those that offer each lane.
    offering: PerLane<Option<u32>>,
}

/// The flows of one lane of a pool.
#[derive(Clone, Debug, Default)]
pub(super) struct Tenants {
    /// Flows by their numbers in the queue.
    pub(super) shares: Shares<u32>,
    /// Flows by the number of entries that wait, with their numbers in `shares`.
    pub(super) sizes: Sizes,
    /// Entries that are not held alone.
    pub(super) waiting: u64,
    flows: usize,
}

/// The key of a flow: the entries of one tenant in one lane that draw on the same buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct FlowKey {
    pub(super) lane: Lane,
    pub(super) pool: Pool,
    pub(super) tenant: Tenant,
}

/// The place of a flow.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seat {
    pub(super) lane: Lane,
    pool: u32,
    pub(super) share: u32,
}

impl PoolTurns {
    fn new(id: Pool, lanes: Shares<Lane>) -> Self {
        let (tenants, offering) = (PerLane::default(), PerLane::default());
        Self { id, lanes, tenants, waiting: 0, offers: None, offering }
    }

    fn flows(&self) -> usize {
        Lane::ALL.iter().map(|lane| self.tenants.get(*lane).flows).sum()
    }
}

impl<W: Copy> Turns<W> {
    pub(super) fn new(lane_weights: PerLane<u32>) -> Self {
        Self {
            lanes: shares_of_lanes(&lane_weights),
            offering: PerLane::default(),
            pools: Vec::new(),
            sizes: Sizes::default(),
            waiting: 0,
            free: Vec::new(),
            places: HashMap::new(),
            flows: HashMap::new(),
            scopes: ClosedScopes::new(),
            lane_weights,
            tenant_weights: BTreeMap::new(),
        }
    }

    pub(super) fn set_tenant_weight(&mut self, tenant: Tenant, weight: u32) {
        if weight == 1 {
            self.tenant_weights.remove(&tenant);
        } else {
            self.tenant_weights.insert(tenant, weight.min(MAX_WEIGHT));
        }
    }

    fn tenant_weight(&self, tenant: Tenant) -> u64 {
        u64::from(self.tenant_weights.get(&tenant).copied().unwrap_or(1))
    }

    pub(super) fn lane_weight(&self, lane: Lane) -> u64 {
        u64::from(*self.lane_weights.get(lane)).max(1)
    }

    pub(super) fn flow(&self, key: FlowKey) -> Option<u32> {
        self.flows.get(&key).copied()
    }

    pub(super) fn flow_count(&self) -> usize {
        self.flows.len()
    }

    pub(super) fn pool(&self, seat: Seat) -> Option<&PoolTurns> {
        self.pools.get(seat.pool as usize)
    }

    /// Returns the number of entries that are not held alone.
    pub(super) fn waiting(&self) -> u64 {
        self.waiting
    }

    /// Returns the sum of `give` over the pools with waiting entries. Above [`SAMPLE_SIZE`](super::sizes::SAMPLE_SIZE) pools
    /// it is an estimate.
    pub(super) fn sum_of_pools(&self, give: impl Fn(&PoolTurns) -> u64) -> u64 {
        self.sizes.sum(|place| self.pools.get(place as usize).map_or(0, &give))
    }

    /// Returns the sum of the weights of all pools that offer a lane.
    pub(super) fn offered_weight(&self, lane: Lane) -> u64 {
        self.offering.get(lane).ready_weight()
    }

    pub(super) fn add_flow(&mut self, key: FlowKey, flow: u32) -> Seat {
        let place = self.place_for(key.pool);
        let weight = self.tenant_weight(key.tenant);
        self.flows.insert(key, flow);
        let tenants = self.pools[place as usize].tenants.get_mut(key.lane);
        tenants.flows += 1;
        Seat { lane: key.lane, pool: place, share: tenants.shares.add(flow, weight) }
    }

    fn place_for(&mut self, id: Pool) -> u32 {
        if let Some(place) = self.places.get(&id) {
            return *place;
        }
        let pool = PoolTurns::new(id, shares_of_lanes(&self.lane_weights));
        let place = self.free.pop().unwrap_or_else(|| {
            // There are at most as many pools as entries.
            u32::try_from(self.pools.len()).unwrap_or(u32::MAX)
        });
        match self.pools.get_mut(place as usize) {
            Some(free) => *free = pool,
            None => self.pools.push(pool),
        }
        self.places.insert(id, place);
        place
    }

    /// Removes an empty flow, and its pool if it was the last flow.
    pub(super) fn remove_flow(&mut self, key: FlowKey, seat: Seat) {
        self.flows.remove(&key);
        let pool = &mut self.pools[seat.pool as usize];
        let tenants = pool.tenants.get_mut(seat.lane);
        tenants.flows -= 1;
        tenants.shares.forget(seat.share);
        self.refresh(seat.pool, seat.lane);
        let pool = &mut self.pools[seat.pool as usize];
        if pool.flows() > 0 {
            return;
        }
        let id = pool.id;
        for lane in Lane::ALL {
            if let Some(number) = pool.offering.get_mut(lane).take() {
                self.offering.get_mut(lane).forget(number);
            }
            self.scopes.open(HoldScope::PoolLane(id, lane));
        }
        self.scopes.open(HoldScope::Pool(id));
        self.places.remove(&id);
        self.free.push(seat.pool);
    }

    /// Records that a flow grew or shrank by one waiting entry, to `now`.
    pub(super) fn waits(&mut self, tenant: Tenant, seat: Seat, more: bool, now: u64) {
        let Some(pool) = self.pools.get_mut(seat.pool as usize) else { return };
        let Tenants { shares, sizes, waiting, .. } = pool.tenants.get_mut(seat.lane);
        for waiting in [waiting, &mut pool.waiting, &mut self.waiting] {
            *waiting = if more { *waiting + 1 } else { waiting.saturating_sub(1) };
        }
        sizes.step(seat.share, more, now);
        self.sizes.step(seat.pool, more, pool.waiting);
        let (some, was_ready) = (now > 0, shares.is_ready(seat.share));
        if some == was_ready {
            return;
        }
        if some {
            let weight = self.tenant_weight(tenant);
            self.pools[seat.pool as usize].tenants.get_mut(seat.lane).shares.wake(seat.share, weight);
        } else {
            pool.tenants.get_mut(seat.lane).shares.sleep(seat.share);
        }
        self.refresh(seat.pool, seat.lane);
    }

    /// Counts one service.
    pub(super) fn serve(&mut self, seat: Seat) {
        let Some(pool) = self.pools.get_mut(seat.pool as usize) else { return };
        pool.tenants.get_mut(seat.lane).shares.serve(seat.share);
        pool.lanes.serve(number(seat.lane));
        if let Some(offering) = *pool.offering.get(seat.lane) {
            self.offering.get_mut(seat.lane).serve(offering);
        }
        self.lanes.serve(number(seat.lane));
        self.offer(seat.pool);
    }

    /// Returns the flow whose turn it is.
    pub(super) fn first(&self) -> Option<u32> {
        if self.scopes.is_closed(HoldScope::All) {
            return None;
        }
        let lane = self.lanes.first()?;
        let pool = self.offering.get(lane).first()?;
        self.pools.get(pool as usize)?.tenants.get(lane).shares.first()
    }

    pub(super) fn close(&mut self, scope: HoldScope, until: Moment, why: W) {
        if let HoldScope::Pool(pool) | HoldScope::PoolLane(pool, _) = scope
            && !self.places.contains_key(&pool)
        {
            return;
        }
        self.scopes.close(scope, until, why);
        self.refresh_behind(scope);
    }

    pub(super) fn open(&mut self, scope: HoldScope) -> bool {
        let was_closed = self.scopes.open(scope);
        if was_closed {
            self.refresh_behind(scope);
        }
        was_closed
    }

    pub(super) fn scopes(&self) -> &ClosedScopes<W> {
        &self.scopes
    }

    fn refresh_behind(&mut self, scope: HoldScope) {
        match scope {
            HoldScope::All => {}
            HoldScope::Lane(lane) => {
                let behind = |pool: &PoolTurns| pool.tenants.get(lane).flows > 0;
                let behind = (0..).zip(&self.pools).filter(|(_, pool)| behind(pool)).map(|(place, _)| place);
                for place in behind.collect::<Vec<u32>>() {
                    self.refresh(place, lane);
                }
            }
            HoldScope::Pool(pool) => {
                if let Some(place) = self.places.get(&pool) {
                    self.offer(*place);
                }
            }
            HoldScope::PoolLane(pool, lane) => {
                if let Some(place) = self.places.get(&pool) {
                    self.refresh(*place, lane);
                }
            }
        }
    }

    /// Updates whether a lane of a pool is ready.
    fn refresh(&mut self, place: u32, lane: Lane) {
        let weight = self.lane_weight(lane);
        let Some(pool) = self.pools.get_mut(place as usize) else { return };
        let closed = self.scopes.is_closed(HoldScope::Lane(lane))
            || self.scopes.is_closed(HoldScope::PoolLane(pool.id, lane));
        if closed || pool.tenants.get(lane).shares.first().is_none() {
            pool.lanes.sleep(number(lane));
        } else {
            pool.lanes.wake(number(lane), weight);
        }
        self.offer(place);
    }

    /// Updates the lane that a pool offers.
    fn offer(&mut self, place: u32) {
        let Some(pool) = self.pools.get_mut(place as usize) else { return };
        let closed = self.scopes.is_closed(HoldScope::Pool(pool.id));
        let offers = if closed { None } else { pool.lanes.first() };
        let before = std::mem::replace(&mut pool.offers, offers);
        if let Some(lane) = before.filter(|_| before != offers)
            && let Some(offering) = *pool.offering.get(lane)
        {
            let pools = self.offering.get_mut(lane);
            pools.sleep(offering);
            if pools.first().is_none() {
                self.lanes.sleep(number(lane));
            }
        }
        if let Some(lane) = offers {
            let weight = pool.tenants.get(lane).shares.ready_weight();
            let pools = self.offering.get_mut(lane);
            let offering = *pool.offering.get_mut(lane).get_or_insert_with(|| pools.add(place, weight));
            pools.wake(offering, weight);
            self.lanes.wake(number(lane), self.lane_weight(lane));
        }
    }
}

/// Returns shares in which each lane has its [`number`].
fn shares_of_lanes(weights: &PerLane<u32>) -> Shares<Lane> {
    let mut shares = Shares::default();
    for lane in Lane::ALL {
        shares.add(lane, u64::from(*weights.get(lane)));
    }
    shares
}

pub(super) fn number(lane: Lane) -> u32 {
    match lane {
        Lane::Expiring => 0,
        Lane::Revoked => 1,
        Lane::New => 2,
        Lane::Routine => 3,
        Lane::Failing => 4,
    }
}

/// Maximum weight of a tenant: the sum of the weights of all flows stays far below a stride.
const MAX_WEIGHT: u32 = 1_000_000;
