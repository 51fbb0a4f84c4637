//! The order worker: starts attempts at the orders whose turn it is.

use std::sync::Arc;
use std::time::Duration;

use fleetcert_schedule::breaker::Admission;
use fleetcert_schedule::order_queue::pool_of;
use fleetcert_store::{Expect, Transaction};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Orders;
use super::attempt::Attempt;
use super::discovery::Discovery;
use super::waiting::Candidate;
use crate::records::{self, CERTIFICATES, CertificateRecord, ORDERS, OrderRecord, Stored};
use crate::{EngineError, EngineErrorKind, Event};

/// Back-off after a compare-and-set conflict: another node just wrote the order, and its lease is visible by then.
const CONFLICT_RETRY: Duration = Duration::from_millis(50);
/// Back-off of an order whose record cannot be decoded. It may be repaired.
const UNDECODABLE_RETRY: Duration = Duration::from_secs(3600);

/// The worker of one run.
#[derive(Debug)]
pub(super) struct OrderWorker {
    orders: Arc<Orders>,
    shutdown: CancellationToken,
    discovery: Discovery,
    /// Attempts in flight. Dropped with the worker, they end where they stand.
    in_flight: JoinSet<()>,
}

impl OrderWorker {
    pub(super) fn new(orders: Arc<Orders>, shutdown: CancellationToken) -> Self {
        Self { orders, shutdown, discovery: Discovery::default(), in_flight: JoinSet::new() }
    }

    pub(super) async fn run(&mut self) {
        let orders = Arc::clone(&self.orders);
        let context = &orders.context;
        let _open = orders.queue.open(&orders.options);
        while !self.shutdown.is_cancelled() {
            // Not cancelled in the middle: an order that was leased must be worked on.
            let failed = self.start_due().await.err();
            let rest = async {
                match &failed {
                    Some(error) => context.back_off(error).await,
                    None => context.wait_for(&orders.work).await,
                }
            };
            tokio::select! {
                Some(_) = self.in_flight.join_next(), if failed.is_none() => {}
                () = rest => {}
                () = self.shutdown.cancelled() => {}
            }
        }
        while self.in_flight.join_next().await.is_some() {}
    }

    /// Starts attempts at the orders whose turn it is, as many as there is room for.
    async fn start_due(&mut self) -> Result<(), EngineError> {
        let orders = Arc::clone(&self.orders);
        self.discovery.advance(&orders).await?;
        let most = orders.options.orders_in_flight.max(1);
        while self.in_flight.len() < most && !self.shutdown.is_cancelled() {
            let now = orders.context.now();
            let stopped_by_breaker = match orders.breakers.decide(now) {
                Admission::Stop { until } => Some(until),
                Admission::Go | Admission::Probe => None,
            };
            orders.queue.halt(stopped_by_breaker.max(orders.stopped_by_clock(now)));
            let Some(candidate) = orders.queue.next(now) else { break };
            let attempt = match self.admit(&candidate).await {
                // An order that cannot be decoded holds up no other.
                Err(error) if error.kind() == EngineErrorKind::Corrupt => {
                    orders.context.report(&error);
                    orders.queue.hold(&candidate.name, now + UNDECODABLE_RETRY);
                    continue;
                }
                admitted => admitted?,
            };
            let Some(attempt) = attempt else { continue };
            if !candidate.is_placed {
                orders.breakers.started(&candidate.name, now);
                orders.clock_watch.started();
            }
            let shutdown = self.shutdown.clone();
            self.in_flight.spawn(async move { attempt.run(&shutdown).await });
        }
        Ok(())
    }

    /// Leases the next order. Returns `None` if it cannot start now; then the queue knows why. The record is not
    /// written unless the order can start.
    async fn admit(&self, candidate: &Candidate) -> Result<Option<Attempt>, EngineError> {
        let orders = &self.orders;
        let (store, key) = (&*orders.context.store, &candidate.name);
        let Some(order) = Stored::<OrderRecord>::read(store, ORDERS, key).await? else {
            orders.queue.forget(key);
            return Ok(None);
        };
        let now = orders.context.now();
        match order.due {
            None => {
                orders.queue.forget(key);
                return Ok(None);
            }
            Some(due) if due > now || order.value.is_placed() != candidate.is_placed => {
                orders.enqueue(key, order.version, &order.value, due).await?;
                return Ok(None);
            }
            Some(_) => {}
        }
        let certificate = Stored::<CertificateRecord>::read(store, CERTIFICATES, key).await?;
        let before = certificate.as_ref().map(|certificate| &certificate.value);
        if !candidate.is_placed && !self.may_start(candidate, &order.value, before).await? {
            return Ok(None);
        }
        let due = Some(now + orders.lease());
        let expect = Expect::Version(order.version);
        let lease = Transaction::new().put(ORDERS, key, expect, records::encode(&order.value), due);
        match store.commit(lease).await {
            Ok(version) => {
                orders.queue.started(candidate);
                let order = Stored { version, due, ..order };
                Ok(Some(Attempt {
                    orders: Arc::clone(orders),
                    name: order.value.name().clone(),
                    order,
                    certificate,
                }))
            }
            Err(error) if error.is_conflict() => {
                orders.queue.hold(key, now + CONFLICT_RETRY);
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Returns whether the shared buckets seem to have a token for the order. The reservation decides.
    async fn may_start(
        &self,
        candidate: &Candidate,
        order: &OrderRecord,
        before: Option<&CertificateRecord>,
    ) -> Result<bool, EngineError> {
        let Orders { context, budgets, queue, .. } = &*self.orders;
        let now = context.now();
        let Some(charges) = budgets.holding_to_order(order.state.order(), before).await?.charges() else {
            return Ok(true);
        };
        let (lane, pool) = (order.lane(now), pool_of(&charges));
        if !queue.confirm(candidate, lane, pool) {
            return Ok(false);
        }
        let starting = queue.starting(pool);
        let Some(denial) = budgets.shared_denial(&charges, budgets.leave(lane), starting).await? else {
            return Ok(true);
        };
        if queue.close(candidate, &denial, starting, now) {
            context.notify(&Event::OrdersHeld { by: denial.denied.by(), until: denial.until });
        }
        Ok(false)
    }
}
