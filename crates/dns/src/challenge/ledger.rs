//! The challenge records that this process tracks.

use parking_lot::{Mutex, MutexGuard};
use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use fleetcert_names::DomainName;

use super::{Alarm, ChallengeRecord};
use crate::TxtValue;

/// The records that guards hold, and the orphans that dropped guards left.
///
/// A record leaves the ledger when it is withdrawn, so its size is bounded by what was published and adopted.
#[derive(Debug)]
pub(super) struct Ledger {
    warn_above: usize,
    state: Mutex<LedgerState>,
}

/// The number of challenge records of a zone that are, or may be, published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordsOut {
    /// Zone.
    pub zone: DomainName,
    /// Number of records: held by guards, and orphans.
    pub records: usize,
    /// Whether the number is above [`warn_above`](super::ChallengeOptions::warn_above).
    pub too_many: bool,
}

#[derive(Debug, Default)]
struct LedgerState {
    /// Number of guards of each record. Two, if an order was resumed before its old task ended.
    held: BTreeMap<RecordKey, usize>,
    /// Records without a guard that may be published. No key is in both maps.
    orphans: BTreeMap<RecordKey, Orphan>,
    orphaned_so_far: u64,
    /// Records that are being added to or removed from the zone.
    claimed: BTreeSet<RecordKey>,
    /// Time until which an abandoned call may still publish the record. It has a guard or is an orphan.
    in_doubt: BTreeMap<RecordKey, SystemTime>,
    zones: BTreeMap<DomainName, Count>,
}

#[derive(Debug)]
struct Count {
    records: usize,
    alarm: Alarm,
}

/// A record without a guard that may be published.
#[derive(Clone, Debug)]
pub(super) struct Orphan {
    /// Distinguishes a record that became an orphan again during a sweep.
    number: u64,
    pub(super) record: ChallengeRecord,
}

type RecordKey = (DomainName, DomainName, TxtValue);

fn key(record: &ChallengeRecord) -> RecordKey {
    (record.zone.clone(), record.name.clone(), record.value.clone())
}

impl Ledger {
    pub(super) fn new(warn_above: usize) -> Self {
        Self { warn_above, state: Mutex::default() }
    }

    /// Adds a guard to the records. Returns the zones that now exceed the threshold and did not before.
    pub(super) fn hold(&self, records: &[ChallengeRecord]) -> Vec<RecordsOut> {
        let mut state = self.lock();
        for record in records {
            let key = key(record);
            let was_out = state.orphans.remove(&key).is_some() || state.held.contains_key(&key);
            if !was_out {
                state.count(&key.0, self.warn_above).records += 1;
            }
            *state.held.entry(key).or_default() += 1;
        }
        let mut above_threshold = Vec::new();
        for (zone, count) in &mut state.zones {
            if count.alarm.goes_off_at(count.records) {
                above_threshold.push(RecordsOut {
                    zone: zone.clone(),
                    records: count.records,
                    too_many: true,
                });
            }
        }
        above_threshold
    }

    /// Removes a guard whose records are withdrawn. Records that may have appeared again become orphans.
    pub(super) fn release(&self, records: &[ChallengeRecord], seen_at: SystemTime) {
        let mut state = self.lock();
        for record in records {
            let key = key(record);
            if !state.release(&key) {
                continue;
            }
            if state.is_in_doubt(&key, seen_at) {
                state.orphan(key, record);
            } else {
                state.forget(&key);
            }
        }
    }

    /// Removes a guard whose records are still published. Returns the number of new orphans: records without another
    /// guard.
    pub(super) fn abandon(&self, records: &[ChallengeRecord]) -> usize {
        let mut state = self.lock();
        let mut left = 0;
        for record in records {
            let key = key(record);
            if state.release(&key) {
                state.orphan(key, record);
                left += 1;
            }
        }
        left
    }

    /// Returns those records that no other guard holds.
    pub(super) fn held_once(&self, records: &[ChallengeRecord]) -> Vec<ChallengeRecord> {
        let state = self.lock();
        let once = |record: &&ChallengeRecord| state.held.get(&key(record)).is_none_or(|guards| *guards <= 1);
        records.iter().filter(once).cloned().collect()
    }

    /// Returns those records that a guard holds.
    pub(super) fn held(&self, records: &[ChallengeRecord]) -> Vec<ChallengeRecord> {
        let state = self.lock();
        records.iter().filter(|record| state.held.contains_key(&key(record))).cloned().collect()
    }

    /// Returns those records that no guard holds.
    pub(super) fn unheld(&self, records: &[ChallengeRecord]) -> Vec<ChallengeRecord> {
        let state = self.lock();
        records.iter().filter(|record| !state.held.contains_key(&key(record))).cloned().collect()
    }

    /// Claims the right to change these records in the zone. Returns `None` if another task has it for one of them.
    pub(super) fn claim(&self, records: &[ChallengeRecord]) -> Option<Claim<'_>> {
        let keys: BTreeSet<RecordKey> = records.iter().map(key).collect();
        let mut state = self.lock();
        if keys.iter().any(|key| state.claimed.contains(key)) {
            return None;
        }
        state.claimed.extend(keys.iter().cloned());
        drop(state);
        Some(Claim { ledger: self, keys })
    }

    /// Notes that the records may still appear in the zone until this time, even if they are not visible before.
    pub(super) fn doubt(&self, records: &[ChallengeRecord], until: SystemTime) {
        let mut state = self.lock();
        state.in_doubt.extend(records.iter().map(|record| (key(record), until)));
    }

    /// Returns the latest time at which one of the records may still appear.
    pub(super) fn doubt_about(&self, records: &[ChallengeRecord]) -> Option<SystemTime> {
        let state = self.lock();
        records.iter().filter_map(|record| state.in_doubt.get(&key(record))).max().copied()
    }

    pub(super) fn orphans(&self) -> Vec<Orphan> {
        self.lock().orphans.values().cloned().collect()
    }

    pub(super) fn orphans_among(&self, records: &[ChallengeRecord]) -> Vec<Orphan> {
        let state = self.lock();
        records.iter().filter_map(|record| state.orphans.get(&key(record)).cloned()).collect()
    }

    /// Settles orphans that were withdrawn. Returns the number of records that are no longer orphans; others may have
    /// appeared again.
    pub(super) fn settle<'a>(
        &self,
        orphans: impl IntoIterator<Item = &'a Orphan>,
        seen_at: SystemTime,
    ) -> usize {
        let mut state = self.lock();
        let mut settled = 0;
        for orphan in orphans {
            let key = key(&orphan.record);
            let same = state.orphans.get(&key).is_some_and(|now| now.number == orphan.number);
            if same && !state.is_in_doubt(&key, seen_at) {
                state.orphans.remove(&key);
                state.forget(&key);
                settled += 1;
            }
        }
        settled
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        let LedgerState { held, orphans, claimed, in_doubt, zones, orphaned_so_far: _ } = &*self.lock();
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

    fn lock(&self) -> MutexGuard<'_, LedgerState> {
        self.state.lock()
    }
}

/// The right to change some records in the zone. Without it, a concurrent addition and removal could lose or leave a
/// value.
#[derive(Debug)]
pub(super) struct Claim<'a> {
    ledger: &'a Ledger,
    keys: BTreeSet<RecordKey>,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let mut state = self.ledger.lock();
        for key in &self.keys {
            state.claimed.remove(key);
        }
    }
}

impl LedgerState {
    /// Removes one guard. Returns whether it was the last.
    fn release(&mut self, key: &RecordKey) -> bool {
        let Some(guards) = self.held.get_mut(key) else { return false };
        *guards -= 1;
        let last = *guards == 0;
        if last {
            self.held.remove(key);
        }
        last
    }

    fn orphan(&mut self, key: RecordKey, record: &ChallengeRecord) {
        // Wraps after more drops than a process can make; the number only has to differ.
        self.orphaned_so_far = self.orphaned_so_far.wrapping_add(1);
        let orphan = Orphan { number: self.orphaned_so_far, record: record.clone() };
        self.orphans.insert(key, orphan);
    }

    fn is_in_doubt(&self, key: &RecordKey, seen_at: SystemTime) -> bool {
        self.in_doubt.get(key).is_some_and(|until| *until > seen_at)
    }

    fn count(&mut self, zone: &DomainName, warn_above: usize) -> &mut Count {
        let nothing = || Count { records: 0, alarm: Alarm::new(warn_above) };
        self.zones.entry(zone.clone()).or_insert_with(nothing)
    }

    /// Removes a record that is neither held nor an orphan.
    fn forget(&mut self, key: &RecordKey) {
        self.in_doubt.remove(key);
        let zone = &key.0;
        if let Some(count) = self.zones.get_mut(zone) {
            count.records = count.records.saturating_sub(1);
            count.alarm.goes_off_at(count.records);
            if count.records == 0 {
                self.zones.remove(zone);
            }
        }
    }
}

/// Returns the records without duplicates.
pub(super) fn each_once(records: Vec<ChallengeRecord>) -> Vec<ChallengeRecord> {
    let mut seen = BTreeSet::new();
    records.into_iter().filter(|record| seen.insert(key(record))).collect()
}
