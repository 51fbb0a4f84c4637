//! Which challenge records this process answers for.

use parking_lot::{Mutex, MutexGuard};
use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use fleetcert_names::DomainName;

use super::{Alarm, ChallengeRecord};
use crate::TxtValue;

/// The records that guards hold, and those that dropped guards left.
///
/// It is bounded by what was published and adopted: a record leaves it when it is withdrawn.
#[derive(Debug)]
pub(super) struct Ledger {
    warn_above: usize,
    state: Mutex<State>,
}

/// How many challenge records of a zone are out, or may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordsOut {
    /// The zone.
    pub zone: DomainName,
    /// How many: those that guards hold, and the orphans.
    pub records: usize,
    /// Whether these are more than [`warn_above`](super::ChallengeOptions::warn_above).
    pub too_many: bool,
}

#[derive(Debug, Default)]
struct State {
    /// How many guards hold the record. Two do when an order was taken up again before its old task ended.
    held: BTreeMap<Place, usize>,
    /// What no guard holds, and may be out there. No place is in both.
    orphans: BTreeMap<Place, Orphan>,
    orphaned_so_far: u64,
    /// What is being added to the zone or removed from it now.
    claimed: BTreeSet<Place>,
    /// What may still come into the zone until then, by a call that nobody waits for any more. A guard holds it, or
    /// it is an orphan.
    in_doubt: BTreeMap<Place, SystemTime>,
    zones: BTreeMap<DomainName, Count>,
}

#[derive(Debug)]
struct Count {
    records: usize,
    alarm: Alarm,
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
    pub(super) fn new(warn_above: usize) -> Self {
        Self { warn_above, state: Mutex::default() }
    }

    /// A guard takes the records. Returns the zones that have too many now and had not before.
    pub(super) fn hold(&self, records: &[ChallengeRecord]) -> Vec<RecordsOut> {
        let mut state = self.lock();
        for record in records {
            let place = place(record);
            let was_out = state.orphans.remove(&place).is_some() || state.held.contains_key(&place);
            if !was_out {
                state.count(&place.0, self.warn_above).records += 1;
            }
            *state.held.entry(place).or_default() += 1;
        }
        let mut told = Vec::new();
        for (zone, count) in &mut state.zones {
            if count.alarm.goes_off_at(count.records) {
                told.push(RecordsOut { zone: zone.clone(), records: count.records, too_many: true });
            }
        }
        told
    }

    /// A guard whose records are withdrawn lets go of them. Those that may have come again since are orphans.
    pub(super) fn release(&self, records: &[ChallengeRecord], seen_at: SystemTime) {
        let mut state = self.lock();
        for record in records {
            let place = place(record);
            if !state.release(&place) {
                continue;
            }
            if state.is_in_doubt(&place, seen_at) {
                state.orphan(place, record);
            } else {
                state.forget(&place);
            }
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
                state.orphan(place, record);
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

    /// Those of the records that no guard holds.
    pub(super) fn unheld(&self, records: &[ChallengeRecord]) -> Vec<ChallengeRecord> {
        let state = self.lock();
        records.iter().filter(|record| !state.held.contains_key(&place(record))).cloned().collect()
    }

    /// The right to change these records in the zone, if nobody has it for one of them.
    pub(super) fn claim(&self, records: &[ChallengeRecord]) -> Option<Claim<'_>> {
        let places: BTreeSet<Place> = records.iter().map(place).collect();
        let mut state = self.lock();
        if places.iter().any(|place| state.claimed.contains(place)) {
            return None;
        }
        state.claimed.extend(places.iter().cloned());
        drop(state);
        Some(Claim { ledger: self, places })
    }

    /// Until then the records may come into the zone, whatever is seen there before.
    pub(super) fn doubt(&self, records: &[ChallengeRecord], until: SystemTime) {
        let mut state = self.lock();
        state.in_doubt.extend(records.iter().map(|record| (place(record), until)));
    }

    /// When the last of the records can come into the zone that may come yet.
    pub(super) fn doubt_about(&self, records: &[ChallengeRecord]) -> Option<SystemTime> {
        let state = self.lock();
        records.iter().filter_map(|record| state.in_doubt.get(&place(record))).max().copied()
    }

    pub(super) fn orphans(&self) -> Vec<Orphan> {
        self.lock().orphans.values().cloned().collect()
    }

    pub(super) fn orphans_among(&self, records: &[ChallengeRecord]) -> Vec<Orphan> {
        let state = self.lock();
        records.iter().filter_map(|record| state.orphans.get(&place(record)).cloned()).collect()
    }

    /// The orphans are withdrawn. Returns how many of them are none any more; others may have come again since.
    pub(super) fn settle<'a>(
        &self,
        orphans: impl IntoIterator<Item = &'a Orphan>,
        seen_at: SystemTime,
    ) -> usize {
        let mut state = self.lock();
        let mut settled = 0;
        for orphan in orphans {
            let place = place(&orphan.record);
            let same = state.orphans.get(&place).is_some_and(|now| now.number == orphan.number);
            if same && !state.is_in_doubt(&place, seen_at) {
                state.orphans.remove(&place);
                state.forget(&place);
                settled += 1;
            }
        }
        settled
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        let State { held, orphans, claimed, in_doubt, zones, orphaned_so_far: _ } = &*self.lock();
        held.is_empty() && orphans.is_empty() && claimed.is_empty() && in_doubt.is_empty() && zones.is_empty()
    }

    pub(super) fn orphan_count(&self) -> usize {
        self.lock().orphans.len()
    }

    pub(super) fn records_out(&self) -> Vec<RecordsOut> {
        let of_zone = |(zone, count): (&DomainName, &Count)| {
            let too_many = count.records > self.warn_above;
            RecordsOut { zone: zone.clone(), records: count.records, too_many }
        };
        self.lock().zones.iter().map(of_zone).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

/// The right to change some records in the zone: an addition and a removal that overtake each other lose or leave a
/// value.
#[derive(Debug)]
pub(super) struct Claim<'a> {
    ledger: &'a Ledger,
    places: BTreeSet<Place>,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let mut state = self.ledger.lock();
        for place in &self.places {
            state.claimed.remove(place);
        }
    }
}

impl State {
    /// One guard less; whether it was the last.
    fn release(&mut self, place: &Place) -> bool {
        let Some(guards) = self.held.get_mut(place) else { return false };
        *guards -= 1;
        let last = *guards == 0;
        if last {
            self.held.remove(place);
        }
        last
    }

    fn orphan(&mut self, place: Place, record: &ChallengeRecord) {
        // Wraps after more drops than a process can make; it only has to differ.
        self.orphaned_so_far = self.orphaned_so_far.wrapping_add(1);
        let orphan = Orphan { number: self.orphaned_so_far, record: record.clone() };
        self.orphans.insert(place, orphan);
    }

    fn is_in_doubt(&self, place: &Place, seen_at: SystemTime) -> bool {
        self.in_doubt.get(place).is_some_and(|until| *until > seen_at)
    }

    fn count(&mut self, zone: &DomainName, warn_above: usize) -> &mut Count {
        let nothing = || Count { records: 0, alarm: Alarm::new(warn_above) };
        self.zones.entry(zone.clone()).or_insert_with(nothing)
    }

    /// The record is neither held nor an orphan any more.
    fn forget(&mut self, place: &Place) {
        self.in_doubt.remove(place);
        let zone = &place.0;
        if let Some(count) = self.zones.get_mut(zone) {
            count.records = count.records.saturating_sub(1);
            count.alarm.goes_off_at(count.records);
            if count.records == 0 {
                self.zones.remove(zone);
            }
        }
    }
}

/// The records without those that stand at the same place as an earlier one.
pub(super) fn each_once(records: Vec<ChallengeRecord>) -> Vec<ChallengeRecord> {
    let mut seen = BTreeSet::new();
    records.into_iter().filter(|record| seen.insert(place(record))).collect()
}
