//! The next candidate.

use std::hash::Hash;
use std::time::SystemTime;

use super::{HoldScope, Queue};
use crate::Moment;

/// The answer of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next<K, W> {
    /// The next entry. It stays the candidate until it is [taken](Queue::take), held or removed.
    Candidate(K),
    /// All entries are held.
    Wait {
        /// Time at which the first of them is released; `None` if no time is set.
        until: Option<SystemTime>,
        /// Hold that ends then.
        by: By<K>,
        /// Reason of the hold.
        why: W,
    },
    /// No entry waits.
    Empty,
}

/// A hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By<K> {
    /// A closed scope.
    HoldScope(HoldScope),
    /// One entry that is held alone.
    Entry(K),
}

impl<K: Copy + Ord + Hash, W: Copy, T> Queue<K, W, T> {
    /// Returns the next candidate. Calling it again without a verdict returns the same one.
    pub(crate) fn next(&mut self, now: SystemTime) -> Next<K, W> {
        self.release_due(Moment::of(now));
        if let Some(key) = self.candidate() {
            return Next::Candidate(key);
        }
        if self.is_empty() {
            return Next::Empty;
        }
        let scopes = self.turns.scopes();
        let of_gate = |scope: HoldScope| {
            let (until, why) = scopes.get(scope)?;
            Some((until, By::HoldScope(scope), why))
        };
        let parked = self.parked.first().and_then(|(until, id)| {
            let slot = self.slots.get(id)?;
            Some((until, By::Entry(slot.key), slot.held?))
        });
        // While everything is held, the end of another hold releases no entry.
        let first = of_gate(HoldScope::All).or_else(|| {
            let opening = scopes.next_opening().and_then(|(_, scope)| of_gate(scope));
            opening.into_iter().chain(parked).min_by_key(|(until, ..)| *until)
        });
        first.map_or(Next::Empty, |(until, by, why)| Next::Wait { until: until.time(), by, why })
    }

    fn candidate(&self) -> Option<K> {
        let flow = self.flows.get(self.turns.first()? as usize)?;
        self.slots.get(flow.order.first()?.1).map(|slot| slot.key)
    }
}
