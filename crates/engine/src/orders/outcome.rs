//! What becomes of an order that was worked on.

use std::time::{Duration, SystemTime};

use fleetcert_acme::order::Retry;
use fleetcert_names::HostName;
use fleetcert_schedule::retry_delay;
use fleetcert_store::{Expect, Transaction, Version};
use fleetcert_x509::Chain;

use super::journal::{challenge_keys, with_challenges};
use crate::records::{self, CERTIFICATES, CertificateRecord, ORDERS, OrderRecord};
use crate::{Engine, EngineError, Event};

/// What only a person can mend is tried again so often all the same.
const OPERATOR_INTERVAL: Duration = Duration::from_secs(24 * 3600);
/// The moments of issuance that are kept for the limit of a name.
const KEPT: usize = 16;

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
        let before = store.read(CERTIFICATES, name.as_str()).await?;
        let mut issued_at = match &before {
            Some(found) => records::decode::<CertificateRecord>(found)?.issued_at,
            None => Vec::new(),
        };
        let now = self.now();
        issued_at.push(now);
        let surplus = issued_at.len().saturating_sub(KEPT);
        issued_at.drain(..surplus);
        let leaf = chain.leaf();
        let certificate = CertificateRecord {
            chain: chain.to_pem(),
            csr_sha256: order.csr_sha256.clone(),
            certificate_id: leaf.certificate_id().ok().map(|id| id.to_string()),
            account_url: self.parts().authority.account_url().to_owned(),
            not_before: leaf.not_before(),
            not_after: leaf.not_after(),
            window: None,
            renew_at: None,
            issued_at,
        };
        let expect = before.map_or(Expect::Absent, |found| Expect::Version(found.version));
        let write = Transaction::new().delete(ORDERS, name.as_str(), Expect::Version(version)).put(
            CERTIFICATES,
            name.as_str(),
            expect,
            records::encode(&certificate),
            Some(now),
        );
        let (write, _) = with_challenges(write, &[], &challenge_keys(&order.state));
        store.commit(write).await?;
        let replaces = order.state.order().replaces.as_ref().map(ToString::to_string);
        self.notify(&Event::Issued { name, replaces: replaces.as_deref() });
        self.wake_renewal_worker();
        Ok(())
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
        order.failures = order.failures.saturating_add(1);
        let retry_at = self.retry_at(retry, order.failures);
        self.notify(&Event::OrderFailed { name, why: &why, retry_at: Some(retry_at) });
        order.failure = Some(why);
        let write = Transaction::new().put(
            ORDERS,
            name.as_str(),
            Expect::Version(version),
            records::encode(&order),
            Some(retry_at),
        );
        // What is still in the zone stays in the store, for the sweeper.
        self.parts().store.commit(write).await?;
        Ok(())
    }

    fn retry_at(&self, retry: Option<Retry>, failures: u32) -> SystemTime {
        let now = self.now();
        match retry {
            Some(Retry::NotBefore(time)) => time.max(now + Duration::from_secs(1)),
            Some(Retry::Operator) => now + OPERATOR_INTERVAL,
            _ => now + retry_delay(failures, self.random()),
        }
    }
}
