//! The worker: claims orders that are due and drives each to where it can get.

use std::sync::Arc;
use std::time::Duration;

use fleetcert_acme::order::{Failure, FailureKind, Retry};
use fleetcert_acme::{AcmeErrorKind, Driver, DriverOptions, Fault, Job, Outcome, Step};
use fleetcert_names::HostName;
use fleetcert_store::Record;
use fleetcert_x509::VerifiedCsr;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::journal::{Last, OrderJournal};
use crate::records::{self, DEVICES, DeviceRecord, ORDERS, OrderRecord};
use crate::{DeviceState, Engine, EngineError, EngineErrorKind, Event};

/// A lease outlives the deadline of the work under it by so much, so that nobody takes over what still runs.
const SPARE: Duration = Duration::from_secs(60);
const PAUSED: &str = "the CA has paused the name for our account: the operator has to lift that at the CA";

impl Engine {
    pub(crate) async fn order_worker(&self, shutdown: &CancellationToken) {
        let most = self.parts().options.orders_in_flight.max(1);
        // Dropped with the worker, it ends the orders under way.
        let mut running = JoinSet::new();
        while !shutdown.is_cancelled() {
            let mut failed = None;
            match self.claim_orders(most.saturating_sub(running.len())).await {
                Ok(claimed) => {
                    for order in claimed {
                        let (engine, shutdown) = (self.clone(), shutdown.clone());
                        running.spawn(async move { engine.work_on(order, &shutdown).await });
                    }
                }
                Err(error) => failed = Some(error),
            }
            let rest = async {
                match &failed {
                    Some(error) => self.rest_after(error).await,
                    None => self.rest(self.order_work()).await,
                }
            };
            tokio::select! {
                Some(_) = running.join_next(), if failed.is_none() => {}
                () = rest, if running.len() < most => {}
                () = shutdown.cancelled() => {}
            }
        }
        while running.join_next().await.is_some() {}
    }

    async fn claim_orders(&self, free: usize) -> Result<Vec<Record>, EngineError> {
        if free == 0 {
            return Ok(Vec::new());
        }
        let now = self.now();
        Ok(self.parts().store.claim(ORDERS, now, now + self.order_lease(), free).await?)
    }

    fn order_lease(&self) -> Duration {
        self.parts().options.order_deadline + SPARE
    }

    /// One go at one order. Whatever comes of it is in the store afterwards.
    async fn work_on(&self, stored: Record, shutdown: &CancellationToken) {
        let worked = self.drive(&stored, shutdown).await;
        self.readable(worked);
    }

    async fn drive(&self, stored: &Record, shutdown: &CancellationToken) -> Result<(), EngineError> {
        let corrupt = |error: fleetcert_names::NameError| EngineError::new(EngineErrorKind::Corrupt, error);
        let name: HostName = stored.key.parse().map_err(corrupt)?;
        let mut record: OrderRecord = records::decode(stored)?;
        record.begin();
        let Some(device) = self.active_device(&record).await? else {
            let why = "the device is suspended".to_owned();
            return self.set_aside_order(&name, record, stored.version, why, None).await;
        };
        let options = &self.parts().options;
        // The gate took this request; if it would not any more, no order is spent on it.
        let csr = VerifiedCsr::parse(&record.csr_der()?, &options.csr_policy)
            .map_err(|refusal| EngineError::new(EngineErrorKind::CsrRefused, refusal));
        let csr = match csr {
            Ok(csr) => csr,
            Err(refusal) => {
                let why = refusal.to_string();
                return self.set_aside_order(&name, record, stored.version, why, Some(Retry::Operator)).await;
            }
        };
        let started = self.now();
        let state = record.state.clone();
        let lease = self.order_lease();
        let journal = OrderJournal::new(self.clone(), name.clone(), stored.version, device, record, lease);
        let job = Job { zone: &options.zone, csr: &csr, roots: options.roots.as_ref() };
        let observer = |step: &Step| {
            let Step::Refused { fault } = step else {
                return self.notify(&Event::Order { name: &name, step });
            };
            journal.note_fault(fault);
            self.notify(&Event::Order { name: &name, step: &Step::Refused { fault: to_be_told(fault) } });
        };
        let driver = self.driver();
        let driven = async {
            journal.take_up().await?;
            driver.drive(&job, state, &journal, &observer).await
        };
        let outcome = tokio::select! {
            outcome = driven => Some(outcome),
            () = shutdown.cancelled() => None,
        };
        let Last { record, version, held_up } = journal.into_last();
        if let Some(held_up) = held_up {
            return self.hold_order(&name, record, version, held_up).await;
        }
        let Some(outcome) = outcome else { return self.release_order(&name, &record, version).await };
        match outcome {
            Ok(Outcome::Issued { chain, .. }) => {
                self.note_order_time(self.now().duration_since(started).unwrap_or_default());
                self.store_certificate(&name, &record, version, &chain).await
            }
            Ok(Outcome::Failed { failure, .. } | Outcome::Suspended { failure, .. }) => {
                let Failure { kind, message, retry, .. } = failure;
                let message = match kind {
                    FailureKind::Ca(AcmeErrorKind::Paused) => PAUSED.to_owned(),
                    _ => message,
                };
                self.postpone_order(&name, record, version, message, Some(retry)).await
            }
            // Somebody else has the order now, or the device was suspended, or the store is away: its lease ends and
            // it is claimed again.
            Err(error) => Err(EngineError::new(EngineErrorKind::Unavailable, error)),
        }
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
            clock: Arc::clone(&parts.clock),
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
