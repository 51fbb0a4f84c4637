//! Facts about zones, cached: a provider's id of a zone, its time to live.

use parking_lot::{Mutex, MutexGuard};
#[cfg(feature = "__accounts")]
use std::collections::BTreeMap;
use std::collections::HashMap;
use std::time::{Duration, SystemTime};

#[cfg(feature = "__accounts")]
use fleetcert_dns::{BackendError, BackendErrorKind};
use fleetcert_names::DomainName;

#[cfg(feature = "__accounts")]
use crate::client::Call;

/// One fact about each zone, kept for an hour at most. After an answer that the zone does not exist,
/// [`forget`](Self::forget) it: it may have been created again under another id.
#[derive(Debug)]
pub(crate) struct ZoneCache<T> {
    known: Mutex<HashMap<DomainName, (T, SystemTime)>>,
}

const MAX_AGE: Duration = Duration::from_secs(3600);
/// Maximum zones cached; more than a backend has.
const MAX_ZONES: usize = 10_000;

impl<T> Default for ZoneCache<T> {
    fn default() -> Self {
        Self { known: Mutex::default() }
    }
}

impl<T: Clone> ZoneCache<T> {
    /// Returns the fact if it is known and not too old.
    pub(crate) fn get(&self, zone: &DomainName, now: SystemTime) -> Option<T> {
        let known = self.lock();
        let (fact, since) = known.get(zone)?;
        // A clock that was set back makes it old, too.
        let age = now.duration_since(*since).ok()?;
        (age < MAX_AGE).then(|| fact.clone())
    }

    pub(crate) fn put(&self, zone: &DomainName, fact: T, now: SystemTime) {
        let mut known = self.lock();
        if known.len() >= MAX_ZONES {
            known.clear();
        }
        known.insert(zone.clone(), (fact, now));
    }

    pub(crate) fn forget(&self, zone: &DomainName) {
        self.lock().remove(zone);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<DomainName, (T, SystemTime)>> {
        self.known.lock()
    }
}

/// Words for errors about an account's zones.
#[cfg(feature = "__accounts")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct ZoneWords {
    /// Error text if there is none.
    pub(crate) none: &'static str,
    /// The provider's word for several of them.
    pub(crate) several: &'static str,
    /// Option that names one.
    pub(crate) option: &'static str,
}

/// Returns the provider's id of the call's zone: the configured one, or the one that `look_up` finds.
///
/// # Errors
/// `NotInZone` if there is none, `InvalidInput` if there are several.
#[cfg(feature = "__accounts")]
pub(crate) async fn account_zone(
    call: &Call<'_>,
    configured: &BTreeMap<DomainName, String>,
    words: ZoneWords,
    look_up: impl Future<Output = Result<Vec<String>, BackendError>>,
) -> Result<String, BackendError> {
    if let Some(id) = configured.get(call.zone) {
        return Ok(id.clone());
    }
    match &look_up.await?[..] {
        [id] => Ok(id.clone()),
        [] => Err(call.error(BackendErrorKind::NotInZone, words.none)),
        ids => {
            let ZoneWords { several, option, .. } = words;
            let ids = ids.join(", ");
            let why = format!("several {several} have this name; set one of {ids} in `{option}`");
            Err(call.error(BackendErrorKind::InvalidInput, why))
        }
    }
}

/// Returns the owner name relative to the zone, as many APIs want it; `None` at the apex.
#[cfg(any(feature = "azure", feature = "desec", feature = "digitalocean", feature = "hetzner"))]
pub(crate) fn relative<'a>(name: &'a DomainName, zone: &DomainName) -> Option<&'a str> {
    name.as_str().strip_suffix(zone.as_str()).and_then(|rest| rest.strip_suffix('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_kept_for_an_hour_or_until_it_is_forgotten() {
        let ids = ZoneCache::default();
        let zone: DomainName = "fleet.test".parse().unwrap();
        let now = SystemTime::UNIX_EPOCH + MAX_AGE * 2;
        assert_eq!(ids.get(&zone, now), None);
        ids.put(&zone, 7, now);
        assert_eq!(ids.get(&zone, now + MAX_AGE - Duration::from_secs(1)), Some(7));
        assert_eq!(ids.get(&zone, now + MAX_AGE), None);
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
