//! The end of an attempt: what is written of the order.

use std::time::{Duration, SystemTime};

use fleetcert_acme::order::Retry;
use fleetcert_names::{HostName, IdentifierSet};
use fleetcert_schedule::budget::{Denied, DeniedBy};
use fleetcert_schedule::retry_delay;
use fleetcert_store::{Expect, Transaction, Version};
use fleetcert_x509::Chain;

use super::Orders;
use super::journal::{HeldUp, with_leftovers};
use crate::budgets::{Change, describe_denial, on_pause, on_setting_aside};
use crate::context::ServiceContext;
use crate::records::{
    self, CERTIFICATES, CertificateRecord, HeldBack, ORDERS, OrderRecord, Stored, ignore_conflict, unchanged,
};
use crate::{EngineError, EngineErrorKind, Event};

/// Retry interval of a failure that only a person can repair.
const OPERATOR_INTERVAL: Duration = Duration::from_secs(24 * 3600);
/// Back-off of an order that another node took the last token from. By then the queue has seen that there is none.
const LOST_TOKEN_RETRY: Duration = Duration::from_secs(1);
/// Minimum times of issuance that are kept, for the limit of a name.
const MIN_KEPT_ISSUANCES: usize = 16;
/// Attempts of the write of a certificate. The renewal service may write its record at the same time.
const MAX_ATTEMPTS: usize = 4;

/// An order as its attempt left it.
#[derive(Debug)]
pub(super) struct EndedAttempt<'a> {
    pub(super) orders: &'a Orders,
    pub(super) name: &'a HostName,
    /// Key of the order's record, and of its certificate.
    pub(super) key: String,
    pub(super) order: OrderRecord,
    /// Fence of the attempt.
    pub(super) version: Version,
    /// Certificate of the same identifiers when the attempt began.
    pub(super) certificate: Option<Stored<CertificateRecord>>,
}

impl EndedAttempt<'_> {
    /// Stores the certificate and deletes the order, in one transaction.
    pub(super) async fn store_certificate(self, chain: &Chain) -> Result<(), EngineError> {
        let Self { orders, name, key, order, version, mut certificate } = self;
        let ServiceContext { store, .. } = &orders.context;
        for _ in 0..MAX_ATTEMPTS {
            let planned = certificate.as_ref().and_then(|before| before.value.renew_at);
            let issued_before = certificate.as_ref().map(|before| before.value.issued_at.clone());
            let record = certificate_record(orders, &order, chain, issued_before.unwrap_or_default());
            let now = orders.context.now();
            let write = Transaction::new().delete(ORDERS, &key, Expect::Version(version)).put(
                CERTIFICATES,
                &key,
                unchanged(certificate.as_ref()),
                records::encode(&record),
                Some(now),
            );
            match store.commit(with_leftovers(write, &key, order.state.records(), now)).await {
                Ok(_) => {
                    let replaces = order.state.order().replaces.as_ref().map(ToString::to_string);
                    orders.renewals.certificate_stored(planned);
                    orders.context.notify(&Event::Issued { name, replaces: replaces.as_deref() });
                    return Ok(());
                }
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(error.into()),
            }
            certificate = Stored::read(&**store, CERTIFICATES, &key).await?;
        }
        Err(EngineError::new(EngineErrorKind::Unavailable, "another worker has the order now"))
    }

    /// Writes when the order is tried again, and why it failed.
    pub(super) async fn postpone(mut self, why: String, retry: Option<Retry>) -> Result<(), EngineError> {
        let settlement = on_pause(&self.order.state);
        let change = settlement.map(|settlement| self.order.settle(settlement)).unwrap_or_default();
        self.write_postponed(&change, why, retry).await
    }

    async fn write_postponed(
        self,
        change: &Change,
        why: String,
        retry: Option<Retry>,
    ) -> Result<(), EngineError> {
        let Self { orders, name, key, mut order, version, .. } = self;
        order.failures = order.failures.saturating_add(1);
        let now = orders.context.now();
        let back_off = now + retry_delay(order.failures, orders.context.random());
        let (retry_at, replaceable_at) = match retry {
            Some(Retry::NotBefore(time)) => {
                let time = time.max(now + Duration::from_secs(1));
                (time, time)
            }
            // Another request may be what mends it.
            Some(Retry::Operator) => (now + OPERATOR_INTERVAL, back_off),
            _ => (back_off, back_off),
        };
        order.failure = Some(why.clone());
        order.replaceable_at = Some(replaceable_at);
        let write = Transaction::new().put(
            ORDERS,
            &key,
            Expect::Version(version),
            records::encode(&order),
            Some(retry_at),
        );
        // An order that pauses, or fails, has withdrawn its records, or could not.
        let write = with_leftovers(write, &key, order.state.records(), now);
        let version = orders.commit_settling(write, change).await?;
        orders.note(&key, version, &order, retry_at).await;
        orders.context.notify(&Event::OrderFailed { name, why: &why, retry_at: Some(retry_at) });
        Ok(())
    }

    /// Sets the order aside for a reason that is not its own. The tokens that it holds are free for others.
    pub(super) async fn set_aside(mut self, why: String, retry: Option<Retry>) -> Result<(), EngineError> {
        let order = &mut self.order;
        let settlement = order.holding.as_ref().map(|holding| on_setting_aside(&order.state, holding));
        let change = settlement.map(|settlement| order.settle(settlement)).unwrap_or_default();
        self.write_postponed(&change, why, retry).await
    }

    /// Holds the order until the limit of the CA allows it; nothing was sent. If the limit holds other orders as well,
    /// the order goes back to them: its pool is closed, and not the order.
    pub(super) async fn hold(self, held_up: HeldUp) -> Result<(), EngineError> {
        let Self { orders, name, key, mut order, version, .. } = self;
        let HeldUp { denied, until, state, settle } = held_up;
        let change = settle.map(|settlement| order.settle(settlement)).unwrap_or_default();
        order.state = state;
        let alone = !is_shared(&denied, &order.state.order().identifiers);
        let now = orders.context.now();
        let due = if alone { until } else { now };
        order.held_back = alone.then(|| HeldBack { why: describe_denial(&denied, until), until });
        let expect = Expect::Version(version);
        let write = Transaction::new().put(ORDERS, &key, expect, records::encode(&order), Some(due));
        let version = orders.commit_settling(write, &change).await?;
        orders.note(&key, version, &order, due).await;
        if alone {
            orders.context.notify(&Event::OrderHeld { name, by: denied.by(), until });
        } else {
            orders.queue.hold(&key, now + LOST_TOKEN_RETRY);
        }
        Ok(())
    }

    /// Hands the order to the next run, which resumes it.
    pub(super) async fn release(self) -> Result<(), EngineError> {
        let Self { orders, key, order, version, .. } = self;
        // First, because the next run publishes the same records.
        if let Err(error) = orders.challenges.withdraw(order.state.records()).await {
            orders.context.notify(&Event::NotSwept { why: &error.to_string() });
        }
        let write = Transaction::new().put(
            ORDERS,
            &key,
            Expect::Version(version),
            records::encode(&order),
            Some(orders.context.now()),
        );
        // The last entry of its journal may have been written at the same time: then the lease expires by itself.
        ignore_conflict(orders.context.store.commit(write).await)
    }
}

fn certificate_record(
    orders: &Orders,
    order: &OrderRecord,
    chain: &Chain,
    mut issued_at: Vec<SystemTime>,
) -> CertificateRecord {
    issued_at.push(orders.context.now());
    let kept = orders.options.certificates_per_name.max(MIN_KEPT_ISSUANCES);
    issued_at.drain(..issued_at.len().saturating_sub(kept));
    let leaf = chain.leaf();
    CertificateRecord {
        chain: chain.to_pem(),
        identifiers: Some(order.state.order().identifiers.clone()),
        csr_sha256: order.csr_sha256.clone(),
        certificate_id: leaf.certificate_id().ok().map(|id| id.to_string()),
        account_url: orders.authority.account_url().to_owned(),
        not_before: leaf.not_before(),
        not_after: leaf.not_after(),
        window: None,
        renew_at: None,
        is_urgent: false,
        issued_at,
    }
}

/// Returns whether the denial holds all orders that draw on the same buckets.
fn is_shared(denied: &Denied, names: &IdentifierSet) -> bool {
    matches!(denied.by(), DeniedBy::Limit { key, .. } if key.is_shared_beyond(names))
}
