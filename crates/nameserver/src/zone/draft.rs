//! The next version of a zone while it is made.

use fleetcert_dns::{RecordData, RecordSet, RecordType, Ttl};

use super::key::{NameKey, parent};
use super::node::{Node, Sets};
use super::tree::Tree;
use super::{Snapshot, Zone};

/// A version that nobody sees yet. Dropping it discards it.
#[derive(Debug)]
pub(crate) struct Draft<'z> {
    zone: &'z Zone,
    tree: Tree,
    changed: bool,
}

/// The error for a change that the zone rejects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DraftError {
    #[error("the zone has its maximum number of names")]
    TooManyNames,
    #[error("the name has its maximum number of values of this type")]
    TooManyValues,
    #[error("the addresses of the zone's name servers belong to its settings")]
    NameServerAddress,
}

impl<'z> Draft<'z> {
    pub(super) fn of(zone: &'z Zone, tree: Tree) -> Self {
        Self { zone, tree, changed: false }
    }

    pub(crate) fn is_changed(&self) -> bool {
        self.changed
    }

    pub(super) fn into_tree(self) -> Tree {
        self.tree
    }

    /// Returns the draft as a version, for reading.
    pub(crate) fn as_snapshot(&self, serial: u32) -> Snapshot {
        Snapshot { serial, tree: self.tree.clone() }
    }

    /// Adds the value, and sets the TTL of its set.
    pub(crate) fn add(&mut self, key: &NameKey, value: RecordData, ttl: Ttl) -> Result<(), DraftError> {
        self.edit(key, value.record_type(), |set| {
            let set = set.get_or_insert_with(|| RecordSet { ttl, values: [].into() });
            set.ttl = ttl;
            set.values.insert(value);
        })
    }

    /// Removes the value, if it is there.
    pub(crate) fn remove(&mut self, key: &NameKey, value: &RecordData) -> Result<(), DraftError> {
        self.edit(key, value.record_type(), |slot| {
            if let Some(set) = slot {
                set.values.remove(value);
                if set.values.is_empty() {
                    *slot = None;
                }
            }
        })
    }

    /// Replaces the set of this type.
    pub(crate) fn replace(
        &mut self,
        key: &NameKey,
        record_type: RecordType,
        set: Option<RecordSet>,
    ) -> Result<(), DraftError> {
        self.edit(key, record_type, |slot| *slot = set)
    }

    /// Removes all sets except those of the settings.
    pub(crate) fn clear(&mut self, key: &NameKey) -> Result<(), DraftError> {
        for record_type in [RecordType::A, RecordType::Aaaa, RecordType::Txt] {
            if record_type == RecordType::Txt || !self.zone.is_fixed(key) {
                self.replace(key, record_type, None)?;
            }
        }
        Ok(())
    }

    /// Adds the sets of the settings.
    pub(super) fn fix(&mut self, key: &NameKey, sets: Vec<(RecordType, RecordSet)>) {
        let mut all = Sets::default();
        for (record_type, set) in sets {
            *all.of_mut(record_type) = Some(set);
        }
        self.store(key.as_slice(), all);
    }

    fn edit(
        &mut self,
        key: &NameKey,
        record_type: RecordType,
        change: impl FnOnce(&mut Option<RecordSet>),
    ) -> Result<(), DraftError> {
        let old = self.tree.find(key.as_slice()).map(|node| &node.sets);
        let mut sets = old.cloned().unwrap_or_default();
        change(sets.of_mut(record_type));
        if old.map_or(sets.is_empty(), |old| *old == sets) {
            return Ok(());
        }
        if record_type != RecordType::Txt && self.zone.is_fixed(key) {
            return Err(DraftError::NameServerAddress);
        }
        if sets.of(record_type).is_some_and(|set| set.values.len() > self.zone.limits.values) {
            return Err(DraftError::TooManyValues);
        }
        self.changed = true;
        self.store(key.as_slice(), sets);
        if self.tree.len() > self.zone.limits.names { Err(DraftError::TooManyNames) } else { Ok(()) }
    }

    fn store(&mut self, name: &[u8], sets: Sets) {
        let old = self.tree.find(name).map(|node| node.children);
        let children = old.unwrap_or_default();
        if self.exists(name, &sets, children) {
            self.tree.put(Node { name: name.into(), sets, children });
            if old.is_none() {
                self.add_child(name);
            }
        } else if old.is_some() {
            self.tree.remove(name);
            self.remove_child(name);
        }
    }

    fn exists(&self, name: &[u8], sets: &Sets, children: u32) -> bool {
        !sets.is_empty() || children > 0 || name == self.zone.apex().as_slice()
    }

    /// Counts a new name at its parent, which then exists too, up to the apex.
    fn add_child(&mut self, name: &[u8]) {
        let mut name = name;
        while let Some(above) = self.parent_in_zone(name) {
            let node = self.tree.find(above).cloned();
            let existed = node.is_some();
            let mut node =
                node.unwrap_or_else(|| Node { name: above.into(), sets: Sets::default(), children: 0 });
            node.children += 1;
            self.tree.put(node);
            if existed {
                return;
            }
            name = above;
        }
    }

    /// Counts a removed name at its parent, which then may not exist either, up to the apex.
    fn remove_child(&mut self, name: &[u8]) {
        let mut name = name;
        while let Some(above) = self.parent_in_zone(name) {
            let Some(mut node) = self.tree.find(above).cloned() else {
                return;
            };
            node.children = node.children.saturating_sub(1);
            if self.exists(above, &node.sets, node.children) {
                self.tree.put(node);
                return;
            }
            self.tree.remove(above);
            name = above;
        }
    }

    fn parent_in_zone<'n>(&self, name: &'n [u8]) -> Option<&'n [u8]> {
        if name == self.zone.apex().as_slice() { None } else { parent(name) }
    }
}
