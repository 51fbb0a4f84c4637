//! The trait of a DNS backend.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use fleetcert_names::DomainName;

use crate::{BackendError, Capabilities, Change, RecordSet, RecordType};

/// A service that can change the records of a zone: an RFC 2136 server, a provider's HTTP API, our own name server.
///
/// To write a backend, implement the three required methods and run [`conformance::check`](crate::conformance::check).
/// Callers also have [`DnsBackendExt`](crate::DnsBackendExt). `Arc`, `Box` and `&` of a backend are backends.
#[async_trait]
pub trait DnsBackend: Send + Sync + fmt::Debug {
    /// Makes the changes to the zone, in order.
    ///
    /// **Effect.** With the zone `fleet.test` holding `_acme-challenge.a TXT "1"`, the changes *add `"2"`* and
    /// *remove `"1"`* at that name leave `_acme-challenge.a TXT "2"`. An empty list does nothing.
    /// After `Ok`, the server that accepts the changes answers with them. Other servers of the zone may lag; ask
    /// [`Visibility`](crate::Visibility) about them.
    ///
    /// **Idempotence.** Repeating the same list changes nothing and returns `Ok`.
    ///
    /// **Concurrency.** Calls may run concurrently, even for the same name and from several processes. No call undoes
    /// a value that another one added. With [`Capabilities::atomic`], nobody sees a partial list.
    ///
    /// **Cancellation.** If the call is dropped, the changes take effect or not, or (without `atomic`) in part. To be
    /// sure, repeat the call.
    ///
    /// # Errors
    /// [`NotInZone`](crate::BackendErrorKind::NotInZone) if a name is outside `zone` or the backend does not have the
    /// zone; then nothing was changed. [`InvalidInput`](crate::BackendErrorKind::InvalidInput) for changes that
    /// [`capabilities`](Self::capabilities) exclude. With [`Capabilities::atomic`], no error leaves a partial change,
    /// except `Unavailable`, after which all or nothing took effect.
    ///
    /// # Example
    /// ```
    /// use fleetcert_dns::{
    ///     Change, DnsBackend, DnsBackendExt, MemoryBackend, Ttl, TxtValue,
    /// };
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    /// # runtime.block_on(async {
    /// let zone = "fleet.test".parse()?;
    /// let name: fleetcert_names::DomainName = "_acme-challenge.a.fleet.test".parse()?;
    /// let (one, two): (TxtValue, TxtValue) = ("1".parse()?, "2".parse()?);
    /// let backend = MemoryBackend::new([&zone]);
    /// backend.add_txt(&zone, &name, &one, Ttl::CHALLENGE).await?;
    ///
    /// let changes = [
    ///     Change::AddTxt {
    ///         name: name.clone(),
    ///         value: two.clone(),
    ///         ttl: Ttl::CHALLENGE,
    ///     },
    ///     Change::RemoveTxt { name: name.clone(), value: one },
    /// ];
    /// backend.apply(&zone, &changes).await?;
    /// assert_eq!(backend.texts(&zone, &name).await?, [two].into());
    /// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
    /// ```
    async fn apply(&self, zone: &DomainName, changes: &[Change]) -> Result<(), BackendError>;

    /// Returns the records of one type at one name, as the server that accepts the changes has them; `None` for none.
    ///
    /// **Effect.** None. With `a TXT "1" "2"` in the zone, reading `a TXT` returns both values, and reading `b TXT`
    /// returns `None`.
    ///
    /// **Idempotence.** The call can be repeated freely.
    ///
    /// **Concurrency.** The result is one consistent state. It contains what a call of [`apply`](Self::apply) changed
    /// before its `Ok`, in every instance and process.
    ///
    /// **Cancellation.** Dropping the call is safe.
    ///
    /// # Errors
    /// As for [`apply`](Self::apply). A name without records is not an error.
    ///
    /// # Example
    /// ```
    /// use fleetcert_dns::{DnsBackend, DnsBackendExt, MemoryBackend, RecordType, Ttl};
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    /// # runtime.block_on(async {
    /// let (zone, name) = ("fleet.test".parse()?, "a.fleet.test".parse()?);
    /// let backend = MemoryBackend::new([&zone]);
    /// assert_eq!(backend.read(&zone, &name, RecordType::Txt).await?, None);
    /// backend.add_txt(&zone, &name, &"1".parse()?, Ttl::CHALLENGE).await?;
    /// let set = backend.read(&zone, &name, RecordType::Txt).await?;
    /// let set = set.expect("it was added");
    /// assert_eq!((set.values.len(), set.ttl), (1, Ttl::CHALLENGE));
    /// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
    /// ```
    async fn read(
        &self,
        zone: &DomainName,
        name: &DomainName,
        record_type: RecordType,
    ) -> Result<Option<RecordSet>, BackendError>;

    /// Returns what this backend can do.
    ///
    /// **Effect.** None, and nothing is sent. The result is always the same.
    ///
    /// **Example.** See [`Capabilities`].
    fn capabilities(&self) -> Capabilities;

    /// Returns advice to the operator about the zone, such as a setting that makes changes slow. Called before a fleet
    /// starts, never while an order runs.
    ///
    /// **Effect.** None. The default returns no advice.
    ///
    /// **Idempotence.** The call can be repeated freely; the result follows the server's settings.
    ///
    /// **Concurrency.** The call may run beside any other one.
    ///
    /// **Cancellation.** Dropping the call is safe.
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    ///
    /// # Example
    /// ```
    /// use fleetcert_dns::{DnsBackend, MemoryBackend};
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    /// # runtime.block_on(async {
    /// let zone = "fleet.test".parse()?;
    /// for advice in MemoryBackend::new([&zone]).advice(&zone).await? {
    ///     println!("{} {}", advice.finding, advice.remedy);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
    /// ```
    async fn advice(&self, zone: &DomainName) -> Result<Vec<Advice>, BackendError> {
        let _ = zone;
        Ok(Vec::new())
    }
}

/// One piece of advice to the operator of a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// Finding, as a sentence.
    pub finding: String,
    /// Remedy, as a sentence.
    pub remedy: String,
}

macro_rules! forwarded {
    ($($pointer:ty),*) => {$(
        // A method that the trait gets later must not fall back to its default behind a pointer.
        #[deny(clippy::missing_trait_methods)]
        #[async_trait]
        impl<B: DnsBackend + ?Sized> DnsBackend for $pointer {
            async fn apply(&self, zone: &DomainName, changes: &[Change]) -> Result<(), BackendError> {
                (**self).apply(zone, changes).await
            }

            async fn read(
                &self,
                zone: &DomainName,
                name: &DomainName,
                record_type: RecordType,
            ) -> Result<Option<RecordSet>, BackendError> {
                (**self).read(zone, name, record_type).await
            }

            fn capabilities(&self) -> Capabilities {
                (**self).capabilities()
            }

            async fn advice(&self, zone: &DomainName) -> Result<Vec<Advice>, BackendError> {
                (**self).advice(zone).await
            }
        }
    )*};
}
forwarded!(Arc<B>, Box<B>, &B);

// The trait must stay usable as `dyn`.
const _: Option<&dyn DnsBackend> = None;

#[cfg(test)]
mod tests;
