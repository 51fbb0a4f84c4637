//! Holding entries, alone or by scope.

use std::hash::Hash;
use std::time::SystemTime;

use super::{HoldScope, Queue};
use crate::Moment;

impl<K: Copy + Ord + Hash, W: Copy, T> Queue<K, W, T> {
    /// Holds one entry until a time. `false` if there is none.
    pub(crate) fn hold(&mut self, key: K, until: Option<SystemTime>, why: W) -> bool {
        self.place(key, Moment::or_far_future(until), Some(why))
    }

    fn place(&mut self, key: K, until: Moment, held: Option<W>) -> bool {
        let Some(id) = self.index.get(key, &self.slots) else { return false };
        self.place_id(id, until, held);
        true
    }

    fn place_id(&mut self, id: u32, until: Moment, held: Option<W>) {
        self.leave(id);
        if let Some(slot) = self.slots.get_mut(id) {
            slot.until = until;
            slot.held = held;
        }
        self.enter(id);
    }

    /// Holds all entries of a scope, until a time or until it is [opened](Self::open). The scope of a pool without entries
    /// is not closed, and it opens when the last entry leaves.
    pub(crate) fn close(&mut self, scope: HoldScope, until: Option<SystemTime>, why: W) {
        self.turns.close(scope, Moment::or_far_future(until), why);
    }

    /// Opens a scope, and returns whether it was closed.
    pub(crate) fn open(&mut self, scope: HoldScope) -> bool {
        self.turns.open(scope)
    }

    /// Opens the scopes and releases the entries whose time has come.
    pub(super) fn release_due(&mut self, now: Moment) {
        while let Some((_, scope)) = self.turns.scopes().next_opening().filter(|(until, _)| *until <= now) {
            self.turns.open(scope);
        }
        while let Some((_, id)) = self.parked.first().filter(|(until, _)| *until <= now) {
            self.place_id(id, Moment::FAR_FUTURE, None);
        }
    }
}
