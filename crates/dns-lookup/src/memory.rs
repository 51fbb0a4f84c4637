//! A bounded cache of facts about names, for their time to live.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use fleetcert_names::DomainName;

/// A bounded map from names to facts that expire.
#[derive(Debug)]
pub(crate) struct Memory<V> {
    entries: Mutex<HashMap<DomainName, (V, SystemTime)>>,
}

/// Maximum age of a fact, so that a zone that moved is found at its new servers after ten minutes at most.
const MAX_AGE: Duration = Duration::from_secs(600);
/// Minimum age, so that a time to live of zero does not mean a query for every look.
const MIN_AGE: Duration = Duration::from_secs(5);
const MAX_NAMES: usize = 1024;

impl<V: Clone> Memory<V> {
    pub(crate) fn get(&self, name: &DomainName, now: SystemTime) -> Option<V> {
        self.with(|entries| {
            entries.get(name).filter(|(_, until)| *until > now).map(|(value, _)| value.clone())
        })
    }

    /// Caches a fact for `ttl` seconds, between five seconds and ten minutes. A full cache drops the fact that expires first.
    pub(crate) fn put(&self, name: &DomainName, value: V, now: SystemTime, ttl: u32) {
        let until = now + Duration::from_secs(ttl.into()).clamp(MIN_AGE, MAX_AGE);
        self.with(|entries| {
            if entries.len() >= MAX_NAMES && !entries.contains_key(name) {
                entries.retain(|_, (_, until)| *until > now);
            }
            if entries.len() >= MAX_NAMES && !entries.contains_key(name) {
                let first = entries.iter().min_by_key(|(_, (_, until))| *until).map(|(name, _)| name.clone());
                first.map(|first| entries.remove(&first));
            }
            entries.insert(name.clone(), (value, until));
        });
    }

    fn with<T>(&self, work: impl FnOnce(&mut HashMap<DomainName, (V, SystemTime)>) -> T) -> T {
        work(&mut self.entries.lock())
    }
}

impl<V> Default for Memory<V> {
    fn default() -> Self {
        Self { entries: Mutex::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(number: usize) -> DomainName {
        format!("d{number}.test").parse().unwrap()
    }

    #[test]
    fn it_forgets_in_time_and_keeps_its_bound() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let memory = Memory::default();
        memory.put(&name(0), 'a', at(0), 60);
        memory.put(&name(1), 'b', at(0), 0);
        memory.put(&name(2), 'c', at(0), u32::MAX);
        let seen = |seconds| [0, 1, 2].map(|number| memory.get(&name(number), at(seconds)).is_some());
        assert_eq!(seen(4), [true, true, true]);
        assert_eq!(seen(5), [true, false, true]);
        assert_eq!(seen(60), [false, false, true]);
        assert_eq!(seen(600), [false, false, false]);

        for number in 0..=MAX_NAMES {
            memory.put(&name(number), 'd', at(0), 100 + u32::try_from(number % 400).unwrap());
        }
        assert_eq!(memory.with(|entries| entries.len()), MAX_NAMES);
        assert_eq!(memory.get(&name(MAX_NAMES), at(1)), Some('d'));
        let forgotten = (0..MAX_NAMES).filter(|number| memory.get(&name(*number), at(1)).is_none()).count();
        assert_eq!(forgotten, 1);
    }
}
