//! Bounded tables of objects that end.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fleetcert_ambient::Entropy;

/// The last part of an object's URL: 128 random bits, so that nobody finds the objects of others by counting.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Id([u8; 16]);

impl Id {
    pub(crate) fn random(entropy: &dyn Entropy) -> Self {
        let mut bytes = [0; 16];
        entropy.fill(&mut bytes);
        Self(bytes)
    }

    #[cfg(test)]
    pub(crate) fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Id {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let mut bytes = [0; 16];
        match URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) {
            Ok(16) => Ok(Self(bytes)),
            _ => Err(NotAnId),
        }
    }
}

/// A text that no identifier has.
#[derive(Debug)]
pub(crate) struct NotAnId;

/// There is no room for one more.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// A bounded table of objects by their identifier, each until its end.
#[derive(Debug)]
pub(crate) struct Table<T> {
    entries: HashMap<Id, Entry<T>>,
    /// The ends, soonest first: the ended are found without looking at the others.
    ends: BTreeSet<(SystemTime, Id)>,
    most: usize,
}

#[derive(Debug)]
struct Entry<T> {
    value: T,
    end: Option<SystemTime>,
}

impl<T> Table<T> {
    pub(crate) fn new(most: usize) -> Self {
        Self { entries: HashMap::new(), ends: BTreeSet::new(), most }
    }

    pub(crate) fn has_room_for(&self, more: usize) -> bool {
        self.entries.len().saturating_add(more) <= self.most
    }

    /// Keeps `value` until `end`, or for ever.
    pub(crate) fn insert(&mut self, id: Id, value: T, end: Option<SystemTime>) -> Result<(), Full> {
        if !self.has_room_for(1) {
            return Err(Full);
        }
        if let Some(end) = end {
            self.ends.insert((end, id));
        }
        self.entries.insert(id, Entry { value, end });
        Ok(())
    }

    pub(crate) fn get(&self, id: Id) -> Option<&T> {
        self.entries.get(&id).map(|entry| &entry.value)
    }

    pub(crate) fn get_mut(&mut self, id: Id) -> Option<&mut T> {
        self.entries.get_mut(&id).map(|entry| &mut entry.value)
    }

    /// Keeps the object until `end` and no longer.
    pub(crate) fn set_end(&mut self, id: Id, end: SystemTime) {
        if let Some(entry) = self.entries.get_mut(&id) {
            if let Some(before) = entry.end.replace(end) {
                self.ends.remove(&(before, id));
            }
            self.ends.insert((end, id));
        }
    }

    /// Takes out one object whose end has come.
    pub(crate) fn take_ended(&mut self, now: SystemTime) -> Option<(Id, T)> {
        let &(end, id) = self.ends.first()?;
        if end > now {
            return None;
        }
        self.ends.pop_first();
        self.entries.remove(&id).map(|entry| (id, entry.value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn at(second: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(second)
    }

    #[test]
    fn a_full_table_takes_nothing_until_something_ends() {
        let mut table = Table::new(2);
        let [a, b, c] = [1, 2, 3].map(|byte| Id([byte; 16]));
        table.insert(a, 'a', Some(at(10))).unwrap();
        table.insert(b, 'b', None).unwrap();
        assert_eq!(table.insert(c, 'c', None), Err(Full));

        table.set_end(a, at(20));
        assert!(table.take_ended(at(19)).is_none());
        assert_eq!(table.take_ended(at(20)), Some((a, 'a')));
        assert!(table.take_ended(at(1000)).is_none());
        table.insert(c, 'c', None).unwrap();
        assert_eq!((table.get(a), table.get(b), table.get(c)), (None, Some(&'b'), Some(&'c')));
    }

    proptest! {
        #[test]
        fn identifiers_survive_their_text(bytes: [u8; 16]) {
            prop_assert_eq!(Id(bytes).to_string().parse::<Id>().unwrap(), Id(bytes));
        }

        #[test]
        fn no_text_panics(text: String) {
            let _ = text.parse::<Id>();
        }
    }
}
