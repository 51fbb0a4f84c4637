//! The trait of a backend.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use fleetcert_names::DomainName;

use crate::{BackendError, Capabilities, Change, RecordSet, RecordType};

/// What can change the records of a zone: an RFC 2136 server, a provider's HTTP API, our own name server.
///
/// Implementers write these three methods and run [`conformance::check`](crate::conformance::check). Callers have
/// [`DnsBackendExt`](crate::DnsBackendExt) on top. `Arc`, `Box` and `&` of a backend are backends.
#[async_trait]
pub trait DnsBackend: Send + Sync + fmt::Debug {
    /// Makes the changes to the zone, in their order.
    ///
    /// **Effect.** With the zone `fleet.test` holding `_acme-challenge.a TXT "1"`, the changes *add `"2"`* and
    /// *remove `"1"`* at that name leave `_acme-challenge.a TXT "2"`. An empty list does nothing.
    /// After `Ok` the server that takes the changes answers with them. Other servers of the zone may lag:
    /// that is for [`Visibility`](crate::Visibility) to say.
    ///
    /// **Idempotence.** The same list again changes nothing and is `Ok`.
    ///
    /// **Concurrency.** Calls may run side by side, for the same name too, and from several processes. No call undoes
    /// a value that another added. With [`Capabilities::atomic`] nobody sees a list half done.
    ///
    /// **Cancellation.** A dropped call has been made, or has not, or (without `atomic`) in part. Callers that
    /// must know repeat it.
    ///
    /// # Errors
    /// [`NotInZone`](crate::BackendErrorKind::NotInZone) when a name is outside `zone` or the backend does not
    /// have the zone; then nothing was changed. [`InvalidInput`](crate::BackendErrorKind::InvalidInput) for what
    /// [`capabilities`](Self::capabilities) rule out. With [`Capabilities::atomic`] no error leaves a part behind,
    /// except `Unavailable`, after which all or nothing was done.
    ///
    /// # Example
    /// ```
    /// use fleetcert_dns::{Change, DnsBackend, DnsBackendExt, MemoryBackend, Ttl, TxtValue};
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    /// # runtime.block_on(async {
    /// let (zone, name) = ("fleet.test".parse()?, "_acme-challenge.a.fleet.test".parse()?);
    /// let (one, two): (TxtValue, TxtValue) = ("1".parse()?, "2".parse()?);
    /// let backend = MemoryBackend::new([&zone]);
    /// backend.add_txt(&zone, &name, &one, Ttl::CHALLENGE).await?;
    ///
    /// let changes = [
    ///     Change::AddTxt { name: name.clone(), value: two.clone(), ttl: Ttl::CHALLENGE },
    ///     Change::RemoveTxt { name: name.clone(), value: one },
    /// ];
    /// backend.apply(&zone, &changes).await?;
    /// assert_eq!(backend.texts(&zone, &name).await?, [two].into());
    /// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
    /// ```
    async fn apply(&self, zone: &DomainName, changes: &[Change]) -> Result<(), BackendError>;

    /// The records of one type at one name, as the server that takes the changes has them; `None` for none.
    ///
    /// **Effect.** None. With `a TXT "1" "2"` in the zone, reading `a TXT` gives both values, and reading `b TXT`
    /// gives `None`.
    ///
    /// **Idempotence.** It can be repeated at will.
    ///
    /// **Concurrency.** It gives what was there at one moment. What a call of [`apply`](Self::apply) changed before
    /// its `Ok` is seen, whichever instance or process made that call.
    ///
    /// **Cancellation.** Dropping it is safe.
    ///
    /// # Errors
    /// As for [`apply`](Self::apply). A name without records is no error.
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
    /// let set = backend.read(&zone, &name, RecordType::Txt).await?.expect("it was added");
    /// assert_eq!((set.values.len(), set.ttl), (1, Ttl::CHALLENGE));
    /// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
    /// ```
    async fn read(
        &self,
        zone: &DomainName,
        name: &DomainName,
        record_type: RecordType,
    ) -> Result<Option<RecordSet>, BackendError>;

    /// What this backend can do.
    ///
    /// **Effect.** None, and nothing is sent. The answer is the same each time.
    ///
    /// **Example.** See [`Capabilities`].
    fn capabilities(&self) -> Capabilities;

    /// What an operator should know about how the zone is kept, such as a setting that makes changes slow. Asked
    /// before a fleet starts, never on the way of an order.
    ///
    /// **Effect.** None. A backend that has nothing to say keeps this method as it is.
    ///
    /// **Idempotence.** It can be repeated at will; the answer may change as the server's settings do.
    ///
    /// **Concurrency.** It may run beside any other call.
    ///
    /// **Cancellation.** Dropping it is safe.
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

/// One thing about a zone that an operator should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// What was found, as a sentence.
    pub finding: String,
    /// What to do about it, as a sentence.
    pub remedy: String,
}

macro_rules! forwarded {
    ($($pointer:ty),*) => {$(
        // A method that the contract gets later must not fall back to its default behind a pointer.
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
