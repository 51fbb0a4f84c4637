//! What becomes of an order that was worked on.

use std::time::Duration;

use fleetcert_acme::order::Retry;
use fleetcert_names::HostName;
use fleetcert_schedule::budget::{Denied, DeniedBy};
use fleetcert_schedule::retry_delay;
use fleetcert_store::{Expect, Transaction, Version};
use fleetcert_x509::Chain;

use super::journal::HeldUp;
use super::journal::with_leftovers;
use crate::budgets::{Change, host_names, on_pause, on_setting_aside, words};
use crate::records::{self, CERTIFICATES, CertificateRecord, HeldBack, ORDERS, OrderRecord, ignore_conflict};
use crate::{Engine, EngineError, EngineErrorKind, Event};

/// What only a person can mend is tried again so often all the same.
const OPERATOR_INTERVAL: Duration = Duration::from_secs(24 * 3600);
/// Another node had the token. By then the queue has seen that there is none.
const A_SECOND: Duration = Duration::from_secs(1);
/// So many moments of issuance are kept at least, for the limit of a name.
const KEPT: usize = 16;
/// The renewal worker may write a certificate's record at the same moment.
const TRIES: usize = 4;

impl Engine {
    /// The certificate is stored and the order is gone, both at once.
    pub(super) async fn store_certificate(
        &self,
        name: &HostName,
        order: &OrderRecord,
        version: Version,
        chain: &Chain,
    ) -> Result<(), EngineError> {
        let store = &self.parts().store;
        for _ in 0..TRIES {
            let found = store.read(CERTIFICATES, name.as_str()).await?;
            let expect = found.as_ref().map_or(Expect::Absent, |found| Expect::Version(found.version));
            let before: Option<CertificateRecord> = found.as_ref().map(records::decode).transpose()?;
            let planned = before.as_ref().and_then(|before| before.renew_at);
            let certificate = self.certificate_record(order, chain, before);
            let write = Transaction::new().delete(ORDERS, name.as_str(), Expect::Version(version)).put(
                CERTIFICATES,
                name.as_str(),
                expect,
                records::encode(&certificate),
                Some(self.now()),
            );
            let write = with_leftovers(write, order.state.records(), self.now());
            match store.commit(write).await {
                Ok(_) => {
                    let replaces = order.state.order().replaces.as_ref().map(ToString::to_string);
                    self.planned().replace(planned, None);
                    self.notify(&Event::Issued { name, replaces: replaces.as_deref() });
                    self.wake_renewal_worker();
                    return Ok(());
                }
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(EngineError::new(EngineErrorKind::Unavailable, "somebody else has the order now"))
    }

    fn certificate_record(
        &self,
        order: &OrderRecord,
        chain: &Chain,
        before: Option<CertificateRecord>,
    ) -> CertificateRecord {
        let mut issued_at = before.map(|before| before.issued_at).unwrap_or_default();
        issued_at.push(self.now());
        let surplus = issued_at.len().saturating_sub(self.parts().options.certificates_per_name.max(KEPT));
        issued_at.drain(..surplus);
        let leaf = chain.leaf();
        CertificateRecord {
            chain: chain.to_pem(),
            csr_sha256: order.csr_sha256.clone(),
            certificate_id: leaf.certificate_id().ok().map(|id| id.to_string()),
            account_url: self.parts().authority.account_url().to_owned(),
            not_before: leaf.not_before(),
            not_after: leaf.not_after(),
            window: None,
            renew_at: None,
            issued_at,
        }
    }

    /// The order waits for its next try, and its owner can read why.
    pub(super) async fn postpone_order(
        &self,
        name: &HostName,
        mut order: OrderRecord,
        version: Version,
        why: String,
        retry: Option<Retry>,
    ) -> Result<(), EngineError> {
        let change = on_pause(&order.state).map(|settlement| order.settle(settlement)).unwrap_or_default();
        self.write_postponed(name, (order, version), &change, why, retry).await
    }

    async fn write_postponed(
        &self,
        name: &HostName,
        (mut order, version): (OrderRecord, Version),
        change: &Change,
        why: String,
        retry: Option<Retry>,
    ) -> Result<(), EngineError> {
        order.failures = order.failures.saturating_add(1);
        let now = self.now();
        let back_off = now + retry_delay(order.failures, self.random());
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
            name.as_str(),
            Expect::Version(version),
            records::encode(&order),
            Some(retry_at),
        );
        // An order that pauses, or fails, has withdrawn its records, or could not.
        let write = with_leftovers(write, order.state.records(), now);
        let version = self.commit_settling(write, change).await?;
        self.note_order(name.as_str(), version, &order, retry_at).await;
        self.notify(&Event::OrderFailed { name, why: &why, retry_at: Some(retry_at) });
        Ok(())
    }

    /// The order is set aside because of what is not its own fault: what it holds is free for others.
    pub(super) async fn set_aside_order(
        &self,
        name: &HostName,
        mut order: OrderRecord,
        version: Version,
        why: String,
        retry: Option<Retry>,
    ) -> Result<(), EngineError> {
        let settlement = order.holding.as_ref().map(|holding| on_setting_aside(&order.state, holding));
        let change = settlement.map(|settlement| order.settle(settlement)).unwrap_or_default();
        self.write_postponed(name, (order, version), &change, why, retry).await
    }

    /// The order waits until the limit of the CA that holds it back allows it; nothing was sent. Where that limit holds
    /// back others as well, it goes back among them: the queue waits, and not the order.
    pub(super) async fn hold_order(
        &self,
        name: &HostName,
        mut order: OrderRecord,
        version: Version,
        held_up: HeldUp,
    ) -> Result<(), EngineError> {
        let HeldUp { denied, until, state, settle } = held_up;
        let change = settle.map(|settlement| order.settle(settlement)).unwrap_or_default();
        order.state = state;
        let alone = !is_shared(&denied, &host_names(order.state.order()));
        let now = self.now();
        let due = if alone { until } else { now };
        order.held_back = alone.then(|| HeldBack { why: words(&denied, until), until });
        let expect = Expect::Version(version);
        let write = Transaction::new().put(ORDERS, name.as_str(), expect, records::encode(&order), Some(due));
        let version = self.commit_settling(write, &change).await?;
        self.note_order(name.as_str(), version, &order, due).await;
        if alone {
            self.notify(&Event::OrderHeld { name, by: denied.by(), until });
        } else {
            self.waiting().hold(name.as_str(), now + A_SECOND);
        }
        Ok(())
    }

    /// The order is handed to the next run, which goes on where this one stands.
    pub(super) async fn release_order(
        &self,
        name: &HostName,
        order: &OrderRecord,
        version: Version,
    ) -> Result<(), EngineError> {
        // First, because who takes it over publishes the same records.
        if let Err(error) = self.parts().challenges.withdraw(order.state.records()).await {
            self.notify(&Event::NotSwept { why: &error.to_string() });
        }
        let write = Transaction::new().put(
            ORDERS,
            name.as_str(),
            Expect::Version(version),
            records::encode(order),
            Some(self.now()),
        );
        // The last entry of its journal may have been under way: then the lease ends by itself.
        ignore_conflict(self.parts().store.commit(write).await)
    }
}

/// Whether all that draw on the same buckets wait for it.
fn is_shared(denied: &Denied, names: &[HostName]) -> bool {
    matches!(denied.by(), DeniedBy::Limit { key, .. } if key.is_shared_beyond(names))
}
