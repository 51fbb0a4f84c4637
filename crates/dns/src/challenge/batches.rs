//! Many records as few calls.

use std::collections::BTreeMap;

use fleetcert_names::DomainName;

use super::ChallengeRecord;
use crate::{Change, Ttl};

/// Records of one zone that go into one call of the backend.
#[derive(Debug)]
pub(super) struct Batch<'a> {
    pub(super) zone: &'a DomainName,
    pub(super) records: Vec<&'a ChallengeRecord>,
}

impl Batch<'_> {
    pub(super) fn additions(&self, ttl: Ttl) -> Vec<Change> {
        let add = |record: &&ChallengeRecord| Change::AddTxt {
            name: record.name.clone(),
            value: record.value.clone(),
            ttl,
        };
        self.records.iter().map(add).collect()
    }

    pub(super) fn removals(&self) -> Vec<Change> {
        let remove = |record: &&ChallengeRecord| Change::RemoveTxt {
            name: record.name.clone(),
            value: record.value.clone(),
        };
        self.records.iter().map(remove).collect()
    }
}

/// One batch for each zone, or more where a zone has more than `max_changes` records.
pub(super) fn batches<'a>(
    records: impl IntoIterator<Item = &'a ChallengeRecord>,
    max_changes: usize,
) -> Vec<Batch<'a>> {
    let mut zones: BTreeMap<&DomainName, Vec<&ChallengeRecord>> = BTreeMap::new();
    for record in records {
        zones.entry(&record.zone).or_default().push(record);
    }
    let mut batches = Vec::new();
    for (zone, records) in zones {
        for part in records.chunks(max_changes.max(1)) {
            batches.push(Batch { zone, records: part.to_vec() });
        }
    }
    batches
}
