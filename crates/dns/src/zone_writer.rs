//! The zone writer: many callers' changes as few calls.

mod batch;
mod lane;
mod options;
mod pace;
mod queue;

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use fleetcert_ambient::Clock;
use fleetcert_names::DomainName;

use crate::{Advice, BackendError, Capabilities, Change, DnsBackend, RecordSet, RecordType};
use lane::{Caller, Lane};

pub use options::ZoneWriterOptions;

/// A backend on top of another that gathers what its callers want changed, zone by zone, into few calls.
///
/// For whoever changes a zone from many tasks at once. A server takes about as long for a hundred changes as for
/// one, so the writer lets a call go at once when nothing of its zone is under way, and otherwise gathers what comes
/// meanwhile (as Nagle's algorithm does, RFC 896). A list of changes is never cut: with an atomic backend it is made as a
/// whole or not at all. The same change by several callers is sent once.
///
/// **Results.** Every caller gets its own. When the backend refuses a batch for a reason that may be one caller's
/// alone ([`InvalidInput`](crate::BackendErrorKind::InvalidInput), [`NotInZone`](BackendErrorKind::NotInZone),
/// [`Conflict`](crate::BackendErrorKind::Conflict), [`Refused`](BackendErrorKind::Refused), or
/// [`Quota`](crate::BackendErrorKind::Quota) without a time to wait), its halves are tried on their own, and their halves,
/// until only the guilty fail.
///
/// **Order.** Changes of one name are made in the order in which the calls were first polled, also when several
/// batches are under way.
///
/// **Pace.** After failures of the server the writer rests, and sends one batch at a time until one succeeds. While
/// a server wants to be left alone for longer than [`ZoneWriterOptions::longest_rest`], calls fail at once with the
/// server's error and the time that is left.
///
/// **Cancellation.** A dropped call that still waited is never made; one that is under way may be made or not. Others
/// are not touched: nothing is spawned, the waiting calls themselves drive the work of their zone, each of them can,
/// and a batch that is under way goes on as long as anybody waits for the zone.
///
/// **Bounds.** [`ZoneWriterOptions::max_waiting`] changes wait for a zone; more are refused with
/// [`Quota`](crate::BackendErrorKind::Quota) at once. A waiting change takes less than 4 KiB of memory.
///
/// ```
/// use std::sync::Arc;
///
/// use fleetcert_ambient::SystemClock;
/// use fleetcert_dns::{DnsBackendExt, MemoryBackend, Ttl, ZoneWriter, ZoneWriterOptions};
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
/// # runtime.block_on(async {
/// let zone = "fleet.test".parse()?;
/// let backend = MemoryBackend::new([&zone]);
/// let writer = ZoneWriter::new(backend.clone(), Arc::new(SystemClock), ZoneWriterOptions::default());
///
/// let (a, b) = ("_acme-challenge.a.fleet.test".parse()?, "_acme-challenge.b.fleet.test".parse()?);
/// let value = "gfj9Xq…Rg85nM".parse()?;
/// let additions = [&a, &b].map(|name| writer.add_txt(&zone, name, &value, Ttl::CHALLENGE));
/// futures_util::future::try_join_all(additions).await?;
/// assert_eq!(backend.record_sets(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
pub struct ZoneWriter<B> {
    parts: Arc<Parts<B>>,
    lanes: Mutex<BTreeMap<DomainName, Arc<Lane<B>>>>,
}

/// What all lanes use.
struct Parts<B> {
    backend: B,
    clock: Arc<dyn Clock>,
    options: ZoneWriterOptions,
}

/// From so many zones on, those that nobody waits for are forgotten.
const REMEMBERED_ZONES: usize = 64;

impl<B: DnsBackend + 'static> ZoneWriter<B> {
    /// A writer on top of `backend`. The clock measures rests and the time to gather.
    pub fn new(backend: B, clock: Arc<dyn Clock>, options: ZoneWriterOptions) -> Self {
        Self { parts: Arc::new(Parts { backend, clock, options }), lanes: Mutex::default() }
    }

    /// The backend below.
    pub fn backend(&self) -> &B {
        &self.parts.backend
    }

    /// A place in the queue of the zone.
    fn enter(&self, zone: &DomainName, changes: &[Change]) -> Result<Caller<B>, BackendError> {
        let mut lanes = self.lanes.lock();
        if !lanes.contains_key(zone) && lanes.len() >= REMEMBERED_ZONES {
            let now = self.parts.clock.now();
            lanes.retain(|_, lane| lane.is_needed(now));
        }
        let lane = lanes.entry(zone.clone()).or_insert_with(|| Lane::new(self.parts.clone(), zone.clone()));
        // Under the lock of the lanes, so that no lane is forgotten before its first caller is in it.
        Caller::enter(lane, changes)
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<B: DnsBackend + 'static> DnsBackend for ZoneWriter<B> {
    async fn apply(&self, zone: &DomainName, changes: &[Change]) -> Result<(), BackendError> {
        // What is wrong on the face of it must not spoil a batch.
        self.capabilities().check(zone, changes)?;
        if changes.is_empty() {
            return Ok(());
        }
        self.enter(zone, changes)?.await
    }

    async fn read(
        &self,
        zone: &DomainName,
        name: &DomainName,
        record_type: RecordType,
    ) -> Result<Option<RecordSet>, BackendError> {
        self.parts.backend.read(zone, name, record_type).await
    }

    fn capabilities(&self) -> Capabilities {
        self.parts.backend.capabilities()
    }

    async fn advice(&self, zone: &DomainName) -> Result<Vec<Advice>, BackendError> {
        self.parts.backend.advice(zone).await
    }
}

impl<B: fmt::Debug> fmt::Debug for ZoneWriter<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parts { backend, clock, options } = &*self.parts;
        f.debug_struct("ZoneWriter")
            .field("backend", backend)
            .field("clock", clock)
            .field("options", options)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
