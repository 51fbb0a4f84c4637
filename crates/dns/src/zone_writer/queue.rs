//! Which calls wait for a zone, and which of them go next.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;

use fleetcert_names::DomainName;

use crate::Change;

/// The place of a call in the order of a zone's calls.
pub(super) type Ticket = u64;

/// A call, and what it wants changed.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) ticket: Ticket,
    pub(super) changes: Vec<Change>,
}

/// The calls of one zone that wait, and the names that are under way.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: BTreeMap<Ticket, Vec<Change>>,
    changes: usize,
    octets: usize,
    under_way: BTreeMap<DomainName, usize>,
}

/// What fits into one batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) changes: usize,
    pub(super) octets: usize,
}

impl Queue {
    pub(super) fn push(&mut self, call: Call) {
        self.changes += call.changes.len();
        self.octets += octets(&call.changes);
        self.waiting.insert(call.ticket, call.changes);
    }

    /// Takes out a call that nobody waits for any more, if it still waits.
    pub(super) fn remove(&mut self, ticket: Ticket) -> Option<Call> {
        let changes = self.waiting.remove(&ticket)?;
        self.changes -= changes.len();
        self.octets -= octets(&changes);
        Some(Call { ticket, changes })
    }

    pub(super) fn calls(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn changes(&self) -> usize {
        self.changes
    }

    /// Whether what waits fills a batch.
    pub(super) fn fills(&self, limits: Limits) -> bool {
        self.changes >= limits.changes || self.octets >= limits.octets
    }

    /// Takes the calls that go next, in their order: as many as fit, at least one. A call waits on while one of its
    /// names is under way or belongs to an earlier call that waits, so that the changes of a name keep their order.
    pub(super) fn take(&mut self, limits: Limits) -> Vec<Call> {
        let (mut changes, mut size) = (0, 0);
        let mut tickets = Vec::new();
        let mut passed_over: BTreeSet<&DomainName> = BTreeSet::new();
        for (ticket, wanted) in &self.waiting {
            let blocked = |name: &DomainName| self.under_way.contains_key(name) || passed_over.contains(name);
            if wanted.iter().any(|change| blocked(change.name())) {
                passed_over.extend(wanted.iter().map(Change::name));
                continue;
            }
            changes += wanted.len();
            size += octets(wanted);
            if !tickets.is_empty() && (changes > limits.changes || size > limits.octets) {
                break;
            }
            tickets.push(*ticket);
        }
        let calls: Vec<Call> = tickets.into_iter().filter_map(|ticket| self.remove(ticket)).collect();
        for name in names(&calls) {
            *self.under_way.entry(name.clone()).or_default() += 1;
        }
        calls
    }

    /// Takes all calls, to be told that none will be made.
    pub(super) fn drain(&mut self) -> Vec<Ticket> {
        (self.changes, self.octets) = (0, 0);
        mem::take(&mut self.waiting).into_keys().collect()
    }

    /// The calls, taken out before, are no longer under way.
    pub(super) fn release(&mut self, calls: &[Call]) {
        for name in names(calls) {
            if let Some(count) = self.under_way.get_mut(name) {
                *count -= 1;
                if *count == 0 {
                    self.under_way.remove(name);
                }
            }
        }
    }

    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.under_way.is_empty() && (self.changes, self.octets) == (0, 0)
    }
}

fn names(calls: &[Call]) -> impl Iterator<Item = &DomainName> {
    calls.iter().flat_map(|call| &call.changes).map(Change::name)
}

fn octets(changes: &[Change]) -> usize {
    changes.iter().map(wire_octets).sum()
}

/// Owner name, and type, class, time to live and length of the data (RFC 1035 section 3.2.1).
fn wire_octets(change: &Change) -> usize {
    let record = |data: usize| change.name().as_str().len() + 2 + 10 + data;
    match change {
        Change::AddTxt { value, .. } | Change::RemoveTxt { value, .. } => {
            record(value.as_bytes().len() + value.strings().count())
        }
        // Two deletions go before the addresses (RFC 2136 section 2.5.2).
        Change::SetAddresses { addresses, .. } => {
            2 * record(0) + addresses.v4().count() * record(4) + addresses.v6().count() * record(16)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Ttl;

    const LIMITS: Limits = Limits { changes: 3, octets: 10_000 };

    fn change(name: &str) -> Change {
        let name = format!("{name}.fleet.test").parse().unwrap();
        Change::AddTxt { name, value: "1".parse().unwrap(), ttl: Ttl::CHALLENGE }
    }

    fn queue<const N: usize>(calls: [&[&str]; N]) -> Queue {
        let mut queue = Queue::default();
        for (ticket, names) in (0..).zip(calls) {
            queue.push(Call { ticket, changes: names.iter().map(|name| change(name)).collect() });
        }
        queue
    }

    fn tickets(calls: &[Call]) -> Vec<Ticket> {
        calls.iter().map(|call| call.ticket).collect()
    }

    #[test]
    fn as_many_whole_calls_as_fit_go_in_their_order() {
        let mut queue = queue([&["a"], &["b", "c"], &["d", "e"], &["f"]]);
        assert_eq!(tickets(&queue.take(LIMITS)), [0, 1]);
        assert_eq!(tickets(&queue.take(LIMITS)), [2, 3]);
        assert_eq!(queue.changes(), 0);
    }

    #[test]
    fn octets_bound_a_batch_and_the_first_call_always_goes() {
        let one = wire_octets(&change("a"));
        assert_eq!(one, "a.fleet.test".len() + 2 + 10 + 2);
        let mut queue = queue([&["a", "b"], &["c"], &["d"], &["e"]]);
        let limits = Limits { changes: 100, octets: 2 * one - 1 };
        assert_eq!(tickets(&queue.take(limits)), [0]);
        assert_eq!(tickets(&queue.take(limits)), [1]);
        let limits = Limits { octets: 2 * one, ..limits };
        assert!(queue.fills(limits) && !queue.fills(Limits { octets: 2 * one + 1, ..limits }));
        assert_eq!(tickets(&queue.take(limits)), [2, 3]);
        assert!(!queue.fills(limits));
    }

    #[test]
    fn the_changes_of_a_name_keep_their_order() {
        let mut queue = queue([&["a"], &["a", "b"], &["b"], &["c"]]);
        let first = queue.take(Limits { changes: 1, ..LIMITS });
        assert_eq!(tickets(&first), [0]);
        // `a` is under way, and `b` belongs to a call before.
        let second = queue.take(LIMITS);
        assert_eq!(tickets(&second), [3]);
        assert!(queue.take(LIMITS).is_empty());
        queue.release(&first);
        let third = queue.take(LIMITS);
        assert_eq!(tickets(&third), [1, 2]);
        queue.release(&second);
        queue.release(&third);
        assert!(queue.is_idle());
    }

    #[test]
    fn a_dropped_call_leaves_its_place() {
        let mut queue = queue([&["a"], &["b", "c"]]);
        assert_eq!(queue.remove(1).unwrap().changes.len(), 2);
        assert!(queue.remove(1).is_none());
        assert_eq!((queue.calls(), queue.changes()), (1, 1));
    }
}
