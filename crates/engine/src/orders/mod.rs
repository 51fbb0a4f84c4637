//! Orders: found, queued, leased, driven, settled.

mod attempt;
mod breakers;
mod clock_watch;
mod discovery;
mod ended;
mod journal;
mod turn;
mod waiting;
mod worker;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fleetcert_acme::Authority;
use fleetcert_dns::challenge::Challenges;
use fleetcert_names::HostName;
use fleetcert_schedule::order_queue::{Pool, Tenant, pool_of};
use fleetcert_store::{Expect, Transaction, Version};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::budgets::{CaBudgets, Change, Committed};
use crate::context::ServiceContext;
use crate::grant::sets_of;
use crate::records::{self, ORDERS, OrderRecord, Previous, Stored};
use crate::renewals::Renewals;
use crate::{EngineError, EngineErrorKind, EngineOptions, Event};

pub(crate) use breakers::{Breakers, Subject, Verdict};
use clock_watch::ClockWatch;
pub(crate) use turn::Turn;
use waiting::{Waiting, WaitingOrder};
use worker::OrderWorker;

/// The service that turns stored orders into certificates.
///
/// Orders wait in a queue in memory, which is a cache of the store. The worker leases the next one and makes an attempt
/// at it; the attempt's journal writes each step to the store.
#[derive(Debug)]
pub(crate) struct Orders {
    context: ServiceContext,
    options: Arc<EngineOptions>,
    authority: Arc<dyn Authority>,
    challenges: Challenges,
    budgets: CaBudgets,
    breakers: Arc<Breakers>,
    renewals: Arc<Renewals>,
    clock_watch: ClockWatch,
    queue: Waiting,
    work: Notify,
    /// Moving average of the time that an order takes.
    mean_order_time: Mutex<Duration>,
}

/// Initial estimate of the time that an order takes.
const INITIAL_ORDER_TIME: Duration = Duration::from_secs(2);
/// Weight of the newest sample in the moving average: one part in this many.
const AVERAGE_WEIGHT: u32 = 8;
/// Time by which a lease outlives the deadline of the attempt under it, so that no other worker takes over an order
/// that is still driven.
const LEASE_MARGIN: Duration = Duration::from_secs(60);
/// Attempts of a write that loses against other writes of the order.
const MAX_ATTEMPTS: usize = 8;

impl Orders {
    pub(crate) fn new(
        context: ServiceContext,
        options: Arc<EngineOptions>,
        authority: Arc<dyn Authority>,
        challenges: Challenges,
        breakers: Arc<Breakers>,
        renewals: Arc<Renewals>,
    ) -> Self {
        Self {
            budgets: CaBudgets::new(context.clone(), &options, authority.account_url()),
            clock_watch: ClockWatch::new(options.clock_rule, context.now()),
            context,
            options,
            authority,
            challenges,
            breakers,
            renewals,
            queue: Waiting::new(),
            work: Notify::new(),
            mean_order_time: Mutex::new(INITIAL_ORDER_TIME),
        }
    }

    /// Works on orders until `shutdown`.
    pub(crate) async fn run(self: &Arc<Self>, shutdown: &CancellationToken) {
        OrderWorker::new(Arc::clone(self), shutdown.clone()).run().await;
    }

    /// Watches the clock. Never returns.
    pub(crate) async fn watch_clock(&self) {
        self.clock_watch.run(&self.context.ambient).await;
    }

    /// Prepares the clock guard for a run: time that passed since the last run is no jump.
    pub(crate) fn begin_run(&self) {
        self.clock_watch.begin(self.context.now());
    }

    /// Resumes the orders of a name that the CA had paused.
    pub(crate) async fn unpause(&self, name: &HostName) -> Result<(), EngineError> {
        for _ in 0..MAX_ATTEMPTS {
            let Some(mut write) = self.budgets.unpausing(name).await? else { return Ok(()) };
            let now = self.context.now();
            let mut waiting = Vec::new();
            for set in sets_of(name) {
                let key = records::key_of(&set);
                let found = Stored::<OrderRecord>::read(&*self.context.store, ORDERS, &key).await?;
                // An order that does not wait is in flight.
                let is_waiting = |order: &OrderRecord| order.failure.is_some() || order.held_back.is_some();
                waiting.extend(found.filter(|order| is_waiting(&order.value)));
            }
            for order in &waiting {
                let expect = Expect::Version(order.version);
                write = write.put(ORDERS, &order.key, expect, records::encode(&order.value), Some(now));
            }
            match self.context.store.commit(write).await {
                Ok(version) => {
                    for order in waiting {
                        self.note(&order.key, version, &order.value, now).await;
                    }
                    self.work.notify_one();
                    return Ok(());
                }
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(EngineError::new(EngineErrorKind::Unavailable, "too many writes of the name at the same time"))
    }

    /// Takes note of an order that a device has just requested.
    pub(crate) async fn accepted(&self, key: &str, version: Version, order: &OrderRecord, due: SystemTime) {
        self.note(key, version, order, due).await;
        self.work.notify_one();
    }

    /// Takes note of an order that was just written.
    async fn note(&self, key: &str, version: Version, order: &OrderRecord, due: SystemTime) {
        // The order is written; at worst it is found later.
        self.context.ok_or_report(self.enqueue(key, version, order, due).await);
    }

    async fn enqueue(
        &self,
        key: &str,
        version: Version,
        order: &OrderRecord,
        due: SystemTime,
    ) -> Result<(), EngineError> {
        if self.queue.is_open() {
            let waiting = self.waiting_order(key, version, order, due).await?;
            self.queue.note(waiting, self.context.now());
        }
        Ok(())
    }

    /// Takes note of an order that was read.
    async fn found(&self, order: &Stored<OrderRecord>) -> Result<(), EngineError> {
        let Some(due) = order.due else { return Ok(()) };
        if !self.queue.knows(&order.key, order.version) {
            let waiting = self.waiting_order(&order.key, order.version, &order.value, due).await?;
            self.queue.found(waiting, self.context.now());
        }
        Ok(())
    }

    async fn waiting_order(
        &self,
        key: &str,
        version: Version,
        order: &OrderRecord,
        due: SystemTime,
    ) -> Result<WaitingOrder, EngineError> {
        let charges = self.budgets.likely_charges(order).await?;
        Ok(WaitingOrder {
            name: key.to_owned(),
            version,
            is_placed: order.is_placed(),
            lane: order.lane(self.context.now()),
            expiring_from: order.previous.as_ref().map(Previous::expiring_from),
            pool: charges.as_ref().map_or(Pool::default(), pool_of),
            tenant: Tenant(order.tenant),
            deadline: order.previous.as_ref().map_or(order.queued_at, |previous| previous.not_after),
            since: order.queued_at,
            due,
        })
    }

    /// Makes a write of an order and its change to the budgets in one transaction.
    async fn commit(&self, write: Transaction, change: &Change) -> Result<Committed, EngineError> {
        let committed = self.budgets.commit(write, change).await?;
        if matches!(committed, Committed::Written(_)) && change.gives_back() {
            self.queue.reopen_pools();
        }
        Ok(committed)
    }

    /// Makes a write of an order that reserves nothing.
    async fn commit_settling(&self, write: Transaction, change: &Change) -> Result<Version, EngineError> {
        match self.commit(write, change).await? {
            Committed::Written(version) => Ok(version),
            Committed::Denied { denied, .. } => Err(EngineError::new(EngineErrorKind::Unavailable, denied)),
        }
    }

    /// Returns until when the clock guard starts no new order, and notifies of a doubt that begins or ends.
    fn stopped_by_clock(&self, now: SystemTime) -> Option<SystemTime> {
        let (stop, doubt) = self.clock_watch.decide(now);
        match (doubt, stop) {
            (Some(true), Some(clock_watch::Stop { until, doubt: Some(why) })) => {
                // A clock that was set back would keep pools closed for that much longer.
                self.queue.reopen_pools();
                self.context.notify(&Event::ClockDoubted { why, until });
            }
            (Some(false), _) => self.context.notify(&Event::ClockBelieved),
            _ => {}
        }
        stop.map(|stop| stop.until)
    }

    fn lease(&self) -> Duration {
        self.options.order_deadline + LEASE_MARGIN
    }

    fn mean_order_time(&self) -> Duration {
        *self.mean_order_time.lock()
    }

    fn record_order_time(&self, took: Duration) {
        let mut mean = self.mean_order_time.lock();
        *mean = (*mean * (AVERAGE_WEIGHT - 1) + took) / AVERAGE_WEIGHT;
    }
}
