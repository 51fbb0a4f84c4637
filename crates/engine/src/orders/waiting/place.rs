//! Where an order stands.

use std::time::SystemTime;

use fleetcert_schedule::queue::Lane;

use super::state::State;

/// Where an order stands, as far as this process knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// How many go before it.
    pub ahead: usize,
    /// How many of these draw on the same buckets.
    pub in_pool: usize,
    /// How many orders are under way.
    pub under_way: usize,
    /// It is under way itself, or the CA has it: no bucket keeps it.
    pub goes_on: bool,
    pub lane: Lane,
    /// Until when it is held at least.
    pub held_until: Option<SystemTime>,
    /// Which limit keeps all that stand before the same gate.
    pub why: Option<String>,
}

impl State {
    /// O(log n): no other order is looked at.
    pub(super) fn place(&self, name: &str) -> Option<Place> {
        let under_way = self.running.len();
        let place = |lane| Place {
            ahead: 0,
            in_pool: 0,
            under_way,
            goes_on: true,
            lane,
            held_until: None,
            why: None,
        };
        if self.running.contains_key(name) {
            return Some(place(Lane::Routine));
        }
        let key = *self.names.get(name)?;
        let (queue, goes_on) = match self.placed.contains(key) {
            true => (&self.placed, true),
            false => (&self.new, false),
        };
        let (entry, _) = queue.get(key)?;
        let standing = queue.standing(key)?;
        let held = standing.held.as_ref();
        Some(Place {
            ahead: standing.ahead,
            in_pool: standing.in_pool,
            goes_on,
            held_until: held.and_then(|held| held.until),
            why: held.and_then(|held| self.reasons.get(&held.gate?)).map(|reason| reason.why.clone()),
            ..place(entry.lane)
        })
    }
}
