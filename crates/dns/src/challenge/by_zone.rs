//! Groups records by zone.

use std::collections::BTreeMap;

use fleetcert_names::DomainName;

use super::ChallengeRecord;
use crate::{Change, Ttl};

/// Groups the records by zone, since a call of the backend changes one zone.
pub(super) fn by_zone(records: &[ChallengeRecord]) -> BTreeMap<&DomainName, Vec<&ChallengeRecord>> {
    let mut zones: BTreeMap<&DomainName, Vec<&ChallengeRecord>> = BTreeMap::new();
    for record in records {
        zones.entry(&record.zone).or_default().push(record);
    }
    zones
}

pub(super) fn additions(records: &[&ChallengeRecord], ttl: Ttl) -> Vec<Change> {
    let add = |record: &&ChallengeRecord| Change::AddTxt {
        name: record.name.clone(),
        value: record.value.clone(),
        ttl,
    };
    records.iter().map(add).collect()
}

pub(super) fn removals(records: &[&ChallengeRecord]) -> Vec<Change> {
    let remove = |record: &&ChallengeRecord| Change::RemoveTxt {
        name: record.name.clone(),
        value: record.value.clone(),
    };
    records.iter().map(remove).collect()
}
