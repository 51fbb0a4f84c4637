//! Edits of record sets: the effect of a list of changes on each set. Pure.

use std::collections::{BTreeMap, BTreeSet};

use fleetcert_dns::{Change, RecordData, RecordSet, RecordType, Ttl, TxtValue};
use fleetcert_names::DomainName;

/// The owner name and the type of a record set.
pub(crate) type Key = (DomainName, RecordType);

/// A record set as it was read and as it is to be written. The two differ, or the set was not read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SetChange<V> {
    pub(crate) key: Key,
    pub(crate) before: Option<(RecordSet, V)>,
    pub(crate) after: Option<RecordSet>,
}

/// The edit of one record set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Edit {
    /// Adds and removes values; others stay.
    Values {
        add: BTreeSet<TxtValue>,
        remove: BTreeSet<TxtValue>,
        /// Time to live of the value that was added last; `None` if nothing is added.
        ttl: Option<Ttl>,
    },
    /// Replaces the set; without values it is deleted.
    Replace(RecordSet),
}

/// Returns the edits that have the effect of the changes in their order, one for each record set. A time to live below
/// `min_ttl` is raised to it.
pub(crate) fn edits(changes: &[Change], min_ttl: Ttl) -> BTreeMap<Key, Edit> {
    let mut edits = BTreeMap::new();
    for change in changes {
        match change {
            Change::AddTxt { name, value, ttl } => {
                let (add, remove, last) = values(&mut edits, name);
                remove.remove(value);
                add.insert(value.clone());
                *last = Some((*ttl).max(min_ttl));
            }
            Change::RemoveTxt { name, value } => {
                let (add, remove, last) = values(&mut edits, name);
                add.remove(value);
                remove.insert(value.clone());
                if add.is_empty() {
                    *last = None;
                }
            }
            Change::SetAddresses { name, addresses, ttl } => {
                let ttl = (*ttl).max(min_ttl);
                let v4 = RecordSet { ttl, values: addresses.v4().map(RecordData::A).collect() };
                let v6 = RecordSet { ttl, values: addresses.v6().map(RecordData::Aaaa).collect() };
                edits.insert((name.clone(), RecordType::A), Edit::Replace(v4));
                edits.insert((name.clone(), RecordType::Aaaa), Edit::Replace(v6));
            }
        }
    }
    edits
}

type Values<'a> = (&'a mut BTreeSet<TxtValue>, &'a mut BTreeSet<TxtValue>, &'a mut Option<Ttl>);

fn values<'a>(edits: &'a mut BTreeMap<Key, Edit>, name: &DomainName) -> Values<'a> {
    let none = || Edit::Values { add: BTreeSet::new(), remove: BTreeSet::new(), ttl: None };
    match edits.entry((name.clone(), RecordType::Txt)).or_insert_with(none) {
        Edit::Values { add, remove, ttl } => (add, remove, ttl),
        Edit::Replace(_) => unreachable!("only sets of addresses are replaced"),
    }
}

impl Edit {
    /// Returns whether the edit removes and replaces nothing.
    pub(crate) fn only_adds(&self) -> bool {
        matches!(self, Self::Values { remove, .. } if remove.is_empty())
    }

    /// Returns the set after the edit; `None` for no set. If no value changes, the set keeps its time to live.
    pub(crate) fn applied_to(&self, before: Option<&RecordSet>) -> Option<RecordSet> {
        match self {
            Self::Replace(after) => Some(after.clone()).filter(|set| !set.values.is_empty()),
            Self::Values { add, remove, ttl } => {
                let mut values = before.map(|set| set.values.clone()).unwrap_or_default();
                values.retain(|data| !matches!(data, RecordData::Txt(value) if remove.contains(value)));
                let had = values.len();
                values.extend(add.iter().cloned().map(RecordData::Txt));
                let added = values.len() > had;
                let kept_ttl = before.map(|set| set.ttl);
                let ttl = if added { ttl.or(kept_ttl) } else { kept_ttl }?;
                Some(RecordSet { ttl, values }).filter(|set| !set.values.is_empty())
            }
        }
    }
}
