//! Scopes that hold many entries at once.

use std::collections::{BTreeMap, BTreeSet};

use super::lane::{Lane, Pool};
use crate::Moment;

/// A scope that can be closed. A closed scope holds all entries in it, at the same cost for one entry or a million.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum HoldScope {
    /// All entries: no order starts now.
    All,
    /// A lane, such as [`Lane::Failing`] when its maximum is in flight. Closing and opening it has a cost for each pool
    /// with entries of the lane.
    Lane(Lane),
    /// A pool: one of its buckets is empty.
    Pool(Pool),
    /// One lane of a pool: the remaining tokens are reserved for other lanes.
    PoolLane(Pool, Lane),
}

/// The closed scopes, and until when they are.
#[derive(Clone, Debug)]
pub(super) struct ClosedScopes<W> {
    closed: BTreeMap<HoldScope, (Moment, W)>,
    openings: BTreeSet<(Moment, HoldScope)>,
}

impl<W: Copy> ClosedScopes<W> {
    pub(super) fn new() -> Self {
        Self { closed: BTreeMap::new(), openings: BTreeSet::new() }
    }

    pub(super) fn is_closed(&self, scope: HoldScope) -> bool {
        !self.closed.is_empty() && self.closed.contains_key(&scope)
    }

    pub(super) fn get(&self, scope: HoldScope) -> Option<(Moment, W)> {
        self.closed.get(&scope).copied()
    }

    pub(super) fn close(&mut self, scope: HoldScope, until: Moment, why: W) {
        if let Some((before, _)) = self.closed.insert(scope, (until, why)) {
            self.openings.remove(&(before, scope));
        }
        self.openings.insert((until, scope));
    }

    /// Opens a scope, and returns whether it was closed.
    pub(super) fn open(&mut self, scope: HoldScope) -> bool {
        let Some((until, _)) = self.closed.remove(&scope) else { return false };
        self.openings.remove(&(until, scope));
        true
    }

    /// Returns the scope that opens first.
    pub(super) fn next_opening(&self) -> Option<(Moment, HoldScope)> {
        self.openings.first().copied()
    }
}
