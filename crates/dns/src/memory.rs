//! The backend in memory.

use parking_lot::{Mutex, MutexGuard};
use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use fleetcert_names::DomainName;

use crate::{
    Addresses, BackendError, BackendErrorKind, Capabilities, Change, DnsBackend, Operation, RecordData,
    RecordSet, RecordType, ServerVerdict, Sighting, Ttl, TxtValue, Verdict, Visibility,
};

/// Zones in memory: a complete backend that lives as long as the process.
///
/// For tests and simulations. A list of changes is made under one lock, so it is atomic. The backend is its own
/// [`Visibility`]. A clone shares the zones.
///
/// ```
/// use fleetcert_dns::{Addresses, DnsBackendExt, MemoryBackend, Ttl};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// let zone = "fleet.test".parse()?;
/// let backend = MemoryBackend::new([&zone]);
/// let name = "xi8qz.fleet.test".parse()?;
/// let address = "10.1.1.4".parse()?;
/// let addresses = Addresses::new([address])?;
/// backend.set_addresses(&zone, &name, addresses, Ttl::ADDRESS).await?;
/// assert_eq!(backend.addresses(&zone, &name).await?, [address].into());
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct MemoryBackend {
    zones: Arc<Mutex<BTreeMap<DomainName, Zone>>>,
}

type Zone = BTreeMap<(DomainName, RecordType), RecordSet>;

const MAX_CHANGES: usize = 1000;

impl MemoryBackend {
    /// Returns a backend with these zones, all empty.
    pub fn new<'a>(zones: impl IntoIterator<Item = &'a DomainName>) -> Self {
        let zones = zones.into_iter().map(|zone| (zone.clone(), Zone::new())).collect();
        Self { zones: Arc::new(Mutex::new(zones)) }
    }

    /// Returns the number of record sets in all zones.
    pub fn record_sets(&self) -> usize {
        self.lock().values().map(BTreeMap::len).sum()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<DomainName, Zone>> {
        self.zones.lock()
    }
}

#[async_trait]
impl DnsBackend for MemoryBackend {
    async fn apply(&self, zone: &DomainName, changes: &[Change]) -> Result<(), BackendError> {
        let mut zones = self.lock();
        let records = zones.get_mut(zone).ok_or_else(|| no_such_zone(zone, Operation::Apply))?;
        self.capabilities().check(zone, changes)?;
        for change in changes {
            make(records, change);
        }
        Ok(())
    }

    async fn read(
        &self,
        zone: &DomainName,
        name: &DomainName,
        record_type: RecordType,
    ) -> Result<Option<RecordSet>, BackendError> {
        let zones = self.lock();
        let records = zones.get(zone).ok_or_else(|| no_such_zone(zone, Operation::Read))?;
        self.capabilities().check_read(zone, name)?;
        Ok(records.get(&(name.clone(), record_type)).cloned())
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { max_changes: MAX_CHANGES, ..Capabilities::ALL }
    }
}

#[async_trait]
impl Visibility for MemoryBackend {
    async fn look(
        &self,
        zone: &DomainName,
        name: &DomainName,
        value: &TxtValue,
    ) -> Result<Sighting, BackendError> {
        let zones = self.lock();
        let records = zones.get(zone).ok_or_else(|| no_such_zone(zone, Operation::Look))?;
        Operation::Look.check_name(zone, name)?;
        let set = records.get(&(name.clone(), RecordType::Txt));
        let seen = set.is_some_and(|set| set.values.contains(&RecordData::Txt(value.clone())));
        let verdict = if seen { Verdict::Seen } else { Verdict::NotSeen };
        Ok(Sighting { servers: vec![ServerVerdict { server: "memory".to_owned(), verdict }] })
    }
}

fn make(records: &mut Zone, change: &Change) {
    match change {
        Change::AddTxt { name, value, ttl } => {
            let set = records
                .entry((name.clone(), RecordType::Txt))
                .or_insert_with(|| RecordSet { ttl: *ttl, values: [].into() });
            set.ttl = *ttl;
            set.values.insert(RecordData::Txt(value.clone()));
        }
        Change::RemoveTxt { name, value } => {
            let key = (name.clone(), RecordType::Txt);
            if let Some(set) = records.get_mut(&key) {
                set.values.remove(&RecordData::Txt(value.clone()));
                if set.values.is_empty() {
                    records.remove(&key);
                }
            }
        }
        Change::SetAddresses { name, addresses, ttl } => set_addresses(records, name, addresses, *ttl),
    }
}

fn set_addresses(records: &mut Zone, name: &DomainName, addresses: &Addresses, ttl: Ttl) {
    let v4 = addresses.v4().map(RecordData::A).collect();
    let v6 = addresses.v6().map(RecordData::Aaaa).collect();
    for (record_type, values) in [(RecordType::A, v4), (RecordType::Aaaa, v6)] {
        let set = RecordSet { ttl, values };
        if set.values.is_empty() {
            records.remove(&(name.clone(), record_type));
        } else {
            records.insert((name.clone(), record_type), set);
        }
    }
}

fn no_such_zone(zone: &DomainName, operation: Operation) -> BackendError {
    BackendError::new(BackendErrorKind::NotInZone, operation, zone, "the backend does not have this zone")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn look_shows_the_records() {
        let zone: DomainName = "fleet.test".parse().unwrap();
        let backend = MemoryBackend::new([&zone]);
        let name: DomainName = "a.fleet.test".parse().unwrap();
        let value: TxtValue = "1".parse().unwrap();
        assert_eq!(backend.look(&zone, &name, &value).await.unwrap().servers[0].verdict, Verdict::NotSeen);

        let add = Change::AddTxt { name: name.clone(), value: value.clone(), ttl: Ttl::CHALLENGE };
        backend.apply(&zone, &[add]).await.unwrap();
        assert_eq!(backend.look(&zone, &name, &value).await.unwrap().servers[0].verdict, Verdict::Seen);
        assert_eq!(backend.record_sets(), 1);

        let elsewhere = "fleet.example".parse().unwrap();
        let error = backend.look(&elsewhere, &name, &value).await.unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::NotInZone);
    }
}
