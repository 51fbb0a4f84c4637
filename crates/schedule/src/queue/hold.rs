//! What must wait, alone or with others.

use std::hash::Hash;
use std::time::SystemTime;

use super::{Gate, Queue};
use crate::Moment;

impl<K: Copy + Ord + Hash, W: Copy, T> Queue<K, W, T> {
    /// Holds one entry alone until a time, or until it is [woken](Self::wake). `false` when there is none.
    pub(crate) fn hold(&mut self, key: K, until: Option<SystemTime>, why: W) -> bool {
        self.place(key, Moment::or_never(until), Some(why))
    }

    /// Lets an entry that is held alone wait with the others of its flow again.
    #[cfg(test)]
    pub(crate) fn wake(&mut self, key: K) -> bool {
        self.place(key, Moment::NEVER, None)
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

    /// Holds all that have to pass a gate, until a time or until it is [opened](Self::open). A gate of a pool in
    /// which nobody waits is not closed, and one whose last entry leaves is opened.
    pub(crate) fn close(&mut self, gate: Gate, until: Option<SystemTime>, why: W) {
        self.turns.close(gate, Moment::or_never(until), why);
    }

    /// Opens a gate, and says whether it was closed.
    pub(crate) fn open(&mut self, gate: Gate) -> bool {
        self.turns.open(gate)
    }

    /// Opens all gates: after the clock was set back, or when limits have changed.
    #[cfg(test)]
    pub(crate) fn open_all(&mut self) {
        for gate in self.turns.gates().all().collect::<Vec<_>>() {
            self.turns.open(gate);
        }
    }

    /// Wakes all that are held alone.
    #[cfg(test)]
    pub(crate) fn wake_all(&mut self) {
        while let Some((_, id)) = self.parked.first() {
            self.place_id(id, Moment::NEVER, None);
        }
    }

    /// Opens the gates and wakes the entries whose time has come.
    pub(super) fn wake_due(&mut self, now: Moment) {
        while let Some((_, gate)) = self.turns.gates().next_opening().filter(|(until, _)| *until <= now) {
            self.turns.open(gate);
        }
        while let Some((_, id)) = self.parked.first().filter(|(until, _)| *until <= now) {
            self.place_id(id, Moment::NEVER, None);
        }
    }
}
