//! What every service of the engine uses: the store, the events, time and randomness.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fleetcert_ambient::Ambient;
use fleetcert_store::Store;
use tokio::sync::Notify;

use crate::{EngineError, EngineErrorKind, Event, Events};

/// Back-off of a worker after a failure of the store, so that it does not fill the log.
const STORE_BACKOFF: Duration = Duration::from_secs(5);

/// The parts that every service takes. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct ServiceContext {
    pub store: Arc<dyn Store>,
    pub events: Arc<dyn Events>,
    pub ambient: Ambient,
    /// Interval at which a worker without work looks for some. See [`EngineOptions::idle`](crate::EngineOptions::idle).
    pub idle: Duration,
}

impl ServiceContext {
    pub(crate) fn now(&self) -> SystemTime {
        self.ambient.now()
    }

    pub(crate) fn random(&self) -> u64 {
        self.ambient.random()
    }

    pub(crate) fn notify(&self, event: &Event<'_>) {
        self.events.notify(event);
    }

    /// Reports a failure of the store as an event.
    pub(crate) fn report(&self, error: &EngineError) {
        self.notify(&Event::StoreFailed { why: &error.to_string() });
    }

    /// Returns the value, or reports the failure, which must not hold up anything else.
    pub(crate) fn ok_or_report<T>(&self, result: Result<T, EngineError>) -> Option<T> {
        result.inspect_err(|error| self.report(error)).ok()
    }

    /// Waits until `work` is signalled, or until the idle interval has passed.
    pub(crate) async fn wait_for(&self, work: &Notify) {
        tokio::select! {
            () = work.notified() => {}
            () = self.ambient.sleep(self.idle) => {}
        }
    }

    /// Reports a failure of the store and backs off.
    pub(crate) async fn back_off(&self, error: &EngineError) {
        self.report(error);
        self.ambient.sleep(STORE_BACKOFF).await;
    }

    /// Returns whether the store was unavailable, after a report and a back-off: for what must be done once before a
    /// worker begins. A damaged record is reported and does not count.
    pub(crate) async fn is_store_unavailable(&self, result: Result<(), EngineError>) -> bool {
        match result {
            Err(error) if error.kind() == EngineErrorKind::Unavailable => {
                self.back_off(&error).await;
                true
            }
            result => {
                self.ok_or_report(result);
                false
            }
        }
    }
}
