//! The next decision.

use std::hash::Hash;
use std::time::SystemTime;

use super::{Gate, Queue};
use crate::Moment;

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next<K, W> {
    /// It is this one's turn. It stays until it is [taken](Queue::take), held or removed.
    Candidate(K),
    /// All that wait are held.
    Wait {
        /// When the first of them may go; `None` when no time helps.
        until: Option<SystemTime>,
        /// What ends then.
        by: By<K>,
        /// Why it is held.
        why: W,
    },
    /// Nobody waits.
    Empty,
}

/// What holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By<K> {
    /// A closed gate.
    Gate(Gate),
    /// This entry is held alone.
    Entry(K),
}

impl<K: Copy + Ord + Hash, W: Copy, T> Queue<K, W, T> {
    /// Whose turn it is. Asking again without an answer to the first question gives the same candidate.
    pub(crate) fn next(&mut self, now: SystemTime) -> Next<K, W> {
        self.wake_due(Moment::of(now));
        if let Some(key) = self.candidate() {
            return Next::Candidate(key);
        }
        if self.is_empty() {
            return Next::Empty;
        }
        let gates = self.turns.gates();
        let of_gate = |gate: Gate| {
            let (until, why) = gates.get(gate)?;
            Some((until, By::Gate(gate), why))
        };
        let parked = self.parked.first().and_then(|(until, id)| {
            let slot = self.slots.get(id)?;
            Some((until, By::Entry(slot.key), slot.held?))
        });
        // While all are held, nothing else that ends lets anybody go.
        let first = of_gate(Gate::All).or_else(|| {
            let opening = gates.next_opening().and_then(|(_, gate)| of_gate(gate));
            opening.into_iter().chain(parked).min_by_key(|(until, ..)| *until)
        });
        first.map_or(Next::Empty, |(until, by, why)| Next::Wait { until: until.time(), by, why })
    }

    fn candidate(&self) -> Option<K> {
        let flow = self.flows.get(self.turns.first()? as usize)?;
        self.slots.get(flow.order.first()?.1).map(|slot| slot.key)
    }
}
