//! What keeps many entries at once.

use std::collections::{BTreeMap, BTreeSet};

use super::lane::{Lane, Pool};
use crate::Moment;

/// Through what entries must pass. A closed gate costs the same whether one entry stands before it or a million.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Gate {
    /// All entries: the CA is not to be asked at all now.
    All,
    /// A lane, such as [`Lane::Failing`] when enough of it is under way. Closing and opening it costs something
    /// for each pool that has entries of the lane.
    Lane(Lane),
    /// A pool: a bucket that it draws on is empty.
    Pool(Pool),
    /// One lane of a pool: what a bucket still holds is kept for other lanes.
    PoolLane(Pool, Lane),
}

/// The gates that are closed, and until when.
#[derive(Clone, Debug)]
pub(super) struct Gates<W> {
    closed: BTreeMap<Gate, (Moment, W)>,
    openings: BTreeSet<(Moment, Gate)>,
}

impl<W: Copy> Gates<W> {
    pub(super) fn new() -> Self {
        Self { closed: BTreeMap::new(), openings: BTreeSet::new() }
    }

    pub(super) fn is_closed(&self, gate: Gate) -> bool {
        !self.closed.is_empty() && self.closed.contains_key(&gate)
    }

    pub(super) fn get(&self, gate: Gate) -> Option<(Moment, W)> {
        self.closed.get(&gate).copied()
    }

    pub(super) fn close(&mut self, gate: Gate, until: Moment, why: W) {
        if let Some((before, _)) = self.closed.insert(gate, (until, why)) {
            self.openings.remove(&(before, gate));
        }
        self.openings.insert((until, gate));
    }

    /// Whether it was closed.
    pub(super) fn open(&mut self, gate: Gate) -> bool {
        let Some((until, _)) = self.closed.remove(&gate) else { return false };
        self.openings.remove(&(until, gate));
        true
    }

    /// The gate that opens first.
    pub(super) fn next_opening(&self) -> Option<(Moment, Gate)> {
        self.openings.first().copied()
    }

    #[cfg(test)]
    pub(super) fn all(&self) -> impl Iterator<Item = Gate> {
        self.closed.keys().copied()
    }
}
