//! Who is next: lanes, shares, deadlines.
//!
//! [`Queue`] orders; what the order costs and whether it can be had, it does not know. Its user asks for the
//! [`next`](Queue::next) candidate and then says what became of it: [taken](Queue::take), held alone until some
//! time ([`hold`](Queue::hold)), or held together with all that stand before the same [`Gate`]
//! ([`close`](Queue::close)).

mod expected;
mod gate;
mod hold;
mod index;
mod lane;
mod next;
mod options;
mod order_statistic_tree;
mod shares;
mod sizes;
mod slots;
mod standing;
#[cfg(test)]
mod tests;
mod turns;

use std::fmt;
use std::hash::Hash;
use std::time::SystemTime;

pub use expected::expected_completion;
pub(crate) use gate::Gate;
pub use lane::{Lane, PerLane, Pool, Tenant};
pub(crate) use next::{By, Next};
pub use options::QueueOptions;
#[cfg(test)]
use standing::Standing;

use crate::Moment;
use index::Index;
use order_statistic_tree::OrderStatisticTree;
use slots::{Slot, Slots};
use turns::{FlowKey, Seat, Turns};

/// Entries that wait, each under a key of the caller's, and with a value of the caller's.
///
/// The entries of one tenant in one [`Lane`] and one [`Pool`] are a flow. In a flow the earliest deadline goes
/// first; among flows it goes by weighted shares. A deadline counts as not before the time since which an entry
/// waits, and as not later than [`QueueOptions::max_age`] after it: so nobody can push others back by a deadline in
/// the past, and whoever waits long enough is the first of its flow. As every flow that can go has a share, nobody
/// waits for ever.
///
/// All operations are O(log n), but for those of a gate of a whole lane. [`next`](Self::next) also brings back what was
/// held until now; each entry pays for that once for each time that it was held.
///
/// It keeps the memory of the greatest number of entries that it ever had.
///
/// `W` says why an entry is held; it should be small, an enum without fields for example.
#[derive(Clone, Debug)]
pub(crate) struct Queue<K, W, T = ()> {
    options: QueueOptions,
    index: Index,
    slots: Slots<K, W, T>,
    flows: Vec<Flow>,
    free_flows: Vec<u32>,
    /// Those that are held alone, by the end of that.
    parked: OrderStatisticTree,
    turns: Turns<W>,
}

#[derive(Clone, Debug)]
struct Flow {
    key: FlowKey,
    seat: Seat,
    /// Those that are not held alone, by their deadlines.
    order: OrderStatisticTree,
    /// Those that are held alone too.
    entries: u32,
}

/// What the queue has to know of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The lane.
    pub lane: Lane,
    /// The shared buckets that it draws on.
    pub pool: Pool,
    /// Whose share it is counted to.
    pub tenant: Tenant,
    /// When it should be done.
    pub deadline: SystemTime,
    /// Since when it waits. An entry that was taken and comes back keeps its time, and with it its place.
    pub since: SystemTime,
}

/// Why an entry was not inserted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotInserted {
    /// There is one under this key.
    Present,
    /// There are as many as there may be.
    Full,
    /// There are as many flows as there may be, and it would be in a new one.
    TooManyFlows,
}

impl fmt::Display for NotInserted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Present => "the queue has an entry under this key",
            Self::Full => "the queue is full",
            Self::TooManyFlows => "the queue has too many flows",
        })
    }
}

impl std::error::Error for NotInserted {}

impl<K: Copy + Ord + Hash, W: Copy, T> Queue<K, W, T> {
    /// An empty queue.
    pub(crate) fn new(options: QueueOptions) -> Self {
        Self {
            turns: Turns::new(options.lane_weights),
            options,
            index: Index::default(),
            slots: Slots::new(),
            flows: Vec::new(),
            free_flows: Vec::new(),
            parked: OrderStatisticTree::new(),
        }
    }

    /// How many wait, held or not.
    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether nobody waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.index.len() == 0
    }

    /// Whether there is an entry under this key.
    pub(crate) fn contains(&self, key: K) -> bool {
        self.index.get(key, &self.slots).is_some()
    }

    /// Gives a tenant another weight than one, from the next time on that something of it begins to wait.
    pub(crate) fn set_tenant_weight(&mut self, tenant: Tenant, weight: u32) {
        self.turns.set_tenant_weight(tenant, weight);
    }

    /// Adds an entry.
    ///
    /// # Errors
    /// [`NotInserted`]; then nothing is changed.
    #[cfg(test)]
    pub(crate) fn insert(&mut self, key: K, entry: Entry, value: T) -> Result<(), NotInserted> {
        if !self.contains(key) {
            self.room_for(key, entry)?;
        }
        self.insert_again(key, entry, value)
    }

    /// Whether there is room for an entry, were the one under its key not there.
    pub(crate) fn room_for(&self, key: K, entry: Entry) -> Result<(), NotInserted> {
        let own = self.flow_of(key);
        if own.is_none() && self.index.len() >= self.options.capacity.min(MOST) {
            return Err(NotInserted::Full);
        }
        let kept = self.turns.flow_count() - usize::from(own.is_some_and(|flow: &Flow| flow.entries == 1));
        if kept >= self.options.max_flows && self.turns.flow(entry.flow()).is_none() {
            return Err(NotInserted::TooManyFlows);
        }
        Ok(())
    }

    /// The same for one that was here before, and that a number of flows must not keep out.
    pub(crate) fn insert_again(&mut self, key: K, entry: Entry, value: T) -> Result<(), NotInserted> {
        if self.index.get(key, &self.slots).is_some() {
            return Err(NotInserted::Present);
        }
        if self.index.len() >= self.options.capacity.min(MOST) {
            return Err(NotInserted::Full);
        }
        let flow = self.flow_for(entry.flow());
        let deadline = self.clamped(entry);
        let id = self.slots.add(Slot::new(key, deadline, Moment::of(entry.since), flow, value));
        self.index.insert(key, id, &self.slots);
        self.enter(id);
        Ok(())
    }

    /// Takes an entry out that is no longer wanted.
    pub(crate) fn remove(&mut self, key: K) -> Option<(Entry, T)> {
        self.take_out(key, false)
    }

    /// Takes an entry out because it is done now, and counts it to the shares of its lane and its tenant.
    pub(crate) fn take(&mut self, key: K) -> Option<(Entry, T)> {
        self.take_out(key, true)
    }

    fn take_out(&mut self, key: K, served: bool) -> Option<(Entry, T)> {
        let id = self.index.remove(key, &self.slots)?;
        if served {
            let flow = self.slots.get(id)?.flow;
            self.turns.serve(self.flows.get(flow as usize)?.seat);
        }
        self.leave(id);
        let slot = self.slots.take(id)?;
        let entry = self.entry_of(&slot)?;
        self.leave_flow(slot.flow);
        Some((entry, slot.value))
    }

    /// Changes an entry, which stays held if it was. `false` when there is none.
    pub(crate) fn change(&mut self, key: K, entry: Entry) -> bool {
        let Some(id) = self.index.get(key, &self.slots) else { return false };
        let deadline = self.clamped(entry);
        let flow = self.flow_for(entry.flow());
        self.leave(id);
        let Some(slot) = self.slots.get_mut(id) else { return false };
        slot.deadline = deadline;
        slot.since = Moment::of(entry.since);
        let before = std::mem::replace(&mut slot.flow, flow);
        self.enter(id);
        self.leave_flow(before);
        true
    }

    /// An entry, with its deadline as it counts, and its value.
    pub(crate) fn get(&self, key: K) -> Option<(Entry, &T)> {
        let slot = self.slots.get(self.index.get(key, &self.slots)?)?;
        Some((self.entry_of(slot)?, &slot.value))
    }

    /// Puts an entry where it stands while it waits: into its flow, or among those that are held alone.
    fn enter(&mut self, id: u32) {
        let Some(slot) = self.slots.get(id) else { return };
        if slot.held.is_some() {
            self.parked.insert((slot.until, id));
        } else if let Some(flow) = self.flows.get_mut(slot.flow as usize) {
            flow.order.insert((slot.deadline, id));
            self.turns.waits(flow.key.tenant, flow.seat, true, u64::from(flow.order.len()));
        }
    }

    fn leave(&mut self, id: u32) {
        let Some(slot) = self.slots.get(id) else { return };
        if slot.held.is_some() {
            self.parked.remove((slot.until, id));
        } else if let Some(flow) = self.flows.get_mut(slot.flow as usize) {
            flow.order.remove((slot.deadline, id));
            self.turns.waits(flow.key.tenant, flow.seat, false, u64::from(flow.order.len()));
        }
    }

    /// The flow, with room for one entry more.
    fn flow_for(&mut self, key: FlowKey) -> u32 {
        if let Some(id) = self.turns.flow(key) {
            if let Some(flow) = self.flows.get_mut(id as usize) {
                flow.entries += 1;
            }
            return id;
        }
        let id = self.free_flows.pop().unwrap_or_else(|| {
            // There are no more flows than entries.
            u32::try_from(self.flows.len()).unwrap_or(u32::MAX)
        });
        let flow =
            Flow { key, seat: self.turns.add_flow(key, id), order: OrderStatisticTree::new(), entries: 1 };
        match self.flows.get_mut(id as usize) {
            Some(free) => *free = flow,
            None => self.flows.push(flow),
        }
        id
    }

    fn leave_flow(&mut self, id: u32) {
        let Some(flow) = self.flows.get_mut(id as usize) else { return };
        flow.entries -= 1;
        if flow.entries == 0 {
            flow.order = OrderStatisticTree::new();
            self.turns.remove_flow(flow.key, flow.seat);
            self.free_flows.push(id);
        }
    }

    fn clamped(&self, entry: Entry) -> Moment {
        let since = Moment::of(entry.since);
        Moment::of(entry.deadline).clamp(since, since.after(self.options.max_age))
    }

    fn entry_of(&self, slot: &Slot<K, W, T>) -> Option<Entry> {
        let FlowKey { lane, pool, tenant } = self.flows.get(slot.flow as usize)?.key;
        // Only a time beyond the year 2262 is none.
        let (deadline, since) = (slot.deadline.time_or_last(), slot.since.time_or_last());
        Some(Entry { lane, pool, tenant, deadline, since })
    }
}

impl Entry {
    fn flow(&self) -> FlowKey {
        FlowKey { lane: self.lane, pool: self.pool, tenant: self.tenant }
    }
}

/// The numbers of the entries have 32 bits.
const MOST: usize = 1 << 31;
