//! The engine: its parts, and its workers.

use parking_lot::Mutex;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fleetcert_acme::PacedAuthority;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::budgets::CaBudgets;
use crate::known_ca::pacer_for;
use crate::orders::{Breakers, ClockWatch, Waiting};
use crate::renewals::Planned;
use crate::requests::Requests;
use crate::{EngineError, EngineErrorKind, EngineParts, Event};

/// Takes what devices and operators want, and makes it real. Clones are the same engine.
#[derive(Clone, Debug)]
pub struct Engine {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    parts: EngineParts,
    budgets: CaBudgets,
    waiting: Waiting,
    breakers: Breakers,
    clock_watch: ClockWatch,
    requests: Requests,
    planned: Planned,
    zone_work: Notify,
    order_work: Notify,
    renewal_work: Notify,
    /// How long an order took of late, as a moving mean.
    mean_order_time: Mutex<Duration>,
}

/// Before the first order it is guessed that one takes so long.
const FIRST_GUESS: Duration = Duration::from_secs(2);
/// Each new order counts for one in so many.
const MEAN_OVER: u32 = 8;
/// After a failure of the store the workers rest, so that they do not fill its log.
const REST: Duration = Duration::from_secs(5);

impl Engine {
    /// An engine of these parts. Nothing runs yet: see [`run`](Self::run).
    pub fn new(mut parts: EngineParts) -> Self {
        let pacer = parts.options.pacer.clone();
        let pacer = pacer.unwrap_or_else(|| pacer_for(parts.authority.account_url()));
        let paced = PacedAuthority::new(parts.authority, pacer, Arc::clone(&parts.ambient.clock));
        parts.authority = Arc::new(paced);
        let clock_watch = ClockWatch::new(parts.options.clock_rule, parts.ambient.now());
        let requests = Requests::new(parts.options.requests_per_device, parts.ambient.entropy.as_ref());
        let planned = Planned::new(parts.options.unnoticed_renewals);
        let breakers = Breakers::new(parts.options.breaker);
        let budgets = CaBudgets::new(parts.options.limits.as_ref(), parts.authority.account_url());
        Self {
            shared: Arc::new(Shared {
                parts,
                budgets,
                waiting: Waiting::new(),
                breakers,
                clock_watch,
                requests,
                planned,
                zone_work: Notify::new(),
                order_work: Notify::new(),
                renewal_work: Notify::new(),
                mean_order_time: Mutex::new(FIRST_GUESS),
            }),
        }
    }

    /// Runs the workers until `shutdown`. Orders under way are left where they stand, their challenge records
    /// withdrawn or known to the store, and the next run goes on with them at once.
    ///
    /// **Cancellation.** Dropped, it is as if the process were killed: the next run goes on with the orders when
    /// their leases have ended, a minute after [`order_deadline`](EngineOptions::order_deadline).
    pub async fn run(&self, shutdown: CancellationToken) {
        self.clock_watch().begin(self.now());
        let workers = async {
            tokio::join!(self.zone_worker(), self.renewal_worker(), self.sweeper(), self.clock_watcher())
        };
        let until_shutdown = async {
            tokio::select! {
                _ = workers => {}
                () = shutdown.cancelled() => {}
            }
        };
        tokio::join!(until_shutdown, self.order_worker(&shutdown));
        self.sweep_orphans().await;
    }

    async fn zone_worker(&self) {
        if self.parts().options.republish_at_start {
            while self.is_away(self.republish_all().await).await {}
        }
        loop {
            match self.publish_addresses().await {
                Ok(true) => {}
                Ok(false) => self.rest(&self.shared.zone_work).await,
                Err(error) => self.rest_after(&error).await,
            }
        }
    }

    pub(crate) fn parts(&self) -> &EngineParts {
        &self.shared.parts
    }

    pub(crate) fn budgets(&self) -> &CaBudgets {
        &self.shared.budgets
    }

    pub(crate) fn waiting(&self) -> &Waiting {
        &self.shared.waiting
    }

    pub(crate) fn breakers(&self) -> &Breakers {
        &self.shared.breakers
    }

    pub(crate) fn requests(&self) -> &Requests {
        &self.shared.requests
    }

    pub(crate) fn planned(&self) -> &Planned {
        &self.shared.planned
    }

    pub(crate) fn clock_watch(&self) -> &ClockWatch {
        &self.shared.clock_watch
    }

    pub(crate) fn now(&self) -> SystemTime {
        self.parts().ambient.now()
    }

    pub(crate) fn random(&self) -> u64 {
        self.parts().ambient.random()
    }

    pub(crate) fn notify(&self, event: &Event<'_>) {
        self.parts().events.notify(event);
    }

    pub(crate) fn wake_zone_worker(&self) {
        self.shared.zone_work.notify_one();
    }

    pub(crate) fn wake_order_worker(&self) {
        self.shared.order_work.notify_one();
    }

    pub(crate) fn wake_renewal_worker(&self) {
        self.shared.renewal_work.notify_one();
    }

    pub(crate) fn order_work(&self) -> &Notify {
        &self.shared.order_work
    }

    pub(crate) fn renewal_work(&self) -> &Notify {
        &self.shared.renewal_work
    }

    /// Waits for work, or until it is time to look by oneself.
    pub(crate) async fn rest(&self, work: &Notify) {
        tokio::select! {
            () = work.notified() => {}
            () = self.parts().ambient.sleep(self.parts().options.idle) => {}
        }
    }

    /// Tells of a failure and waits.
    pub(crate) async fn rest_after(&self, error: &EngineError) {
        self.notify(&Event::StoreFailed { why: &error.to_string() });
        self.parts().ambient.sleep(REST).await;
    }

    /// Whether the store was away, told and after a rest: for what must be done once, before the work. What is damaged
    /// is told and holds nothing up.
    pub(crate) async fn is_away(&self, done: Result<(), EngineError>) -> bool {
        match done {
            Err(error) if error.kind() == EngineErrorKind::Unavailable => {
                self.rest_after(&error).await;
                true
            }
            done => {
                self.readable(done);
                false
            }
        }
    }

    /// The value, or `None` and an event: for what must not hold up the rest.
    pub(crate) fn readable<T>(&self, result: Result<T, EngineError>) -> Option<T> {
        result.inspect_err(|error| self.notify(&Event::StoreFailed { why: &error.to_string() })).ok()
    }

    pub(crate) fn mean_order_time(&self) -> Duration {
        *self.shared.mean_order_time.lock()
    }

    pub(crate) fn note_order_time(&self, took: Duration) {
        let mut mean = self.shared.mean_order_time.lock();
        *mean = (*mean * (MEAN_OVER - 1) + took) / MEAN_OVER;
    }
}
