//! The index of entries by key.

use std::hash::{BuildHasher, Hash, RandomState};

use hashbrown::HashTable;

use super::slots::Slots;

/// The numbers of the entries by key. The keys are stored in the entries alone.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    numbers: HashTable<u32>,
    hasher: RandomState,
}

impl Index {
    pub(super) fn len(&self) -> usize {
        self.numbers.len()
    }

    pub(super) fn get<K: Copy + Eq + Hash, W, T>(&self, key: K, slots: &Slots<K, W, T>) -> Option<u32> {
        self.numbers.find(self.hasher.hash_one(key), |id| slots.has_key(*id, key)).copied()
    }

    /// Adds an existing entry with a new key.
    pub(super) fn insert<K: Copy + Eq + Hash, W, T>(&mut self, key: K, id: u32, slots: &Slots<K, W, T>) {
        let hash_of = |id: &u32| slots.get(*id).map_or(0, |slot| self.hasher.hash_one(slot.key));
        self.numbers.insert_unique(self.hasher.hash_one(key), id, hash_of);
    }

    /// Removes a key whose entry still exists.
    pub(super) fn remove<K: Copy + Eq + Hash, W, T>(
        &mut self,
        key: K,
        slots: &Slots<K, W, T>,
    ) -> Option<u32> {
        let found = self.numbers.find_entry(self.hasher.hash_one(key), |id| slots.has_key(*id, key));
        found.ok().map(|entry| entry.remove().0)
    }
}
