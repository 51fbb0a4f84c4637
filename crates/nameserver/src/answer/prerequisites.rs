//! The prerequisites of an update (RFC 2136 section 3.2).

use std::collections::HashMap;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

use super::query::{has_records, is_meta};
use crate::zone::{NameKey, Snapshot, Zone};

/// Checks all prerequisites against a version of the zone. The error is the response code for the first that fails.
pub(super) fn check(zone: &Zone, snapshot: &Snapshot, prerequisites: &[Record]) -> Result<(), ResponseCode> {
    let mut sets: HashMap<(NameKey, RecordType), (&Name, Vec<&RData>)> = HashMap::new();
    for record in prerequisites {
        let (key, record_type) = (NameKey::of_wire(&record.name), record.record_type());
        if record.ttl != 0 || is_meta(record_type) {
            return Err(ResponseCode::FormErr);
        }
        if !key.is_within(zone.apex()) {
            return Err(ResponseCode::NotZone);
        }
        let is_empty = matches!(record.data, RData::Update0(_));
        let in_use = || key == *zone.apex() || snapshot.node(&key).is_some_and(has_records);
        let exists = || !zone.records(snapshot, &key, &record.name, record_type).is_empty();
        let require = |holds: bool, otherwise| if holds { Ok(()) } else { Err(otherwise) };
        match (record.dns_class, record_type) {
            (DNSClass::ANY, RecordType::ANY) if is_empty => require(in_use(), ResponseCode::NXDomain)?,
            (DNSClass::ANY, _) if is_empty => require(exists(), ResponseCode::NXRRSet)?,
            (DNSClass::NONE, RecordType::ANY) if is_empty => require(!in_use(), ResponseCode::YXDomain)?,
            (DNSClass::NONE, _) if is_empty => require(!exists(), ResponseCode::YXRRSet)?,
            (DNSClass::IN, _) if !is_empty && record_type != RecordType::ANY => {
                let set = sets.entry((key, record_type)).or_insert_with(|| (&record.name, Vec::new()));
                set.1.push(&record.data);
            }
            _ => return Err(ResponseCode::FormErr),
        }
    }
    let holds = |((key, record_type), (owner, wanted)): (&(NameKey, RecordType), &(&Name, Vec<&RData>))| {
        let there = zone.records(snapshot, key, owner, *record_type);
        there.iter().all(|record| wanted.contains(&&record.data))
            && wanted.iter().all(|data| there.iter().any(|record| record.data == **data))
    };
    if sets.iter().all(holds) { Ok(()) } else { Err(ResponseCode::NXRRSet) }
}
