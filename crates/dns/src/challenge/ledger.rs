//! Which challenge records this process answers for.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use fleetcert_names::DomainName;

use super::ChallengeRecord;
use crate::TxtValue;

/// The records that guards hold, and those that dropped guards left.
///
/// It is bounded by what was published and adopted: a record leaves it when it is withdrawn.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// How many guards hold the record. Two do when an order was taken up again before its old task ended.
    held: BTreeMap<Place, usize>,
    orphans: BTreeMap<Place, Orphan>,
    orphaned_so_far: u64,
}

/// A record that no guard holds and that may be out there.
#[derive(Clone, Debug)]
pub(super) struct Orphan {
    /// Tells apart a record that became an orphan again while a sweep was under way.
    number: u64,
    pub(super) record: ChallengeRecord,
}

type Place = (DomainName, DomainName, TxtValue);

fn place(record: &ChallengeRecord) -> Place {
    (record.zone.clone(), record.name.clone(), record.value.clone())
}

impl Ledger {
    /// A guard takes the records.
    pub(super) fn hold(&self, records: &[ChallengeRecord]) {
        let mut state = self.lock();
        for record in records {
            let place = place(record);
            state.orphans.remove(&place);
            *state.held.entry(place).or_default() += 1;
        }
    }

    /// A guard whose records are withdrawn lets go of them.
    pub(super) fn release(&self, records: &[ChallengeRecord]) {
        let mut state = self.lock();
        for record in records {
            state.release(&place(record));
        }
    }

    /// A guard lets go of records that are still out there. Returns how many of them are orphans now: those that
    /// no other guard holds.
    pub(super) fn abandon(&self, records: &[ChallengeRecord]) -> usize {
        let mut state = self.lock();
        let mut left = 0;
        for record in records {
            let place = place(record);
            if state.release(&place) {
                // Wraps after more drops than a process can make; it only has to differ.
                state.orphaned_so_far = state.orphaned_so_far.wrapping_add(1);
                let orphan = Orphan { number: state.orphaned_so_far, record: record.clone() };
                state.orphans.insert(place, orphan);
                left += 1;
            }
        }
        left
    }

    /// Those of a guard's records that no other guard holds.
    pub(super) fn held_once(&self, records: &[ChallengeRecord]) -> Vec<ChallengeRecord> {
        let state = self.lock();
        let once =
            |record: &&ChallengeRecord| state.held.get(&place(record)).is_none_or(|guards| *guards <= 1);
        records.iter().filter(once).cloned().collect()
    }

    /// Those of the records that a guard holds.
    pub(super) fn held(&self, records: &[ChallengeRecord]) -> Vec<ChallengeRecord> {
        let state = self.lock();
        records.iter().filter(|record| state.held.contains_key(&place(record))).cloned().collect()
    }

    pub(super) fn orphans(&self) -> Vec<Orphan> {
        self.lock().orphans.values().cloned().collect()
    }

    pub(super) fn orphans_among(&self, records: &[ChallengeRecord]) -> Vec<Orphan> {
        let state = self.lock();
        records.iter().filter_map(|record| state.orphans.get(&place(record)).cloned()).collect()
    }

    /// The orphans are withdrawn.
    pub(super) fn settle<'a>(&self, orphans: impl IntoIterator<Item = &'a Orphan>) {
        let mut state = self.lock();
        for orphan in orphans {
            let place = place(&orphan.record);
            if state.orphans.get(&place).is_some_and(|now| now.number == orphan.number) {
                state.orphans.remove(&place);
            }
        }
    }

    pub(super) fn orphan_count(&self) -> usize {
        self.lock().orphans.len()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while the lock is held, so a poisoned lock still guards a sound state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// One guard less; whether it was the last.
    fn release(&mut self, place: &Place) -> bool {
        let Some(guards) = self.held.get_mut(place) else { return true };
        *guards -= 1;
        let last = *guards == 0;
        if last {
            self.held.remove(place);
        }
        last
    }
}

/// The records without those that stand at the same place as an earlier one.
pub(super) fn each_once(records: Vec<ChallengeRecord>) -> Vec<ChallengeRecord> {
    let mut seen = std::collections::BTreeSet::new();
    records.into_iter().filter(|record| seen.insert(place(record))).collect()
}
