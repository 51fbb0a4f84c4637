//! The zone writer: merges the changes of many callers into few calls of a backend.

mod options;
mod pace;
mod queue;
mod zone_loop;

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use fleetcert_ambient::Ambient;
use fleetcert_names::DomainName;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use parking_lot::Mutex;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::{
    Advice, BackendError, BackendErrorKind, Capabilities, Change, DnsBackend, Operation, RecordSet,
    RecordType,
};
use queue::Call;
use zone_loop::ZoneLoop;

pub use options::ZoneWriterOptions;

/// A backend on top of another one that merges the changes of its callers, zone by zone, into few calls.
///
/// Use it if many tasks change one zone: a server takes about as long for a hundred changes as for one. If nothing of
/// a zone is in flight, a call is sent at once; otherwise the writer gathers the calls that arrive meanwhile (like
/// Nagle's algorithm, RFC 896). A list of changes is never split, and the same change by several callers is sent
/// once.
///
/// **Driver.** [`new`](Self::new) returns the writer and its [`ZoneWriterDriver`], the future that does the work:
/// spawn it. After it is dropped, all calls fail with [`Unavailable`](BackendErrorKind::Unavailable).
///
/// **Results.** Each caller gets its own. If a batch fails for a reason that may concern one caller alone
/// (`InvalidInput`, `NotInZone`, `Conflict`, `Refused`, or `Quota` without a wait), its halves are sent separately,
/// and their halves, until only the calls at fault fail.
///
/// **Order.** Changes of one name are made in the order in which the calls were first polled, even with several
/// batches in flight.
///
/// **Pace.** After a failure of the server, the writer backs off and sends one batch at a time until one succeeds. If
/// the server asks for a longer wait than [`ZoneWriterOptions::max_backoff`], calls fail at once with its error and
/// the remaining wait.
///
/// **Cancellation.** A dropped call that still waits is never made; one in flight takes effect or not. Other calls are
/// not affected. A batch in flight runs to its end, but at most 5 seconds beyond its last caller.
///
/// **Panics.** If the backend panics, the calls of the batch fail with `Unavailable`, and the driver continues.
///
/// **Bounds.** At most [`ZoneWriterOptions::max_waiting`] changes wait for a zone, each with less than 4 KiB of
/// memory. A call above the limit fails at once with [`Quota`](BackendErrorKind::Quota).
///
/// ```
/// use fleetcert_ambient::Ambient;
/// use fleetcert_dns::{
///     DnsBackendExt, MemoryBackend, Ttl, ZoneWriter, ZoneWriterOptions,
/// };
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
/// # runtime.block_on(async {
/// let zone = "fleet.test".parse()?;
/// let backend = MemoryBackend::new([&zone]);
/// let options = ZoneWriterOptions::default();
/// let ambient = Ambient::system();
/// let (writer, driver) = ZoneWriter::new(backend.clone(), options, ambient);
/// tokio::spawn(driver);
///
/// let names = ["a.fleet.test".parse()?, "b.fleet.test".parse()?];
/// let value = "gfj9Xq…Rg85nM".parse()?;
/// let additions = names
///     .each_ref()
///     .map(|name| writer.add_txt(&zone, name, &value, Ttl::CHALLENGE));
/// futures_util::future::try_join_all(additions).await?;
/// assert_eq!(backend.record_sets(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct ZoneWriter<B> {
    backend: Arc<B>,
    max_waiting: usize,
    zones: Arc<ActiveZones>,
    starts: mpsc::UnboundedSender<(DomainName, mpsc::Receiver<Call>)>,
}

/// The future that does the work of a [`ZoneWriter`]. Dropping it abandons the calls in flight, and all waiting and
/// later calls fail.
pub type ZoneWriterDriver = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The zones with a loop in the driver, and the channel to each. A loop ends under this lock, so that no call is lost.
type ActiveZones = Mutex<BTreeMap<DomainName, mpsc::Sender<Call>>>;

impl<B: DnsBackend + 'static> ZoneWriter<B> {
    /// Returns a writer on top of `backend`, and the driver that does its work. The driver ends when the writer is
    /// dropped and nothing is in flight.
    pub fn new(backend: B, options: ZoneWriterOptions, ambient: Ambient) -> (Self, ZoneWriterDriver) {
        let (backend, zones) = (Arc::new(backend), Arc::<ActiveZones>::default());
        let (starts, mut started) = mpsc::unbounded_channel();
        let driver = {
            let (backend, zones) = (backend.clone(), Arc::downgrade(&zones));
            async move {
                let mut loops = FuturesUnordered::new();
                loop {
                    tokio::select! {
                        biased;
                        Some(()) = loops.next() => {}
                        Some((zone, calls)) = started.recv() => {
                            let zone = ZoneLoop { backend: &*backend, zone, options, ambient: &ambient };
                            loops.push(zone.run(calls, &zones));
                        }
                        else => return,
                    }
                }
            }
        };
        let max_waiting = options.max_waiting.clamp(1, Semaphore::MAX_PERMITS);
        (Self { backend, max_waiting, zones, starts }, Box::pin(driver))
    }

    /// Returns the underlying backend.
    pub fn backend(&self) -> &B {
        &self.backend
    }

    /// Returns the channel to the loop of the zone. Starts the loop if there is none.
    fn zone(&self, zone: &DomainName) -> mpsc::Sender<Call> {
        let mut zones = self.zones.lock();
        if let Some(known) = zones.get(zone) {
            return known.clone();
        }
        let (sender, calls) = mpsc::channel(self.max_waiting);
        zones.insert(zone.clone(), sender.clone());
        drop(zones);
        // Without a driver the receiver is dropped, and the caller finds the channel closed.
        let _ = self.starts.send((zone.clone(), calls));
        sender
    }

    fn send(&self, zone: &DomainName, call: Call) -> Result<(), BackendError> {
        let way = self.zone(zone);
        #[cfg(test)]
        tests::liveness::switch_point();
        way.try_send(call).map_err(|error| match error {
            TrySendError::Full(_) => queue::full(zone, self.max_waiting, self.max_waiting),
            TrySendError::Closed(_) => without_driver(zone),
        })
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<B: DnsBackend + 'static> DnsBackend for ZoneWriter<B> {
    async fn apply(&self, zone: &DomainName, changes: &[Change]) -> Result<(), BackendError> {
        // An invalid call must not make a batch fail.
        self.capabilities().check(zone, changes)?;
        if changes.is_empty() {
            return Ok(());
        }
        let (reply, result) = oneshot::channel();
        self.send(zone, Call { changes: changes.to_vec(), reply })?;
        result.await.unwrap_or_else(|_| Err(without_driver(zone)))
    }

    async fn read(
        &self,
        zone: &DomainName,
        name: &DomainName,
        record_type: RecordType,
    ) -> Result<Option<RecordSet>, BackendError> {
        self.backend.read(zone, name, record_type).await
    }

    fn capabilities(&self) -> Capabilities {
        self.backend.capabilities()
    }

    async fn advice(&self, zone: &DomainName) -> Result<Vec<Advice>, BackendError> {
        self.backend.advice(zone).await
    }
}

fn without_driver(zone: &DomainName) -> BackendError {
    let why = "the driver of the zone writer has ended; run it for as long as the writer is used";
    BackendError::new(BackendErrorKind::Unavailable, Operation::Apply, zone, why)
}

#[cfg(test)]
mod tests;
