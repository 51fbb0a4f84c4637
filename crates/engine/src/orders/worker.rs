//! The worker: takes orders whose turn it is and drives each to where it can get.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fleetcert_acme::order::{Failure, FailureKind, Retry};
use fleetcert_acme::{AcmeErrorKind, Driver, DriverOptions, Fault, Job, Outcome, Step};
use fleetcert_names::HostName;
use fleetcert_schedule::breaker::Admission;
use fleetcert_store::Record;
use fleetcert_x509::{CsrRefusal, VerifiedCsr};
use futures_util::FutureExt;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::breakers::Verdict;
use super::journal::{Last, OrderJournal};
use crate::known_ca::KnownCa;
use crate::records::{self, DEVICES, DeviceRecord, OrderRecord};
use crate::{DeviceState, Engine, EngineError, EngineErrorKind, Event};

/// A lease outlives the deadline of the work under it by so much, so that nobody takes over what still runs.
const SPARE: Duration = Duration::from_secs(60);
/// What nobody can read may be mended.
const UNREADABLE: Duration = Duration::from_secs(3600);
/// The code by which the device's owner finds it in the documentation.
const WRONG_CERTIFICATE: &str = "ca_returned_wrong_certificate";
const PAUSED: &str = "the CA has paused the name for our account: the operator has to lift that at the CA";

/// How far the process has got with looking for orders.
#[derive(Debug, Default)]
struct Look {
    /// The first time all are read at once.
    has_all: bool,
    after: Option<String>,
    last: Option<SystemTime>,
}

impl Look {
    async fn on(&mut self, engine: &Engine) -> Result<(), EngineError> {
        let now = engine.now();
        let every = engine.parts().options.look_for_orders;
        let since = self.last.map(|last| now.duration_since(last).unwrap_or(every));
        if self.has_all && since.is_some_and(|since| since < every) {
            return Ok(());
        }
        loop {
            self.after = engine.look_for_orders(self.after.as_deref()).await?;
            self.last = Some(now);
            self.has_all |= self.after.is_none();
            if self.has_all {
                return Ok(());
            }
        }
    }
}

/// An order that is worked on here. However that ends, the queue hears of it, and nothing else stands still.
struct UnderWay<'a> {
    engine: &'a Engine,
    name: &'a str,
    /// The store says nothing of when it is looked at again.
    comes_back: bool,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let now = self.engine.now();
        let come_back = self.comes_back.then(|| now + self.engine.order_lease());
        self.engine.waiting().ended(self.name, come_back, now);
    }
}

/// The text of a panic.
fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref().map(String::as_str)).unwrap_or("it did not say why")
}

impl Engine {
    pub(crate) async fn order_worker(&self, shutdown: &CancellationToken) {
        let most = self.parts().options.orders_in_flight.max(1);
        let _open = self.waiting().open(&self.parts().options);
        // Dropped with the worker, it ends the orders under way.
        let mut running = JoinSet::new();
        let mut look = Look::default();
        while !shutdown.is_cancelled() {
            let worked = async {
                look.on(self).await?;
                self.start_orders(&mut running, most, shutdown).await
            };
            // Not cut short: what it has taken it must work on.
            let failed = worked.await.err();
            let rest = async {
                match &failed {
                    Some(error) => self.rest_after(error).await,
                    None => self.rest(self.order_work()).await,
                }
            };
            tokio::select! {
                Some(_) = running.join_next(), if failed.is_none() => {}
                () = rest => {}
                () = shutdown.cancelled() => {}
            }
        }
        while running.join_next().await.is_some() {}
    }

    /// Starts those whose turn it is, as many as there is room for.
    async fn start_orders(
        &self,
        running: &mut JoinSet<()>,
        most: usize,
        shutdown: &CancellationToken,
    ) -> Result<(), EngineError> {
        while running.len() < most && !shutdown.is_cancelled() {
            let now = self.now();
            let broken_until = match self.breakers().decide(now) {
                Admission::Stop { until } => Some(until),
                Admission::Go | Admission::Probe => None,
            };
            self.waiting().halt(broken_until.max(self.clock_stops(now)));
            let Some(candidate) = self.waiting().next(now) else { break };
            let order = match self.admit(&candidate).await {
                // One that cannot be read keeps no other waiting.
                Err(error) if error.kind() == EngineErrorKind::Corrupt => {
                    self.notify(&Event::StoreFailed { why: &error.to_string() });
                    self.waiting().hold(&candidate.name, now + UNREADABLE);
                    continue;
                }
                admitted => admitted?,
            };
            let Some(order) = order else { continue };
            if !candidate.is_placed {
                self.breakers().started(&candidate.name, now);
                self.clock_watch().started();
            }
            let (engine, shutdown) = (self.clone(), shutdown.clone());
            running.spawn(async move { engine.work_on(order, &shutdown).await });
        }
        Ok(())
    }

    pub(super) fn order_lease(&self) -> Duration {
        self.parts().options.order_deadline + SPARE
    }

    /// One go at one order. Whatever comes of it is in the store afterwards.
    async fn work_on(&self, stored: Record, shutdown: &CancellationToken) {
        let mut under_way = UnderWay { engine: self, name: &stored.key, comes_back: true };
        let verdict = match AssertUnwindSafe(self.drive(&stored, shutdown)).catch_unwind().await {
            Ok(worked) => self.readable(worked),
            Err(panic) => {
                self.notify(&Event::WorkPanicked { name: &stored.key, why: said(&*panic) });
                None
            }
        };
        // Without one, its lease ends by itself.
        under_way.comes_back = verdict.is_none();
        self.heard(&stored.key, &verdict.unwrap_or(Verdict::NOTHING));
    }

    async fn drive(&self, stored: &Record, shutdown: &CancellationToken) -> Result<Verdict, EngineError> {
        let corrupt = |error: fleetcert_names::NameError| EngineError::new(EngineErrorKind::Corrupt, error);
        let name: HostName = stored.key.parse().map_err(corrupt)?;
        let mut record: OrderRecord = records::decode(stored)?;
        record.begin();
        let Some(device) = self.active_device(&record).await? else {
            let why = "the device is suspended".to_owned();
            self.set_aside_order(&name, record, stored.version, why, None).await?;
            return Ok(Verdict::NOTHING);
        };
        let options = &self.parts().options;
        let csr = match self.checked_again(&record)? {
            Ok(csr) => csr,
            Err(refusal) => {
                // A list of blocked keys that was away may be there soon.
                let retry = if refusal.is_temporary() { Retry::Backoff } else { Retry::Operator };
                let why = EngineError::refused(refusal.code().as_str(), refusal.clone()).to_string();
                record.failure_code = Some(refusal.code().to_string());
                self.set_aside_order(&name, record, stored.version, why, Some(retry)).await?;
                return Ok(Verdict::NOTHING);
            }
        };
        let started = self.now();
        let state = record.state.clone();
        let lease = self.order_lease();
        let journal = OrderJournal::new(self.clone(), name.clone(), stored.version, device, record, lease);
        let lifetime = options.lifetime.or_else(|| {
            KnownCa::of(self.parts().authority.account_url())?.lifetime(options.profile.as_deref(), started)
        });
        let job = Job { zone: &options.zone, csr: &csr, roots: options.roots.as_ref(), lifetime };
        let observer = |step: &Step| match step {
            Step::Refused { fault } => {
                self.notify(&Event::Order { name: &name, step: &Step::Refused { fault: to_be_told(fault) } });
            }
            _ => self.notify(&Event::Order { name: &name, step }),
        };
        let driver = self.driver();
        let driven = async {
            journal.take_up().await?;
            driver.drive(&job, state, &journal, &observer).await
        };
        let outcome = tokio::select! {
            outcome = driven => Some(outcome),
            () = shutdown.cancelled() => None,
            // The driver ends before, if nothing that it calls hangs.
            () = self.parts().ambient.clock.sleep(lease) => None,
        };
        let Last { mut record, version, held_up } = journal.into_last();
        if let Some(held_up) = held_up {
            self.hold_order(&name, record, version, held_up).await?;
            return Ok(Verdict::NOTHING);
        }
        let Some(outcome) = outcome else {
            self.release_order(&name, &record, version).await?;
            return Ok(Verdict::NOTHING);
        };
        match outcome {
            Ok(Outcome::Issued { chain, .. }) => {
                self.note_order_time(self.now().duration_since(started).unwrap_or_default());
                self.store_certificate(&name, &record, version, &chain).await?;
                Ok(Verdict::ISSUED)
            }
            Ok(Outcome::Failed { failure, fault, .. } | Outcome::Suspended { failure, fault, .. }) => {
                let Failure { kind, message, retry, .. } = failure;
                let message = match kind {
                    FailureKind::Ca(AcmeErrorKind::Paused) => PAUSED.to_owned(),
                    _ => message,
                };
                if kind == FailureKind::WrongCertificate {
                    self.notify(&Event::WrongCertificate { name: &name, why: &message });
                    record.failure_code = Some(WRONG_CERTIFICATE.to_owned());
                }
                self.postpone_order(&name, record, version, message, Some(retry)).await?;
                Ok(Verdict::of(kind, fault.as_ref()))
            }
            // Somebody else has the order now, or the device was suspended, or the store is away: its lease ends and
            // it is claimed again.
            Err(error) => Err(EngineError::new(EngineErrorKind::Unavailable, error)),
        }
    }

    /// The gate took this request. If it would not any more, or the store has something else in its place, no order is
    /// spent on it.
    fn checked_again(&self, record: &OrderRecord) -> Result<Result<VerifiedCsr, CsrRefusal>, EngineError> {
        let checked = record.checked_sha256()?;
        let csr = VerifiedCsr::parse(&record.csr_der()?, &self.parts().options.csr_policy);
        Ok(csr.and_then(|csr| csr.require_sha256(&checked).map(|()| csr)))
    }

    /// The device that the order is for, as its record stands; `None` when it may have nothing now.
    async fn active_device(&self, order: &OrderRecord) -> Result<Option<Record>, EngineError> {
        let Some(found) = self.parts().store.read(DEVICES, order.device.as_str()).await? else {
            return Ok(None);
        };
        let record: DeviceRecord = records::decode(&found)?;
        Ok((record.state == DeviceState::Active).then_some(found))
    }

    fn driver(&self) -> Driver {
        let parts = self.parts();
        Driver {
            authority: Arc::clone(&parts.authority),
            challenges: parts.challenges.clone(),
            clock: Arc::clone(&parts.ambient.clock),
            options: DriverOptions { patience: parts.options.order_deadline, ..DriverOptions::default() },
        }
    }
}

/// What the CA says of a pause lets whoever reads it lift it: that is for the event that says so alone.
fn to_be_told(fault: &Fault) -> Fault {
    match fault.kind {
        AcmeErrorKind::Paused => Fault { problem: None, detail: PAUSED.to_owned(), ..fault.clone() },
        _ => fault.clone(),
    }
}
