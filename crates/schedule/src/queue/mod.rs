//! The queue of entries by lane, share and deadline.
//!
//! [`Queue`] knows the sequence, but no costs and no limits. Its user asks for the [`next`](Queue::next) candidate and then
//! gives the verdict: [taken](Queue::take), held alone until a time ([`hold`](Queue::hold)), or held together with all
//! entries of a [`HoldScope`] ([`close`](Queue::close)).

mod expected;
mod hold;
mod hold_scope;
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
pub(crate) use hold_scope::HoldScope;
pub use lane::{Lane, PerLane, Pool, Tenant};
pub(crate) use next::{By, Next};
pub use options::QueueOptions;

use crate::Moment;
use index::Index;
use order_statistic_tree::OrderStatisticTree;
use slots::{Slot, Slots};
use turns::{FlowKey, Seat, Turns};

/// Waiting entries, each with a key and a value of the caller.
///
/// The entries of one tenant in one [`Lane`] and one [`Pool`] are a flow. In a flow the earliest deadline goes first; flows
/// share by weight. A deadline is clamped between the time since which the entry waits and [`QueueOptions::max_age`]
/// after it. So a deadline in the past does not push others back, and an entry that waits long enough is the first of its
/// flow. Every flow that is not held has a share, so every entry is served eventually.
///
/// All operations are O(log n), except those on the scope of a whole lane. [`next`](Self::next) also releases entries
/// whose hold has ended, once for each hold.
///
/// The queue keeps the memory of its largest size.
///
/// `W` is the reason of a hold; it should be small, such as an enum without fields.
#[derive(Clone, Debug)]
pub(crate) struct Queue<K, W, T = ()> {
    options: QueueOptions,
    index: Index,
    slots: Slots<K, W, T>,
    flows: Vec<Flow>,
    free_flows: Vec<u32>,
    /// Entries that are held alone, by the end of the hold.
    parked: OrderStatisticTree,
    turns: Turns<W>,
}

#[derive(Clone, Debug)]
struct Flow {
    key: FlowKey,
    seat: Seat,
    /// Entries that are not held alone, by deadline.
    order: OrderStatisticTree,
    /// Number of entries, including those that are held alone.
    entries: u32,
}

/// The attributes of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Lane.
    pub lane: Lane,
    /// Shared buckets that it draws on.
    pub pool: Pool,
    /// Tenant whose share it counts to.
    pub tenant: Tenant,
    /// Time by which it should be done.
    pub deadline: SystemTime,
    /// Time since which it waits. An entry that was taken and returns keeps its time and so its place.
    pub since: SystemTime,
}

/// The reason why an entry was not inserted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotInserted {
    /// The queue has an entry with this key.
    Present,
    /// The queue is full.
    Full,
    /// The number of flows is at its maximum, and the entry needs a new one.
    TooManyFlows,
}

impl fmt::Display for NotInserted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Present => "the queue has an entry with this key",
            Self::Full => "the queue is full",
            Self::TooManyFlows => "the queue has too many flows",
        })
    }
}

impl std::error::Error for NotInserted {}

impl<K: Copy + Ord + Hash, W: Copy, T> Queue<K, W, T> {
    /// Returns an empty queue.
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

    /// Returns the number of entries, held or not.
    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    /// Returns whether no entry waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.index.len() == 0
    }

    /// Returns whether there is an entry with this key.
    pub(crate) fn contains(&self, key: K) -> bool {
        self.index.get(key, &self.slots).is_some()
    }

    /// Sets the weight of a tenant, from the next entry of it on that begins to wait.
    pub(crate) fn set_tenant_weight(&mut self, tenant: Tenant, weight: u32) {
        self.turns.set_tenant_weight(tenant, weight);
    }

    /// Checks that there is room for an entry, which may replace the one with its key.
    pub(crate) fn room_for(&self, key: K, entry: Entry) -> Result<(), NotInserted> {
        let own = self.flow_of(key);
        if own.is_none() && self.index.len() >= self.options.capacity.min(MAX_ENTRIES) {
            return Err(NotInserted::Full);
        }
        let kept = self.turns.flow_count() - usize::from(own.is_some_and(|flow: &Flow| flow.entries == 1));
        if kept >= self.options.max_flows && self.turns.flow(entry.flow()).is_none() {
            return Err(NotInserted::TooManyFlows);
        }
        Ok(())
    }

    /// Adds an entry, even if it needs one flow more than the maximum.
    pub(crate) fn insert(&mut self, key: K, entry: Entry, value: T) -> Result<(), NotInserted> {
        if self.index.get(key, &self.slots).is_some() {
            return Err(NotInserted::Present);
        }
        if self.index.len() >= self.options.capacity.min(MAX_ENTRIES) {
            return Err(NotInserted::Full);
        }
        let flow = self.flow_for(entry.flow());
        let deadline = self.clamped(entry);
        let id = self.slots.add(Slot::new(key, deadline, Moment::of(entry.since), flow, value));
        self.index.insert(key, id, &self.slots);
        self.enter(id);
        Ok(())
    }

    /// Removes an entry.
    pub(crate) fn remove(&mut self, key: K) -> Option<(Entry, T)> {
        self.take_out(key, false)
    }

    /// Removes an entry that starts now, and counts it for the shares of its lane and its tenant.
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

    /// Changes an entry, which stays held if it was. `false` if there is none.
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

    /// Returns an entry with its clamped deadline, and its value.
    pub(crate) fn get(&self, key: K) -> Option<(Entry, &T)> {
        let slot = self.slots.get(self.index.get(key, &self.slots)?)?;
        Some((self.entry_of(slot)?, &slot.value))
    }

    /// Puts an entry into its flow, or among the entries that are held alone.
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

    /// Returns the flow, counting one more entry.
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
        // Only a time beyond the year 2262 is clamped.
        let (deadline, since) = (slot.deadline.time_or_last(), slot.since.time_or_last());
        Some(Entry { lane, pool, tenant, deadline, since })
    }
}

impl Entry {
    fn flow(&self) -> FlowKey {
        FlowKey { lane: self.lane, pool: self.pool, tenant: self.tenant }
    }
}

/// Maximum entries: their numbers have 32 bits.
const MAX_ENTRIES: usize = 1 << 31;
