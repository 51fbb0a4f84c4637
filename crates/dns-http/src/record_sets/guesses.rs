//! Guesses: conditional writes without reading first.
//!
//! A provider's API allows few requests per second, and reading a hundred names takes a hundred of them. So a backend
//! guesses what it would read: what it wrote itself, and nothing at a name that it does not know. A conditional write
//! fails if the guess was wrong; then the backend reads. A guess never decides that there is nothing to write.

use parking_lot::{Mutex, MutexGuard};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};

use fleetcert_dns::{BackendError, RecordSet};
use fleetcert_names::DomainName;

use super::{Edit, Key};

/// A record set with the version that a conditional write names; `None` for no set.
pub(crate) type Held<V> = Option<(RecordSet, V)>;

/// Record sets that exist, with their versions.
pub(crate) type Sets<V> = BTreeMap<Key, (RecordSet, V)>;

/// Record sets as this backend wrote them last.
#[derive(Debug)]
pub(crate) struct Remembered<V> {
    sets: Mutex<HashMap<(DomainName, Key), Held<V>>>,
}

/// Maximum sets remembered. A set takes some hundred octets; all of them a few MiB.
const MAX_REMEMBERED: usize = 10_000;

impl<V> Default for Remembered<V> {
    fn default() -> Self {
        Self { sets: Mutex::default() }
    }
}

impl<V> Remembered<V> {
    fn lock(&self) -> MutexGuard<'_, HashMap<(DomainName, Key), Held<V>>> {
        self.sets.lock()
    }
}

/// The guesses of one call.
#[derive(Debug)]
pub(crate) struct Guesses<'a, V> {
    remembered: &'a Remembered<V>,
    zone: &'a DomainName,
    edits: &'a BTreeMap<Key, Edit>,
    allowed: AtomicBool,
}

impl<'a, V: Clone + Send> Guesses<'a, V> {
    pub(crate) fn new(
        remembered: &'a Remembered<V>,
        zone: &'a DomainName,
        edits: &'a BTreeMap<Key, Edit>,
        allowed: bool,
    ) -> Self {
        Self { remembered, zone, edits, allowed: AtomicBool::new(allowed) }
    }

    /// Returns the sets that need not be read, and the keys of those that must.
    pub(crate) fn split(&self, keys: &[Key]) -> (Sets<V>, Vec<Key>) {
        let mut guessed = BTreeMap::new();
        let mut unknown = Vec::new();
        for key in keys {
            match self.guess(key) {
                Some(Some(held)) => {
                    guessed.insert(key.clone(), held);
                }
                Some(None) => {}
                None => unknown.push(key.clone()),
            }
        }
        (guessed, unknown)
    }

    fn guess(&self, key: &Key) -> Option<Held<V>> {
        let edit = self.edits.get(key).filter(|_| self.allowed.load(Ordering::Relaxed))?;
        let guess = match self.remembered.lock().get(&(self.zone.clone(), key.clone())) {
            Some(held) => held.clone(),
            None if edit.only_adds() => None,
            None => return None,
        };
        let before = guess.as_ref().map(|(set, _)| set);
        let writes = edit.applied_to(before).as_ref() != before;
        writes.then_some(guess)
    }

    /// Learns from a write: remembers the sets that it made, or stops guessing for this call.
    pub(crate) fn settle(
        &self,
        made: Result<impl IntoIterator<Item = (Key, Held<V>)>, BackendError>,
    ) -> Result<(), BackendError> {
        match made {
            Ok(written) => {
                written.into_iter().for_each(|(key, held)| self.learn(key, held));
                Ok(())
            }
            Err(error) => {
                self.give_up();
                Err(error)
            }
        }
    }

    fn learn(&self, key: Key, held: Held<V>) {
        let mut sets = self.remembered.lock();
        if sets.len() >= MAX_REMEMBERED {
            sets.clear();
        }
        sets.insert((self.zone.clone(), key), held);
    }

    fn give_up(&self) {
        self.allowed.store(false, Ordering::Relaxed);
        let mut sets = self.remembered.lock();
        for key in self.edits.keys() {
            sets.remove(&(self.zone.clone(), key.clone()));
        }
    }

    /// Returns whether this call still guesses.
    pub(crate) fn are_allowed(&self) -> bool {
        self.allowed.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use fleetcert_dns::{Change, RecordData, RecordType, Ttl, TxtValue};

    use super::*;
    use crate::record_sets::edits;

    fn name() -> DomainName {
        "a.fleet.test".parse().unwrap()
    }

    fn value() -> TxtValue {
        "1".parse().unwrap()
    }

    fn key() -> Key {
        (name(), RecordType::Txt)
    }

    fn set() -> RecordSet {
        RecordSet { ttl: Ttl::ADDRESS, values: [RecordData::Txt(value())].into() }
    }

    fn add() -> BTreeMap<Key, Edit> {
        edits(&[Change::AddTxt { name: name(), value: value(), ttl: Ttl::ADDRESS }], Ttl::ZERO)
    }

    fn remove() -> BTreeMap<Key, Edit> {
        edits(&[Change::RemoveTxt { name: name(), value: value() }], Ttl::ZERO)
    }

    #[test]
    fn only_what_would_be_written_is_guessed() {
        let zone: DomainName = "fleet.test".parse().unwrap();
        let remembered = Remembered::<u8>::default();
        let reads = |edits: &BTreeMap<Key, Edit>| {
            let (guessed, unknown) = Guesses::new(&remembered, &zone, edits, true).split(&[key()]);
            (guessed.len(), unknown.len())
        };
        // Nothing is known: there is nothing to add to, but what is to be removed must be seen.
        assert_eq!(reads(&add()), (0, 0));
        assert_eq!(reads(&remove()), (0, 1));

        let edits = add();
        let guesses = Guesses::new(&remembered, &zone, &edits, true);
        guesses.learn(key(), Some((set(), 7)));
        assert_eq!(reads(&remove()), (1, 0));
        // It may have gone since, so that there is something to do.
        assert_eq!(reads(&add()), (0, 1));

        guesses.learn(key(), None);
        assert_eq!(reads(&add()), (0, 0));
        assert_eq!(reads(&remove()), (0, 1));

        guesses.learn(key(), Some((set(), 8)));
        guesses.give_up();
        assert_eq!(guesses.split(&[key()]).1, [key()], "after a failure a call reads");
        assert_eq!(reads(&remove()), (0, 1), "and the next call knows nothing");
    }

    #[test]
    fn a_zone_knows_only_its_own_sets_and_the_memory_is_bounded() {
        let (zone, parent) = ("fleet.test".parse().unwrap(), "test".parse().unwrap());
        let remembered = Remembered::<u8>::default();
        let edits = remove();
        Guesses::new(&remembered, &zone, &edits, true).learn(key(), Some((set(), 1)));
        assert_eq!(Guesses::new(&remembered, &parent, &edits, true).split(&[key()]).1, [key()]);

        let guesses = Guesses::new(&remembered, &zone, &edits, true);
        for number in 0..=MAX_REMEMBERED {
            guesses.learn((format!("d{number}.fleet.test").parse().unwrap(), RecordType::Txt), None);
        }
        assert!(remembered.lock().len() <= MAX_REMEMBERED);
    }
}
