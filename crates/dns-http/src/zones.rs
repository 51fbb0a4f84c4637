//! What a provider calls a zone, remembered for a while.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use fleetcert_names::DomainName;

/// The provider's ids of zones, each kept for an hour at most. After an answer that the zone is not there,
/// [`forget`](Self::forget) it: it may have been made anew under another id.
#[derive(Debug)]
pub(crate) struct ZoneIds<T> {
    known: Mutex<HashMap<DomainName, (T, SystemTime)>>,
}

const KEPT: Duration = Duration::from_secs(3600);
/// More zones than a backend has.
const MOST: usize = 10_000;

impl<T> Default for ZoneIds<T> {
    fn default() -> Self {
        Self { known: Mutex::default() }
    }
}

#[allow(dead_code, reason = "not every provider has ids")]
impl<T: Clone> ZoneIds<T> {
    /// The id, if it is known and not too old.
    pub(crate) fn get(&self, zone: &DomainName, now: SystemTime) -> Option<T> {
        let known = self.lock();
        let (id, since) = known.get(zone)?;
        // A clock that went back makes it old, too.
        let age = now.duration_since(*since).ok()?;
        (age < KEPT).then(|| id.clone())
    }

    pub(crate) fn put(&self, zone: &DomainName, id: T, now: SystemTime) {
        let mut known = self.lock();
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(zone.clone(), (id, now));
    }

    pub(crate) fn forget(&self, zone: &DomainName) {
        self.lock().remove(zone);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<DomainName, (T, SystemTime)>> {
        // Nothing panics while the lock is held, so a poisoned lock still guards a sound state.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The owner name relative to the zone, as many APIs want it; `None` at the apex.
#[allow(dead_code, reason = "some providers take the whole name")]
pub(crate) fn relative<'a>(name: &'a DomainName, zone: &DomainName) -> Option<&'a str> {
    name.as_str().strip_suffix(zone.as_str()).and_then(|rest| rest.strip_suffix('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_kept_for_an_hour_or_until_it_is_forgotten() {
        let ids = ZoneIds::default();
        let zone: DomainName = "fleet.test".parse().unwrap();
        let now = SystemTime::UNIX_EPOCH + KEPT * 2;
        assert_eq!(ids.get(&zone, now), None);
        ids.put(&zone, 7, now);
        assert_eq!(ids.get(&zone, now + KEPT - Duration::from_secs(1)), Some(7));
        assert_eq!(ids.get(&zone, now + KEPT), None);
        assert_eq!(ids.get(&zone, now - Duration::from_secs(1)), None);
        ids.forget(&zone);
        assert_eq!(ids.get(&zone, now), None);
    }

    #[test]
    fn relative_names() {
        let zone = "fleet.test".parse().unwrap();
        assert_eq!(
            relative(&"_acme-challenge.a.fleet.test".parse().unwrap(), &zone),
            Some("_acme-challenge.a")
        );
        assert_eq!(relative(&zone, &zone), None);
    }
}
