//! What a list of changes means for each record set. Pure.

use std::collections::{BTreeMap, BTreeSet};

use fleetcert_dns::{Change, RecordData, RecordSet, RecordType, Ttl, TxtValue};
use fleetcert_names::DomainName;

/// Which record set.
pub(crate) type Key = (DomainName, RecordType);

/// What is to be done to one record set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Edit {
    /// Values come and go, others stay.
    Values {
        add: BTreeSet<TxtValue>,
        remove: BTreeSet<TxtValue>,
        /// The time to live of what was added last; `None` when nothing is added.
        ttl: Option<Ttl>,
    },
    /// The set is this; without values it is gone.
    Replace(RecordSet),
}

/// The edits that have the effect of the changes in their order, one for each record set. A time to live below
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
    /// Whether no value goes and none is replaced.
    pub(crate) fn only_adds(&self) -> bool {
        matches!(self, Self::Values { remove, .. } if remove.is_empty())
    }

    /// What the set is afterwards; `None` for no set. When nothing changes, it is what it was, with its time to live.
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
