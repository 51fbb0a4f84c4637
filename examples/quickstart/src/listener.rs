//! Hears the engine's events and hands each journey what is about its name.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use fleetcert_engine::{Event, Events, OrderStep};
use fleetcert_names::HostName;
use tokio::sync::mpsc;

/// What a journey learns about its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    Placed(String),
    Seen(String),
    Answered,
    Validated,
    Finalized,
    Issued { replaces: Option<String> },
    Failed(String),
    Window { start: SystemTime, end: SystemTime },
}

/// A change of the zone that failed.
#[derive(Clone, Debug)]
pub struct ZoneFault {
    pub why: String,
    /// Whether waiting may mend it.
    pub passes: bool,
}

/// The listener. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct Listener {
    journeys: Arc<Mutex<HashMap<HostName, mpsc::Sender<Told>>>>,
    issued: Arc<AtomicU64>,
    zone_fault: Arc<Mutex<Option<ZoneFault>>>,
}

/// An order has about ten steps; who does not read loses the rest.
const KEPT: usize = 256;

impl Listener {
    /// Everything about `name` from now on.
    pub fn about(&self, name: &HostName) -> mpsc::Receiver<Told> {
        let (sender, receiver) = mpsc::channel(KEPT);
        self.journeys.lock().insert(name.clone(), sender);
        receiver
    }

    /// Every name that there is.
    pub fn names(&self) -> Vec<HostName> {
        self.journeys.lock().keys().cloned().collect()
    }

    /// How many certificates were issued.
    pub fn issued(&self) -> u64 {
        self.issued.load(Ordering::Relaxed)
    }

    /// Why the zone was not changed as it should have been, the last time that it was not.
    pub fn zone_fault(&self) -> Option<ZoneFault> {
        self.zone_fault.lock().clone()
    }

    fn tell(&self, name: &HostName, told: Told) {
        if let Some(journey) = self.journeys.lock().get(name) {
            let _ = journey.try_send(told);
        }
    }
}

impl Events for Listener {
    fn notify(&self, event: &Event<'_>) {
        tracing::debug!(?event);
        match event {
            Event::Order { name, step } => {
                let told = match step {
                    OrderStep::Placed { url, .. } => Told::Placed(url.clone()),
                    OrderStep::Seen { sightings } => {
                        Told::Seen(sightings.first().map(ToString::to_string).unwrap_or_default())
                    }
                    OrderStep::Answered { .. } => Told::Answered,
                    OrderStep::Validated => Told::Validated,
                    OrderStep::Finalized => Told::Finalized,
                    _ => return,
                };
                self.tell(name, told);
            }
            Event::Issued { name, replaces } => {
                self.issued.fetch_add(1, Ordering::Relaxed);
                self.tell(name, Told::Issued { replaces: replaces.map(str::to_owned) });
            }
            Event::ZoneFailed { error, .. } => {
                let fault = ZoneFault { why: error.to_string(), passes: error.retry_after().is_some() };
                *self.zone_fault.lock() = Some(fault);
            }
            Event::OrderFailed { name, why, .. } => self.tell(name, Told::Failed((*why).to_owned())),
            Event::RenewalWindow { name, window, .. } => {
                self.tell(name, Told::Window { start: window.start(), end: window.end() });
            }
            _ => {}
        }
    }
}
