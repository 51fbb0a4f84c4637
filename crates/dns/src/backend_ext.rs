//! The extension trait for callers of a backend.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::ops::Range;

use async_trait::async_trait;
use fleetcert_names::DomainName;

use crate::{
    Addresses, BackendError, BackendErrorKind, Change, DnsBackend, RecordData, RecordType, Ttl, TxtValue,
};

/// Methods for callers of a [`DnsBackend`]. Every backend has them, including `dyn DnsBackend`; there is nothing to
/// implement.
///
/// ```
/// use fleetcert_dns::{DnsBackend, DnsBackendExt, MemoryBackend, Ttl};
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// let zone = "fleet.test".parse()?;
/// let backend: Box<dyn DnsBackend> = Box::new(MemoryBackend::new([&zone]));
/// let name = "_acme-challenge.xi8qz.fleet.test".parse()?;
/// let value = "gfj9Xq…Rg85nM".parse()?;
/// backend.add_txt(&zone, &name, &value, Ttl::CHALLENGE).await?;
/// assert!(backend.texts(&zone, &name).await?.contains(&value));
/// backend.remove_txt(&zone, &name, &value).await?;
/// assert!(backend.texts(&zone, &name).await?.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[async_trait]
pub trait DnsBackendExt: DnsBackend {
    /// Adds one TXT value; other values of the name stay.
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

    /// Removes one TXT value; other values of the name stay.
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

    /// Replaces all addresses of a name; an empty set removes them. TXT values of the name stay.
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

    /// Makes any number of changes, in order, in as many calls as the backend needs. Stops at the first part that
    /// fails. **Not atomic** as a whole.
    ///
    /// **Effect.** That of [`apply`](DnsBackend::apply) for each part. An empty list does nothing.
    /// **Idempotence.** The whole list can be repeated, even after an error.
    /// **Concurrency.** Other calls may run between two parts.
    /// **Cancellation.** Some parts may have taken effect and others not.
    ///
    /// # Errors
    /// The error of the part that failed. The parts before it took effect; later parts were not tried.
    async fn apply_in_parts(&self, zone: &DomainName, changes: &[Change]) -> Result<(), BackendError> {
        for part in self.capabilities().parts(changes) {
            self.apply(zone, part).await?;
        }
        Ok(())
    }

    /// Makes independent changes, as many per call as the backend accepts, and returns the outcome of each. A change
    /// that the server rejects does not affect others: if it may have caused the failure of its part, each change of
    /// the part is made in a separate call.
    ///
    /// **Effect.** Each change takes effect, or its error is returned. The outcomes cover all changes, in order.
    /// **Idempotence.** The whole list can be repeated.
    /// **Concurrency.** Other calls may run between two changes.
    /// **Cancellation.** Some changes may have taken effect and others not.
    async fn apply_each(&self, zone: &DomainName, changes: &[Change]) -> Vec<PartOutcome> {
        let mut outcomes = Vec::new();
        let mut start = 0;
        for part in self.capabilities().parts(changes) {
            let all = start..start + part.len();
            start = all.end;
            match self.apply(zone, part).await {
                Err(error) if part.len() > 1 && may_concern_one_change(error.kind()) => {
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

    /// Returns the TXT values of a name, as the server that accepts the changes has them; empty if there are none.
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

    /// Returns the A and AAAA records of a name, as the server that accepts the changes has them; empty if there are
    /// none. They are read in two calls, so a change may come in between.
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

/// The outcome of those changes of [`DnsBackendExt::apply_each`] that were made in one call.
#[derive(Debug)]
pub struct PartOutcome {
    /// Range of the changes in the list.
    pub changes: Range<usize>,
    /// Result of the backend.
    pub result: Result<(), BackendError>,
}

/// Returns whether one change alone may have caused the failure.
fn may_concern_one_change(kind: BackendErrorKind) -> bool {
    matches!(kind, BackendErrorKind::Refused | BackendErrorKind::NotInZone | BackendErrorKind::InvalidInput)
}

// The trait must stay usable as `dyn`.
const _: Option<&dyn DnsBackendExt> = None;

#[cfg(test)]
mod tests;
