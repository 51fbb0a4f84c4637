//! The queue itself: who waits, who is under way, what is closed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::time::SystemTime;

use fleetcert_schedule::queue::{Entry, Gate, Lane, Next, Pool, Queue, QueueOptions};
use fleetcert_store::Version;

use super::{Closed, Waits};
use crate::EngineOptions;

#[derive(Debug)]
pub(super) struct State {
    /// Orders that the CA does not have.
    pub(super) new: Queue<u64, Cause, Item>,
    /// Orders that it has: they go first.
    pub(super) placed: Queue<u64, Cause, Item>,
    pub(super) names: BTreeMap<String, u64>,
    /// When orders will be of the lane of what expires.
    expiring: BTreeSet<(SystemTime, u64)>,
    pub(super) running: HashMap<String, Running>,
    starting: HashMap<Pool, u32>,
    failing: usize,
    failing_in_flight: usize,
    pub(super) reasons: HashMap<Gate, Reason>,
    next_key: u64,
}

/// Why an order is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    NotDue,
    Limit,
    Failing,
    Halted,
}

#[derive(Clone, Debug)]
pub(super) struct Item {
    name: String,
    version: Version,
    expiring_from: Option<SystemTime>,
}

/// An order whose turn it is.
#[derive(Clone, Debug)]
pub(in crate::orders) struct Candidate {
    pub name: String,
    pub lane: Lane,
    pub pool: Pool,
    pub placed: bool,
}

#[derive(Debug)]
pub(super) struct Running {
    key: u64,
    entry: Entry,
    item: Item,
    placed: bool,
    /// It has not reserved yet.
    starting: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Reason {
    until: SystemTime,
    pub(super) why: String,
    told: bool,
}

impl State {
    pub(super) fn new(options: &EngineOptions) -> Self {
        let defaults = QueueOptions { capacity: options.most_waiting, ..QueueOptions::default() };
        let mut new = Queue::new(QueueOptions { lane_weights: options.lane_weights, ..defaults });
        for (tenant, weight) in &options.tenant_weights {
            new.set_tenant_weight(*tenant, *weight);
        }
        Self {
            new,
            placed: Queue::new(defaults),
            names: BTreeMap::new(),
            expiring: BTreeSet::new(),
            running: HashMap::new(),
            starting: HashMap::new(),
            failing: 0,
            failing_in_flight: options.failing_in_flight.max(1),
            reasons: HashMap::new(),
            next_key: 0,
        }
    }

    pub(super) fn is_running(&self, name: &str) -> bool {
        self.running.contains_key(name)
    }

    pub(super) fn version(&self, name: &str) -> Option<Version> {
        let key = *self.names.get(name)?;
        let (_, item) = self.new.get(key).or_else(|| self.placed.get(key))?;
        Some(item.version)
    }

    pub(super) fn mark(&self) -> u64 {
        self.next_key
    }

    /// Puts an order where it belongs, or changes it, unless a later write of it is known. One that finds no room is found
    /// in the store again.
    pub(super) fn put(&mut self, waits: &Waits, now: SystemTime) {
        if self.version(&waits.name) > Some(waits.version) {
            return;
        }
        self.forget(&waits.name);
        let key = self.next_key;
        self.next_key += 1;
        let Waits { lane, pool, tenant, deadline, since, .. } = *waits;
        let entry = Entry { lane, pool, tenant, deadline, since };
        let item =
            Item { name: waits.name.clone(), version: waits.version, expiring_from: waits.expiring_from };
        self.insert(key, entry, item, waits.placed);
        if waits.due > now {
            self.hold(&waits.name, waits.due);
        }
    }

    fn insert(&mut self, key: u64, entry: Entry, item: Item, placed: bool) {
        let (name, expiring_from) = (item.name.clone(), item.expiring_from);
        let queue = if placed { &mut self.placed } else { &mut self.new };
        if queue.insert(key, entry, item).is_err() {
            return;
        }
        self.names.insert(name, key);
        if let Some(at) = expiring_from.filter(|_| matches!(entry.lane, Lane::Routine | Lane::Revoked)) {
            self.expiring.insert((at, key));
        }
    }

    pub(super) fn forget(&mut self, name: &str) {
        if let Some(key) = self.names.remove(name) {
            self.take_out(key);
        }
    }

    fn take_out(&mut self, key: u64) -> Option<(Entry, Item)> {
        let (entry, item) = self.new.remove(key).or_else(|| self.placed.remove(key))?;
        self.no_longer_expires(key, &item);
        Some((entry, item))
    }

    fn no_longer_expires(&mut self, key: u64, item: &Item) {
        if let Some(at) = item.expiring_from {
            self.expiring.remove(&(at, key));
        }
    }

    pub(super) fn forget_others(
        &mut self,
        after: Option<&str>,
        last: Option<&str>,
        there: &BTreeSet<&str>,
        mark: u64,
    ) {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let to = last.map_or(Bound::Unbounded, Bound::Included);
        let gone = self.names.range::<str, _>((from, to));
        let gone = gone.filter(|(name, key)| **key < mark && !there.contains(name.as_str()));
        for name in gone.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
            self.forget(&name);
        }
    }

    pub(super) fn halt(&mut self, until: Option<SystemTime>) {
        match until {
            Some(_) => self.new.close(Gate::All, until, Cause::Halted),
            None => {
                self.new.open(Gate::All);
            }
        }
    }

    /// Whose turn it is. It stays so until it is started, held, closed off or forgotten.
    pub(super) fn next(&mut self, now: SystemTime) -> Option<Candidate> {
        while let Some((_, key)) = self.expiring.first().copied().filter(|(at, _)| *at <= now) {
            self.expiring.pop_first();
            if let Some((entry, _)) = self.new.get(key) {
                self.new.change(key, Entry { lane: Lane::Expiring, ..entry });
            }
        }
        if let Next::Candidate(key) = self.placed.next(now) {
            return candidate(&self.placed, key, true);
        }
        match self.new.next(now) {
            Next::Candidate(key) => candidate(&self.new, key, false),
            _ => None,
        }
    }

    pub(super) fn change(&mut self, name: &str, lane: Lane, pool: Pool) {
        if let Some(key) = self.names.get(name).copied()
            && let Some((entry, _)) = self.new.get(key)
        {
            self.new.change(key, Entry { lane, pool, ..entry });
        }
    }

    pub(super) fn hold(&mut self, name: &str, until: SystemTime) {
        if let Some(key) = self.names.get(name).copied()
            && !self.new.hold(key, Some(until), Cause::NotDue)
        {
            self.placed.hold(key, Some(until), Cause::NotDue);
        }
    }

    pub(super) fn starting(&self, pool: Pool) -> u32 {
        self.starting.get(&pool).copied().unwrap_or_default()
    }

    pub(super) fn close(&mut self, closed: &Closed) -> bool {
        let gate = match closed.lane {
            Some(lane) => Gate::PoolLane(closed.pool, lane),
            None => Gate::Pool(closed.pool),
        };
        self.new.close(gate, Some(closed.look_at), Cause::Limit);
        if self.reasons.len() >= MOST_REASONS {
            self.reasons.clear();
        }
        let before = self.reasons.get(&gate);
        let was_told = before.is_some_and(|before| before.told && before.until == closed.until);
        let told = was_told || closed.certain;
        self.reasons.insert(gate, Reason { until: closed.until, why: closed.why.clone(), told });
        told && !was_told
    }

    pub(super) fn look_again(&mut self) {
        for gate in self.reasons.keys() {
            self.new.open(*gate);
        }
    }

    pub(super) fn started(&mut self, candidate: &Candidate) {
        let Some(key) = self.names.remove(&candidate.name) else { return };
        // It may have come to the other queue since it was given out.
        let queue = if self.placed.contains(key) { &mut self.placed } else { &mut self.new };
        let Some((entry, item)) = queue.take(key) else { return };
        self.no_longer_expires(key, &item);
        let placed = candidate.placed;
        if !placed {
            *self.starting.entry(entry.pool).or_default() += 1;
            if entry.lane == Lane::Failing {
                self.failing += 1;
                if self.failing >= self.failing_in_flight {
                    self.new.close(Gate::Lane(Lane::Failing), None, Cause::Failing);
                }
            }
        }
        let running = Running { key, entry, item, placed, starting: !placed };
        self.running.insert(candidate.name.clone(), running);
    }

    pub(super) fn reserved(&mut self, name: &str) {
        let Some(running) = self.running.get_mut(name) else { return };
        if std::mem::take(&mut running.starting) {
            let pool = running.entry.pool;
            self.starts_no_more(pool);
        }
    }

    /// What was kept free for the start may be had now.
    fn starts_no_more(&mut self, pool: Pool) {
        if let Some(starting) = self.starting.get_mut(&pool) {
            *starting = starting.saturating_sub(1);
            if *starting == 0 {
                self.starting.remove(&pool);
            }
        }
        self.new.open(Gate::Pool(pool));
        for lane in Lane::ALL {
            self.new.open(Gate::PoolLane(pool, lane));
        }
    }

    pub(super) fn ended(&mut self, name: &str, come_back: Option<SystemTime>, now: SystemTime) {
        let Some(Running { key, entry, item, placed, starting }) = self.running.remove(name) else { return };
        if starting {
            self.starts_no_more(entry.pool);
        }
        if !placed && entry.lane == Lane::Failing {
            self.failing = self.failing.saturating_sub(1);
            self.new.open(Gate::Lane(Lane::Failing));
        }
        if let Some(until) = come_back.filter(|_| !self.names.contains_key(name)) {
            self.insert(key, entry, item, placed);
            self.hold(name, until.max(now));
        }
    }
}

fn candidate(queue: &Queue<u64, Cause, Item>, key: u64, placed: bool) -> Option<Candidate> {
    let (entry, item) = queue.get(key)?;
    Some(Candidate { name: item.name.clone(), lane: entry.lane, pool: entry.pool, placed })
}

/// Gates are as many as pools times lanes: a handful for each registered domain.
const MOST_REASONS: usize = 10_000;
