//! The name server as a DNS backend.

use async_trait::async_trait;
use fleetcert_dns::{
    BackendError, BackendErrorKind, Capabilities, Change, DnsBackend, Operation, RecordData, RecordSet,
    RecordType,
};
use fleetcert_names::DomainName;

use crate::NameServer;
use crate::zone::{Draft, DraftError, NameKey, Zone};

/// Maximum changes in one call: far more than a batch needs, and few enough not to delay other writers.
const MAX_CHANGES: usize = 1000;

#[async_trait]
impl DnsBackend for NameServer {
    async fn apply(&self, zone: &DomainName, changes: &[Change]) -> Result<(), BackendError> {
        let found = self.zone_of(zone, Operation::Apply)?;
        self.capabilities().check(zone, changes)?;
        found
            .change(self.core().unix_time(), |draft| {
                changes.iter().try_for_each(|change| make(draft, change))
            })
            .map_err(|error| {
                let kind = match error {
                    DraftError::TooManyNames | DraftError::TooManyValues => BackendErrorKind::Quota,
                    DraftError::NameServerAddress => BackendErrorKind::Refused,
                };
                BackendError::new(kind, Operation::Apply, zone, error)
            })
    }

    async fn read(
        &self,
        zone: &DomainName,
        name: &DomainName,
        record_type: RecordType,
    ) -> Result<Option<RecordSet>, BackendError> {
        let found = self.zone_of(zone, Operation::Read)?;
        self.capabilities().check_read(zone, name)?;
        Ok(found.snapshot().node(&NameKey::of(name)).and_then(|node| node.sets.of(record_type)).cloned())
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            max_values: self.core().options.max_values,
            max_changes: MAX_CHANGES,
            ..Capabilities::ALL
        }
    }
}

impl NameServer {
    fn zone_of(&self, zone: &DomainName, operation: Operation) -> Result<&Zone, BackendError> {
        let why = "the name server does not serve this zone";
        let error = || BackendError::new(BackendErrorKind::NotInZone, operation, zone, why);
        self.core().zones.find(zone).ok_or_else(error)
    }
}

fn make(draft: &mut Draft<'_>, change: &Change) -> Result<(), DraftError> {
    match change {
        Change::AddTxt { name, value, ttl } => {
            draft.add(&NameKey::of(name), RecordData::Txt(value.clone()), *ttl)
        }
        Change::RemoveTxt { name, value } => {
            draft.remove(&NameKey::of(name), &RecordData::Txt(value.clone()))
        }
        Change::SetAddresses { name, addresses, ttl } => {
            let set = |values: Vec<RecordData>| {
                let values = values.into_iter().collect::<std::collections::BTreeSet<_>>();
                (!values.is_empty()).then_some(RecordSet { ttl: *ttl, values })
            };
            let key = NameKey::of(name);
            draft.replace(&key, RecordType::A, set(addresses.v4().map(RecordData::A).collect()))?;
            draft.replace(&key, RecordType::Aaaa, set(addresses.v6().map(RecordData::Aaaa).collect()))
        }
    }
}

#[cfg(test)]
mod tests;
