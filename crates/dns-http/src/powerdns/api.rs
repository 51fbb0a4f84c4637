//! The JSON of the API, and what it means. Pure.

use std::collections::BTreeSet;

use fleetcert_dns::{RecordData, RecordSet, RecordType, Ttl};
use fleetcert_names::DomainName;
use serde::{Deserialize, Serialize};

use crate::record_sets::{Edit, Key, SetChange, content, parsed, type_name};

/// `GET /servers/{id}`, of which we need this.
#[derive(Debug, Deserialize)]
pub(super) struct Server {
    pub(super) version: String,
}

/// `GET /servers/{id}/zones/{zone}`.
#[derive(Debug, Deserialize)]
pub(super) struct ZoneReply {
    #[serde(default)]
    pub(super) dnssec: bool,
    #[serde(default)]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) soa_edit_api: String,
    #[serde(default)]
    pub(super) rrsets: Vec<HeldSet>,
}

/// One of `GET /servers/{id}/zones/{zone}/metadata`.
#[derive(Debug, Deserialize)]
pub(super) struct Metadata {
    pub(super) kind: String,
    pub(super) metadata: Vec<String>,
}

/// One of `GET /servers/{id}/config`.
#[derive(Debug, Deserialize)]
pub(super) struct Setting {
    pub(super) name: String,
    #[serde(default)]
    pub(super) value: String,
}

/// A record set as the server has it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct HeldSet {
    name: String,
    #[serde(rename = "type")]
    record_type: String,
    ttl: u32,
    records: Vec<Record>,
}

/// A record as the server spells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    content: String,
    #[serde(default)]
    disabled: bool,
}

/// One of `GET /servers/{id}/search-data`.
#[derive(Debug, Deserialize)]
pub(super) struct SearchedRecord {
    zone_id: String,
    name: String,
    #[serde(rename = "type")]
    record_type: String,
    content: String,
    ttl: u32,
    #[serde(default)]
    disabled: bool,
}

impl SearchedRecord {
    pub(super) fn is_of(&self, zone: &str) -> bool {
        self.zone_id.eq_ignore_ascii_case(zone)
    }

    pub(super) fn is_soa_of(&self, zone: &str) -> bool {
        self.is_of(zone) && self.name.eq_ignore_ascii_case(zone) && self.record_type == "SOA"
    }

    /// Name and type.
    pub(super) fn key(&self) -> (String, String) {
        (self.name.to_ascii_lowercase(), self.record_type.clone())
    }
}

/// The set of these records, which are of one name and type; `None` of none.
pub(super) fn searched_set(found: Vec<SearchedRecord>) -> Option<HeldSet> {
    let (name, record_type) = found.first()?.key();
    let ttl = found.first()?.ttl;
    let records = found.into_iter().map(|it| Record { content: it.content, disabled: it.disabled }).collect();
    Some(HeldSet { name, record_type, ttl, records })
}

/// The body of a PATCH.
#[derive(Debug, Default, Serialize)]
pub(super) struct Patch {
    pub(super) rrsets: Vec<PatchedSet>,
}

/// One record set of a PATCH.
#[derive(Debug, Serialize)]
pub(super) struct PatchedSet {
    name: String,
    #[serde(rename = "type")]
    record_type: &'static str,
    changetype: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    records: Vec<Record>,
}

/// The name as the API wants it: absolute.
pub(super) fn absolute(name: &DomainName) -> String {
    format!("{name}.")
}

impl ZoneReply {
    /// The set with this key. A server that does not know the filters sends the whole zone.
    pub(super) fn set(self, key: &Key) -> Option<HeldSet> {
        let (name, record_type) = (absolute(&key.0), type_name(key.1));
        self.rrsets
            .into_iter()
            .find(|set| set.name.eq_ignore_ascii_case(&name) && set.record_type == record_type)
    }
}

impl HeldSet {
    /// What it answers with; `None` when no record of it is enabled. All records, as they are spelt, come along: some
    /// may be disabled, or have a content that we have no value for, and they must stay.
    pub(super) fn into_set(self, record_type: RecordType) -> Option<(RecordSet, Vec<Record>)> {
        let ttl = Ttl::from_secs(self.ttl).unwrap_or(Ttl::ADDRESS);
        let enabled = self.records.iter().filter(|record| !record.disabled);
        let values: BTreeSet<_> = enabled.filter_map(|record| parsed(record_type, &record.content)).collect();
        Some((RecordSet { ttl, values }, self.records))
    }
}

/// The whole set, written again.
pub(super) fn replaced(change: &SetChange<Vec<Record>>) -> PatchedSet {
    let (name, record_type) = &change.key;
    let none = BTreeSet::new();
    let after = change.after.as_ref().map_or(&none, |set| &set.values);
    let mut missing = after.clone();
    let mut records = Vec::new();
    if let Some((_, held)) = &change.before {
        for record in held {
            let data = parsed(*record_type, &record.content);
            let is_ours = !record.disabled && data.is_some();
            let stays = match &data {
                Some(data) if is_ours => missing.remove(data),
                _ => true,
            };
            if stays {
                records.push(record.clone());
            }
        }
    }
    records.extend(missing.iter().map(enabled));
    let held_ttl = change.before.as_ref().map(|(set, _)| set.ttl);
    let ttl = change.after.as_ref().map(|set| set.ttl).or(held_ttl).filter(|_| !records.is_empty());
    PatchedSet {
        name: absolute(name),
        record_type: type_name(*record_type),
        changetype: if records.is_empty() { "DELETE" } else { "REPLACE" },
        ttl: ttl.map(Ttl::as_secs),
        records,
    }
}

/// An edit as changes of single records where it is one of values. `held_ttl` is the time to live of the set as it
/// is: the server refuses records of one set with different ones.
pub(super) fn single_records(key: &Key, edit: &Edit, held_ttl: Option<Ttl>) -> Vec<PatchedSet> {
    let single = |changetype, ttl: Ttl, data: RecordData| PatchedSet {
        name: absolute(&key.0),
        record_type: type_name(key.1),
        changetype,
        ttl: Some(ttl.as_secs()),
        records: vec![enabled(&data)],
    };
    match edit {
        Edit::Replace(_) => {
            let change = SetChange { key: key.clone(), before: None, after: edit.applied_to(None) };
            vec![replaced(&change)]
        }
        Edit::Values { add, remove, ttl } => {
            let ttl = held_ttl.or(*ttl).unwrap_or(Ttl::CHALLENGE);
            let txt = |value: &_| RecordData::Txt(Clone::clone(value));
            let removals = remove.iter().map(|value| single("PRUNE", ttl, txt(value)));
            removals.chain(add.iter().map(|value| single("EXTEND", ttl, txt(value)))).collect()
        }
    }
}

fn enabled(data: &RecordData) -> Record {
    Record { content: content(data), disabled: false }
}
