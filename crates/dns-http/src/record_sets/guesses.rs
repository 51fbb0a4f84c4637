//! Writing without reading first, where the API compares before it writes.
//!
//! A provider's API allows few requests a second, and to read a hundred names takes a hundred of them. So a backend
//! guesses what it would read: what it wrote itself, and for a name that it does not know that there is nothing. A
//! write on condition fails when the guess was wrong; then it is read. No guess ever decides that nothing is to do.

use parking_lot::{Mutex, MutexGuard};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};

use fleetcert_dns::{BackendError, RecordSet};
use fleetcert_names::DomainName;

use super::call::read_each;
use super::{Edit, Key};
use crate::client::Call;

/// A record set with what is needed to write it on condition; `None` for no set.
pub(crate) type Held<V> = Option<(RecordSet, V)>;

/// The record sets as this backend wrote or read them last.
#[derive(Debug)]
pub(crate) struct Remembered<V> {
    sets: Mutex<HashMap<(DomainName, Key), Held<V>>>,
}

/// A set takes some hundred octets; all of them a few MiB.
const MOST: usize = 10_000;

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
    ) -> Self {
        Self { remembered, zone, edits, allowed: AtomicBool::new(true) }
    }

    /// The sets that need not be read, and the keys of those that must.
    pub(crate) fn split(&self, keys: &[Key]) -> (BTreeMap<Key, (RecordSet, V)>, Vec<Key>) {
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

    /// The sets that there are of these: guessed, or read by `read`, each by itself.
    pub(crate) async fn held<'r, F>(
        &self,
        call: &Call<'_>,
        keys: &[Key],
        read: impl Fn(Key) -> F,
    ) -> Result<BTreeMap<Key, (RecordSet, V)>, BackendError>
    where
        V: Send + 'r,
        F: Future<Output = Result<Held<V>, BackendError>> + Send + 'r,
    {
        let (mut held, unknown) = self.split(keys);
        held.extend(read_each(call, unknown, read).await?);
        Ok(held)
    }

    /// What came of a write: the sets as they are now, or a failure, after which this call reads.
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
        if sets.len() >= MOST {
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

    /// Whether this call still guesses.
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
            let (guessed, unknown) = Guesses::new(&remembered, &zone, edits).split(&[key()]);
            (guessed.len(), unknown.len())
        };
        // Nothing is known: there is nothing to add to, but what is to be removed must be seen.
        assert_eq!(reads(&add()), (0, 0));
        assert_eq!(reads(&remove()), (0, 1));

        let edits = add();
        let guesses = Guesses::new(&remembered, &zone, &edits);
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
        Guesses::new(&remembered, &zone, &edits).learn(key(), Some((set(), 1)));
        assert_eq!(Guesses::new(&remembered, &parent, &edits).split(&[key()]).1, [key()]);

        let guesses = Guesses::new(&remembered, &zone, &edits);
        for number in 0..=MOST {
            guesses.learn((format!("d{number}.fleet.test").parse().unwrap(), RecordType::Txt), None);
        }
        assert!(remembered.lock().len() <= MOST);
    }
}
