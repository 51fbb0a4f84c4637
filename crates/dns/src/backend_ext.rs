//! What callers of a backend have on top of the contract.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::ops::Range;

use async_trait::async_trait;
use fleetcert_names::DomainName;

use crate::{
    Addresses, BackendError, BackendErrorKind, Change, DnsBackend, RecordData, RecordType, Ttl, TxtValue,
};

/// What callers of a [`DnsBackend`] have on top of the contract. Every backend has it, `dyn DnsBackend` too; nobody
/// implements it.
///
/// ```
/// use fleetcert_dns::{DnsBackend, DnsBackendExt, MemoryBackend, Ttl};
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// let zone = "fleet.test".parse()?;
/// let backend: Box<dyn DnsBackend> = Box::new(MemoryBackend::new([&zone]));
/// let (name, value) = ("_acme-challenge.xi8qz.fleet.test".parse()?, "gfj9Xq…Rg85nM".parse()?);
/// backend.add_txt(&zone, &name, &value, Ttl::CHALLENGE).await?;
/// assert!(backend.texts(&zone, &name).await?.contains(&value));
/// backend.remove_txt(&zone, &name, &value).await?;
/// assert!(backend.texts(&zone, &name).await?.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[async_trait]
pub trait DnsBackendExt: DnsBackend {
    /// Adds one TXT value; others of the name stay.
    ///
    /// **Effect.** `a TXT "1"` becomes `a TXT "1" "2"`.
    /// **Idempotence, concurrency, cancellation, errors.** Those of [`apply`](DnsBackend::apply).
    async fn add_txt(
        &self,
        zone: &DomainName,
        name: &DomainName,
        value: &TxtValue,
        ttl: Ttl,
    ) -> Result<(), BackendError> {
        self.apply(zone, &[Change::AddTxt { name: name.clone(), value: value.clone(), ttl }]).await
    }

    /// Removes one TXT value; others of the name stay.
    ///
    /// **Effect.** `a TXT "1" "2"` becomes `a TXT "1"`.
    /// **Idempotence, concurrency, cancellation, errors.** Those of [`apply`](DnsBackend::apply).
    async fn remove_txt(
        &self,
        zone: &DomainName,
        name: &DomainName,
        value: &TxtValue,
    ) -> Result<(), BackendError> {
        self.apply(zone, &[Change::RemoveTxt { name: name.clone(), value: value.clone() }]).await
    }

    /// Gives a name these addresses and no others; none at all takes it out of the zone. Its texts stay.
    ///
    /// **Effect.** With `10.1.1.5` given, `a A 10.1.1.4` and `a AAAA fd00::4` become `a A 10.1.1.5`.
    /// **Idempotence, concurrency, cancellation, errors.** Those of [`apply`](DnsBackend::apply).
    async fn set_addresses(
        &self,
        zone: &DomainName,
        name: &DomainName,
        addresses: Addresses,
        ttl: Ttl,
    ) -> Result<(), BackendError> {
        self.apply(zone, &[Change::SetAddresses { name: name.clone(), addresses, ttl }]).await
    }

    /// Makes any number of changes, in their order, in as many calls as the backend needs. It stops at the first
    /// part that fails. **Not atomic** as a whole.
    ///
    /// **Effect.** That of [`apply`](DnsBackend::apply) for each part. An empty list does nothing.
    /// **Idempotence.** The whole list again is fine, after an error too.
    /// **Concurrency.** Other calls may come between two parts.
    /// **Cancellation.** Some parts may be made and some not.
    ///
    /// # Errors
    /// That of the part that failed. The parts before it were made, those behind it were not tried.
    async fn apply_in_parts(&self, zone: &DomainName, changes: &[Change]) -> Result<(), BackendError> {
        for part in self.capabilities().parts(changes) {
            self.apply(zone, part).await?;
        }
        Ok(())
    }

    /// Makes changes that have nothing to do with each other, as many at a time as a call takes, and tells what
    /// became of each. A change that the server does not take keeps no other from the zone: where it may have
    /// spoilt its part, each change of the part is made in a call of its own.
    ///
    /// **Effect.** Each change is made, or its error is told. The outcomes cover all changes, in their order.
    /// **Idempotence.** The whole list again is fine.
    /// **Concurrency.** Other calls may come between two changes.
    /// **Cancellation.** Some changes may be made and some not.
    async fn apply_each(&self, zone: &DomainName, changes: &[Change]) -> Vec<PartOutcome> {
        let mut outcomes = Vec::new();
        let mut start = 0;
        for part in self.capabilities().parts(changes) {
            let all = start..start + part.len();
            start = all.end;
            match self.apply(zone, part).await {
                Err(error) if part.len() > 1 && one_may_spoil_all(error.kind()) => {
                    for (one, change) in all.zip(part.chunks(1)) {
                        let result = self.apply(zone, change).await;
                        outcomes.push(PartOutcome { changes: one..one + 1, result });
                    }
                }
                result => outcomes.push(PartOutcome { changes: all, result }),
            }
        }
        outcomes
    }

    /// The TXT values of a name, as the server that takes the changes has them; none for a name without.
    ///
    /// # Errors
    /// As for [`read`](DnsBackend::read).
    async fn texts(&self, zone: &DomainName, name: &DomainName) -> Result<BTreeSet<TxtValue>, BackendError> {
        let text = |data| match data {
            RecordData::Txt(value) => Some(value),
            RecordData::A(_) | RecordData::Aaaa(_) => None,
        };
        let set = self.read(zone, name, RecordType::Txt).await?;
        Ok(set.into_iter().flat_map(|set| set.values).filter_map(text).collect())
    }

    /// The A and AAAA records of a name, as the server that takes the changes has them; none for a name without.
    /// They are read in two calls, so a change may come between.
    ///
    /// # Errors
    /// As for [`read`](DnsBackend::read).
    async fn addresses(
        &self,
        zone: &DomainName,
        name: &DomainName,
    ) -> Result<BTreeSet<IpAddr>, BackendError> {
        let address = |data| match data {
            RecordData::A(address) => Some(IpAddr::V4(address)),
            RecordData::Aaaa(address) => Some(IpAddr::V6(address)),
            RecordData::Txt(_) => None,
        };
        let v4 = self.read(zone, name, RecordType::A).await?;
        let v6 = self.read(zone, name, RecordType::Aaaa).await?;
        Ok(v4.into_iter().chain(v6).flat_map(|set| set.values).filter_map(address).collect())
    }
}

impl<B: DnsBackend + ?Sized> DnsBackendExt for B {}

/// What became of some changes of [`DnsBackendExt::apply_each`] that were made in one call.
#[derive(Debug)]
pub struct PartOutcome {
    /// Which of the changes, by their place in the list.
    pub changes: Range<usize>,
    /// What the backend said.
    pub result: Result<(), BackendError>,
}

/// Whether the fault may lie in one change alone.
fn one_may_spoil_all(kind: BackendErrorKind) -> bool {
    matches!(kind, BackendErrorKind::Refused | BackendErrorKind::NotInZone | BackendErrorKind::InvalidInput)
}

// The trait must stay usable as `dyn`.
const _: Option<&dyn DnsBackendExt> = None;

#[cfg(test)]
mod tests;
