//! One attempt at an order.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use fleetcert_acme::order::{Failure, FailureKind, Retry};
use fleetcert_acme::{AcmeErrorKind, Driver, DriverOptions, Fault, Job, Outcome, Step};
use fleetcert_names::HostName;
use fleetcert_schedule::known_ca::KnownCa;
use fleetcert_x509::{CsrRefusal, VerifiedCsr};
use futures_util::FutureExt;
use tokio_util::sync::CancellationToken;

use super::Orders;
use super::breakers::{Subject, Verdict};
use super::ended::EndedAttempt;
use super::journal::{JournalEnd, OrderJournal};
use crate::grant::policy_for;
use crate::records::{CertificateRecord, DEVICES, DeviceRecord, OrderRecord, Stored};
use crate::{DeviceState, EngineError, EngineErrorKind, Event};

/// Code by which the device's owner finds the failure in the documentation.
const WRONG_CERTIFICATE: &str = "ca_returned_wrong_certificate";
const PAUSED: &str = "the CA has paused the name for our account; the operator must lift the pause at the CA";

/// An order that this process has leased.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) orders: Arc<Orders>,
    pub(super) name: HostName,
    pub(super) order: Stored<OrderRecord>,
    /// Certificate of the same identifiers when the attempt began.
    pub(super) certificate: Option<Stored<CertificateRecord>>,
}

impl Attempt {
    /// Drives the order as far as it gets. The result is in the store afterwards.
    pub(super) async fn run(self, shutdown: &CancellationToken) {
        let (orders, key) = (Arc::clone(&self.orders), self.order.key.clone());
        let mut guard = InFlightGuard { orders: &orders, key: &key, requeue: true };
        let verdict = match AssertUnwindSafe(self.drive(shutdown)).catch_unwind().await {
            Ok(driven) => orders.context.ok_or_report(driven),
            Err(panic) => {
                orders.context.notify(&Event::WorkPanicked { name: &key, why: panic_message(&*panic) });
                None
            }
        };
        // Without a verdict the lease expires by itself.
        guard.requeue = verdict.is_none();
        orders.breakers.record_outcome(Subject::Name(&key), &verdict.unwrap_or(Verdict::NOTHING));
    }

    async fn drive(mut self, shutdown: &CancellationToken) -> Result<Verdict, EngineError> {
        let orders = Arc::clone(&self.orders);
        let Orders { context, options, .. } = &*orders;
        self.order.value.begin();
        let Some(device) = self.active_device().await? else {
            self.ended().set_aside("the device is suspended".to_owned(), None).await?;
            return Ok(Verdict::NOTHING);
        };
        let csr = match self.csr()? {
            Ok(csr) => csr,
            Err(refusal) => {
                // A list of blocked keys that was unavailable may be back soon.
                let retry = if refusal.is_temporary() { Retry::Backoff } else { Retry::Operator };
                let why = EngineError::refused(refusal.code().as_str(), refusal.clone()).to_string();
                self.order.value.failure_code = Some(refusal.code().to_string());
                self.ended().set_aside(why, Some(retry)).await?;
                return Ok(Verdict::NOTHING);
            }
        };
        let started = context.now();
        let state = self.order.value.state.clone();
        let Self { name, order, certificate, .. } = self;
        let key = order.key.clone();
        let before = certificate.as_ref().map(|certificate| certificate.value.clone());
        let journal = OrderJournal::new(Arc::clone(&orders), order, device, before, orders.lease());
        let lifetime = options.lifetime.or_else(|| {
            KnownCa::of(orders.authority.account_url())?.lifetime(options.profile.as_deref(), started)
        });
        let job = Job { zone: &options.zone, csr: &csr, roots: options.roots.as_ref(), lifetime };
        let observer = |step: &Step| match step {
            Step::Refused { fault } => {
                let step = &Step::Refused { fault: without_pause_link(fault) };
                context.notify(&Event::Order { name: &name, step });
            }
            _ => context.notify(&Event::Order { name: &name, step }),
        };
        let driver = Driver {
            authority: Arc::clone(&orders.authority),
            challenges: orders.challenges.clone(),
            ambient: context.ambient.clone(),
            options: DriverOptions { patience: options.order_deadline, ..DriverOptions::default() },
        };
        let driven = async {
            journal.resume().await?;
            driver.drive(&job, state, &journal, &observer).await
        };
        let outcome = tokio::select! {
            outcome = driven => Some(outcome),
            () = shutdown.cancelled() => None,
            // The driver has a shorter deadline; this is for a call that hangs.
            () = context.ambient.sleep(orders.lease()) => None,
        };
        let JournalEnd { order, version, held_up } = journal.into_end();
        let mut ended = EndedAttempt { orders: &orders, name: &name, key, order, version, certificate };
        if let Some(held_up) = held_up {
            ended.hold(held_up).await?;
            return Ok(Verdict::NOTHING);
        }
        let Some(outcome) = outcome else {
            ended.release().await?;
            return Ok(Verdict::NOTHING);
        };
        match outcome {
            Ok(Outcome::Issued { chain, .. }) => {
                orders.record_order_time(context.now().duration_since(started).unwrap_or_default());
                ended.store_certificate(&chain).await?;
                Ok(Verdict::ISSUED)
            }
            Ok(Outcome::Failed { failure, fault, .. } | Outcome::Suspended { failure, fault, .. }) => {
                let Failure { kind, message, retry, .. } = failure;
                let message = match kind {
                    FailureKind::Ca(AcmeErrorKind::Paused) => PAUSED.to_owned(),
                    _ => message,
                };
                if kind == FailureKind::WrongCertificate {
                    context.notify(&Event::WrongCertificate { name: &name, why: &message });
                    ended.order.failure_code = Some(WRONG_CERTIFICATE.to_owned());
                }
                ended.postpone(message, Some(retry)).await?;
                Ok(Verdict::of(kind, fault.as_ref()))
            }
            // Another worker has the order now, or the device was suspended, or the store is unavailable. The lease
            // expires and the order is leased again.
            Err(error) => Err(EngineError::new(EngineErrorKind::Unavailable, error)),
        }
    }

    /// Ends the attempt before the first request to the CA.
    fn ended(&mut self) -> EndedAttempt<'_> {
        EndedAttempt {
            orders: &self.orders,
            name: &self.name,
            key: self.order.key.clone(),
            order: self.order.value.clone(),
            version: self.order.version,
            certificate: self.certificate.take(),
        }
    }

    /// Returns the CSR, which passed the gate when it was stored. No order is placed for one that would not pass now, or
    /// that was changed in the store.
    fn csr(&self) -> Result<Result<VerifiedCsr, CsrRefusal>, EngineError> {
        let checked = self.order.value.checked_sha256()?;
        let identifiers = &self.order.value.state.order().identifiers;
        let policy = policy_for(&self.orders.options.csr_policy, &self.name, identifiers);
        let csr = VerifiedCsr::parse(&self.order.value.csr_der()?, &policy);
        Ok(csr.and_then(|csr| csr.require_sha256(&checked).map(|()| csr)))
    }

    /// Returns the device that the order is for, if it is active.
    async fn active_device(&self) -> Result<Option<Stored<DeviceRecord>>, EngineError> {
        let id = self.order.value.device.as_str();
        let found = Stored::<DeviceRecord>::read(&*self.orders.context.store, DEVICES, id).await?;
        Ok(found.filter(|device| device.value.state == DeviceState::Active))
    }
}

/// Tells the queue when the attempt has ended, however it ends.
struct InFlightGuard<'a> {
    orders: &'a Orders,
    key: &'a str,
    /// The attempt wrote nothing that says when the order is due.
    requeue: bool,
}

impl Drop for InFlightGuard<'_> {
    fn drop(&mut self) {
        let now = self.orders.context.now();
        let come_back = self.requeue.then(|| now + self.orders.lease());
        self.orders.queue.ended(self.key, come_back, now);
    }
}

/// Returns the text of a panic.
fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref().map(String::as_str)).unwrap_or("it did not say why")
}

/// The CA's text about a pause has a link that lifts it: only [`Event::NamePaused`] carries that.
fn without_pause_link(fault: &Fault) -> Fault {
    match fault.kind {
        AcmeErrorKind::Paused => Fault { problem: None, detail: PAUSED.to_owned(), ..fault.clone() },
        _ => fault.clone(),
    }
}
