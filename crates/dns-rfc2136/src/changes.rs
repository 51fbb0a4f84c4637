//! The changes to send, and the sets to read for them.

use std::collections::{HashMap, HashSet};

use fleetcert_dns::{Change, RecordData, RecordSet, RecordType, TxtValue};
use fleetcert_dns_wire::record;
use fleetcert_names::DomainName;
use hickory_proto::op::Message;
use hickory_proto::rr::rdata::TXT;
use hickory_proto::rr::{RData, Record};

use crate::ReadFirst;
use crate::record_set::{owned_by, record_set};

/// Texts that the server splits into other strings than we do. A record can be removed only by its own strings (RFC
/// 2136 section 3.4.2.4).
pub(crate) type ForeignStrings = HashMap<(DomainName, TxtValue), Vec<TXT>>;

/// Returns the last change of each subject, in order. Earlier ones of the same subject have no effect. The remaining
/// changes touch different records, so their order does not matter.
pub(crate) fn last_changes(changes: &[Change]) -> Vec<&Change> {
    let mut said = HashSet::new();
    let mut last: Vec<_> = changes.iter().rev().filter(|change| said.insert(change.subject())).collect();
    last.reverse();
    last
}

/// Returns the sets to read before the changes, each once.
pub(crate) fn to_read<'c>(changes: &[&'c Change], first: ReadFirst) -> Vec<(&'c DomainName, RecordType)> {
    let mut seen = HashSet::new();
    let mut sets = Vec::new();
    for change in changes {
        let wanted: &[RecordType] = match (change, first) {
            (Change::RemoveTxt { .. }, ReadFirst::Everything) => &[RecordType::Txt],
            (Change::RemoveTxt { value, .. }, ReadFirst::LongTexts) if value.as_bytes().len() > 255 => {
                &[RecordType::Txt]
            }
            (Change::SetAddresses { .. }, ReadFirst::Everything) => &[RecordType::A, RecordType::Aaaa],
            _ => &[],
        };
        sets.extend(wanted.iter().map(|wanted| (change.name(), *wanted)).filter(|set| seen.insert(*set)));
    }
    sets
}

/// The sets that were read from the server.
#[derive(Debug, Default)]
pub(crate) struct KnownSets {
    sets: HashMap<(DomainName, RecordType), Option<RecordSet>>,
    strings: ForeignStrings,
}

impl KnownSets {
    pub(crate) fn learn(&mut self, name: &DomainName, record_type: RecordType, answer: &Message) {
        for record in owned_by(answer, name) {
            if let Some(text) = foreign_strings(record)
                && let Ok(RecordData::Txt(value)) = record::from_wire(&record.data)
            {
                self.strings.entry((name.clone(), value)).or_default().push(text.clone());
            }
        }
        self.sets.insert((name.clone(), record_type), record_set(answer, name, record_type));
    }

    pub(crate) fn strings(&self) -> &ForeignStrings {
        &self.strings
    }

    /// Returns whether the change is known to have no effect.
    pub(crate) fn is_idle(&self, change: &Change) -> bool {
        let set = |name: &DomainName, record_type| self.sets.get(&(name.clone(), record_type));
        match change {
            Change::AddTxt { .. } => false,
            Change::RemoveTxt { name, value } => set(name, RecordType::Txt).is_some_and(|texts| {
                texts.as_ref().is_none_or(|texts| !texts.values.contains(&RecordData::Txt(value.clone())))
            }),
            Change::SetAddresses { name, addresses, ttl } => {
                let same = |record_type, wanted: Vec<RecordData>| {
                    set(name, record_type).is_some_and(|set| match set {
                        None => wanted.is_empty(),
                        Some(set) => set.ttl == *ttl && set.values == wanted.into_iter().collect(),
                    })
                };
                same(RecordType::A, addresses.v4().map(RecordData::A).collect())
                    && same(RecordType::Aaaa, addresses.v6().map(RecordData::Aaaa).collect())
            }
        }
    }
}

/// Returns the text of the record if it is split into other strings than ours.
fn foreign_strings(record: &Record) -> Option<&TXT> {
    let RData::TXT(text) = &record.data else { return None };
    let octets = text.txt_data.concat();
    let ours = octets.chunks(255).eq(text.txt_data.iter().map(|string| &string[..]));
    if ours { None } else { Some(text) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleetcert_dns::{Addresses, Ttl};
    use fleetcert_dns_wire::{message, name};

    fn owner() -> DomainName {
        "a.fleet.test".parse().unwrap()
    }

    fn add(value: &str) -> Change {
        Change::AddTxt { name: owner(), value: value.parse().unwrap(), ttl: Ttl::CHALLENGE }
    }

    fn remove(value: &str) -> Change {
        Change::RemoveTxt { name: owner(), value: value.parse().unwrap() }
    }

    fn set(last: u8) -> Change {
        let addresses = Addresses::new([[10, 1, 1, last].into(), "fd00::1".parse().unwrap()]).unwrap();
        Change::SetAddresses { name: owner(), addresses, ttl: Ttl::ADDRESS }
    }

    /// Returns an answer with these values.
    fn answer(record_type: RecordType, ttl: u32, values: Vec<RData>) -> Message {
        let query = message::query(1, &owner(), record::type_to_wire(record_type));
        let mut answer = query.into_response();
        for value in values {
            answer.add_answer(Record::from_rdata(name::to_wire(&owner()), ttl, value));
        }
        answer
    }

    #[test]
    fn last_change_of_a_subject_wins() {
        let changes = [add("1"), set(1), add("1"), add("2"), remove("2"), set(2), remove("1"), set(2)];
        assert_eq!(last_changes(&changes), [&remove("2"), &remove("1"), &set(2)]);
        assert_eq!(last_changes(&[add("1"), remove("1"), add("1")]), [&add("1")]);
    }

    #[test]
    fn sets_to_read_follow_the_option() {
        let changes = [add("1"), remove("1"), remove("2"), remove(&"x".repeat(256)), set(1), set(2)];
        let changes: Vec<_> = changes.iter().collect();
        let name = owner();
        let texts = (&name, RecordType::Txt);
        assert_eq!(to_read(&changes, ReadFirst::LongTexts), [texts]);
        let all = [texts, (&name, RecordType::A), (&name, RecordType::Aaaa)];
        assert_eq!(to_read(&changes, ReadFirst::Everything), all);
        assert_eq!(to_read(&changes[..3], ReadFirst::LongTexts), []);
    }

    #[test]
    fn change_of_an_unknown_set_is_not_idle() {
        let known = KnownSets::default();
        for change in [add("1"), remove("1"), set(1)] {
            assert!(!known.is_idle(&change));
        }
    }

    #[test]
    fn removal_of_a_missing_value_is_idle() {
        let mut known = KnownSets::default();
        let texts =
            vec![RData::TXT(TXT::from_bytes(vec![b"a", b"bc"])), RData::TXT(TXT::from_bytes(vec![b"1"]))];
        known.learn(&owner(), RecordType::Txt, &answer(RecordType::Txt, 1, texts));
        let idle = ["abc", "1", "2", "ab"].map(|value| known.is_idle(&remove(value)));
        assert_eq!(idle, [false, false, true, true]);
        assert_eq!(known.strings().len(), 1);
        assert!(!known.is_idle(&add("1")));
        known.learn(&owner(), RecordType::Txt, &answer(RecordType::Txt, 1, vec![]));
        assert!(known.is_idle(&remove("1")));
    }

    #[test]
    fn equal_addresses_are_idle_unless_the_ttl_differs() {
        let v4 = |last: u8| record::to_wire(&RecordData::A([10, 1, 1, last].into()));
        let v6 = || record::to_wire(&RecordData::Aaaa("fd00::1".parse().unwrap()));
        let knowing = |ttl, a: Vec<RData>, aaaa: Vec<RData>| {
            let mut known = KnownSets::default();
            known.learn(&owner(), RecordType::A, &answer(RecordType::A, ttl, a));
            known.learn(&owner(), RecordType::Aaaa, &answer(RecordType::Aaaa, ttl, aaaa));
            known
        };
        let ttl = Ttl::ADDRESS.as_secs();
        assert!(knowing(ttl, vec![v4(1)], vec![v6()]).is_idle(&set(1)));
        assert!(!knowing(ttl, vec![v4(2)], vec![v6()]).is_idle(&set(1)));
        assert!(!knowing(ttl, vec![v4(1), v4(2)], vec![v6()]).is_idle(&set(1)));
        assert!(!knowing(ttl, vec![v4(1)], vec![]).is_idle(&set(1)));
        assert!(!knowing(ttl + 1, vec![v4(1)], vec![v6()]).is_idle(&set(1)));
        let nothing =
            Change::SetAddresses { name: owner(), addresses: Addresses::default(), ttl: Ttl::ADDRESS };
        assert!(knowing(ttl, vec![], vec![]).is_idle(&nothing));
        assert!(!knowing(ttl, vec![], vec![v6()]).is_idle(&nothing));
    }
}
