//! A backend with one flaw.

use parking_lot::Mutex;
use std::collections::BTreeSet;

use super::*;
use crate::TxtValue;

/// The flaw of a [`FlawedBackend`] backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    LosesAdditions,
    KeepsTwoCopies,
    ReplacesValues,
    RemovesSiblings,
    MissesTheMissing,
    CutsLongValues,
    DropsQuotes,
    FoldsCaseOfValues,
    KeepsOldAddresses,
    NeverWithoutAddress,
    NewestFirst,
    TakesOutsideNames,
    TakesUnknownZones,
    FailsHalfWay,
    TakesAnyNumber,
    LosesConcurrentChanges,
    StopsHalfWay,
    RemovesNothing,
    LocksByInstance,
    ReadsOnePage,
    ListsOnePage,
    RemembersDroppedCalls,
}

/// An instance of the backend in memory, with one flaw.
#[derive(Debug)]
pub(super) struct FlawedBackend {
    flaw: Flaw,
    inner: MemoryBackend,
    lock: tokio::sync::Mutex<()>,
    last: Mutex<Vec<Change>>,
}

impl FlawedBackend {
    pub(super) fn new(flaw: Flaw, inner: MemoryBackend) -> Self {
        Self { flaw, inner, lock: tokio::sync::Mutex::default(), last: Mutex::default() }
    }
}

#[async_trait]
impl DnsBackend for FlawedBackend {
    async fn apply(&self, zone: &DomainName, changes: &[Change]) -> Result<(), BackendError> {
        match self.flaw {
            Flaw::TakesOutsideNames if changes.iter().any(|change| !change.name().is_within(zone)) => Ok(()),
            Flaw::TakesUnknownZones if *zone != super::zone() => Ok(()),
            Flaw::LocksByInstance => {
                let _alone = self.lock.lock().await;
                self.apply_to_a_copy(zone, changes).await
            }
            Flaw::RemembersDroppedCalls => {
                if std::mem::replace(&mut *self.last.lock(), changes.to_vec()) == changes {
                    return Ok(());
                }
                tokio::task::yield_now().await;
                self.inner.apply(zone, changes).await
            }
            Flaw::NewestFirst => {
                let reversed: Vec<_> = changes.iter().rev().cloned().collect();
                self.inner.apply(zone, &reversed).await
            }
            Flaw::FailsHalfWay | Flaw::TakesAnyNumber => self.one_by_one(zone, changes, false).await,
            Flaw::StopsHalfWay => self.one_by_one(zone, changes, true).await,
            Flaw::LosesConcurrentChanges => {
                // A copy of everything is changed and written back, as with files and some services.
                let before = self.inner.record_sets();
                tokio::task::yield_now().await;
                if self.inner.record_sets() == before {
                    self.inner.apply(zone, changes).await
                } else {
                    Ok(())
                }
            }
            _ => {
                for change in changes {
                    self.apply_one(zone, change).await?;
                }
                Ok(())
            }
        }
    }

    async fn read(
        &self,
        zone: &DomainName,
        name: &DomainName,
        record_type: RecordType,
    ) -> Result<Option<RecordSet>, BackendError> {
        let mut set = self.inner.read(zone, name, record_type).await?;
        if let (Flaw::ReadsOnePage, Some(set)) = (self.flaw, &mut set) {
            set.values = std::mem::take(&mut set.values).into_iter().take(100).collect();
        }
        Ok(set)
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }
}

impl FlawedBackend {
    /// Reads the texts, waits, and writes the result back.
    async fn apply_to_a_copy(&self, zone: &DomainName, changes: &[Change]) -> Result<(), BackendError> {
        let name = changes.first().map(Change::name).filter(|name| name.is_within(zone));
        let read = match name {
            Some(name) => self.inner.texts(zone, name).await?,
            None => BTreeSet::new(),
        };
        tokio::task::yield_now().await;
        let Some(name) = name.filter(|_| changes.len() == 1) else {
            return self.inner.apply(zone, changes).await;
        };
        let meanwhile = &self.inner.texts(zone, name).await? - &read;
        let again =
            read.into_iter().map(|value| Change::AddTxt { name: name.clone(), value, ttl: Ttl::ADDRESS });
        let all: Vec<_> =
            removals(name, &meanwhile).into_iter().chain(again).chain(changes.to_vec()).collect();
        self.inner.apply(zone, &all).await
    }

    async fn one_by_one(
        &self,
        zone: &DomainName,
        changes: &[Change],
        yields: bool,
    ) -> Result<(), BackendError> {
        for change in changes {
            self.inner.apply(zone, std::slice::from_ref(change)).await?;
            if yields {
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    async fn apply_one(&self, zone: &DomainName, change: &Change) -> Result<(), BackendError> {
        let Some(name) = Some(change.name()).filter(|name| name.is_within(zone)) else {
            return self.inner.apply(zone, std::slice::from_ref(change)).await;
        };
        let there = self.inner.texts(zone, name).await?;
        let changes = match (self.flaw, change.clone()) {
            (Flaw::ListsOnePage, Change::RemoveTxt { .. }) if self.inner.record_sets() > 100 => vec![],
            (Flaw::DropsQuotes, Change::AddTxt { name, value, ttl }) => {
                let bare = value.as_bytes().iter().filter(|octet| !br#""\\"#.contains(octet)).copied();
                let value = TxtValue::new(&bare.collect::<Vec<u8>>()).unwrap();
                vec![Change::AddTxt { name, value, ttl }]
            }
            (Flaw::LosesAdditions, Change::AddTxt { .. })
            | (Flaw::RemovesNothing, Change::RemoveTxt { .. }) => {
                vec![]
            }
            (Flaw::KeepsTwoCopies, Change::AddTxt { name, value, ttl }) if there.contains(&value) => {
                let copy = TxtValue::new(&[value.as_bytes(), b" "].concat()).unwrap();
                vec![Change::AddTxt { name, value: copy, ttl }]
            }
            (Flaw::ReplacesValues, addition @ Change::AddTxt { .. }) => {
                let mut changes = removals(name, &there);
                changes.push(addition);
                changes
            }
            (Flaw::RemovesSiblings, Change::RemoveTxt { .. }) => removals(name, &there),
            (Flaw::MissesTheMissing, Change::RemoveTxt { value, .. }) if !there.contains(&value) => {
                let kind = BackendErrorKind::Conflict;
                return Err(BackendError::new(kind, Operation::Apply, zone, "there is no such value"));
            }
            (Flaw::CutsLongValues, Change::AddTxt { name, value, ttl }) => {
                vec![Change::AddTxt {
                    name,
                    value: TxtValue::new(value.strings().next().unwrap()).unwrap(),
                    ttl,
                }]
            }
            (Flaw::FoldsCaseOfValues, Change::AddTxt { name, value, ttl }) => {
                let folded = TxtValue::new(&value.as_bytes().to_ascii_lowercase()).unwrap();
                vec![Change::AddTxt { name, value: folded, ttl }]
            }
            (Flaw::KeepsOldAddresses, Change::SetAddresses { name, addresses, ttl }) => {
                let old = self.inner.addresses(zone, &name).await?;
                let all = addresses.iter().chain(old.into_iter().filter(std::net::IpAddr::is_ipv4));
                vec![Change::SetAddresses { name, addresses: Addresses::new(all).unwrap(), ttl }]
            }
            (Flaw::NeverWithoutAddress, Change::SetAddresses { addresses, .. })
                if addresses == Addresses::default() =>
            {
                vec![]
            }
            (_, change) => vec![change],
        };
        self.inner.apply(zone, &changes).await
    }
}

fn removals(name: &DomainName, values: &BTreeSet<TxtValue>) -> Vec<Change> {
    values.iter().map(|value| Change::RemoveTxt { name: name.clone(), value: value.clone() }).collect()
}
