//! What a provider calls a zone, remembered for a while.

use parking_lot::{Mutex, MutexGuard};
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, SystemTime};

use fleetcert_dns::{BackendError, BackendErrorKind};
use fleetcert_names::DomainName;

use crate::client::Call;

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
        self.known.lock()
    }
}

/// The zones of an account that calls them by ids of its own: those that the options name, and those that were found.
#[derive(Debug)]
pub(crate) struct AccountZones {
    configured: BTreeMap<DomainName, String>,
    found: ZoneIds<String>,
}

/// How an error speaks of an account's zones.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ZoneWords {
    /// What is said when there is none, as a sentence.
    pub(crate) none: &'static str,
    /// What the provider calls several of them.
    pub(crate) several: &'static str,
    /// The option that names one.
    pub(crate) option: &'static str,
}

impl AccountZones {
    pub(crate) fn new(configured: BTreeMap<DomainName, String>) -> Self {
        Self { configured, found: ZoneIds::default() }
    }

    /// The id of the call's zone: as the options say, as it was found before, or the one that `look_up` finds.
    ///
    /// # Errors
    /// `NotInZone` when there is none, `InvalidInput` when there are several.
    pub(crate) async fn id(
        &self,
        call: &Call<'_>,
        words: ZoneWords,
        look_up: impl Future<Output = Result<Vec<String>, BackendError>>,
    ) -> Result<String, BackendError> {
        let known = self.configured.get(call.zone).cloned();
        if let Some(id) = known.or_else(|| self.found.get(call.zone, call.now())) {
            return Ok(id);
        }
        match &look_up.await?[..] {
            [id] => {
                self.found.put(call.zone, id.clone(), call.now());
                Ok(id.clone())
            }
            [] => Err(call.error(BackendErrorKind::NotInZone, words.none)),
            ids => {
                let ZoneWords { several, option, .. } = words;
                let ids = ids.join(", ");
                let why = format!("several {several} have this name; set one of {ids} in `{option}`");
                Err(call.error(BackendErrorKind::InvalidInput, why))
            }
        }
    }

    /// The answer to a request that named the zone. One that is not there any more may have been made anew under another
    /// id, and is looked up the next time.
    pub(crate) fn judged<T>(
        &self,
        call: &Call<'_>,
        answer: Result<T, BackendError>,
    ) -> Result<T, BackendError> {
        if answer.as_ref().is_err_and(|error| error.kind() == BackendErrorKind::NotInZone) {
            self.found.forget(call.zone);
        }
        answer
    }
}

/// The owner name relative to the zone, as many APIs want it; `None` at the apex.
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
