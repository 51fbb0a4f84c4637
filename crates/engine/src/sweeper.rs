//! What must be gone is gone, whatever happened.

use std::time::Duration;

use fleetcert_dns::challenge::ChallengeRecord;
use fleetcert_store::{Expect, Transaction};

use crate::budgets::StoredRow;
use crate::records::{self, BUDGETS, CHALLENGES, LIMITS, ORDERS, OrderRecord, TOKENS, ignore_conflict};
use crate::{Engine, EngineError, Event};

const ROUND: Duration = Duration::from_secs(15);
const BATCH: usize = 128;
/// A sweep that stops in the middle is taken up again after this time.
const LEASE: Duration = Duration::from_secs(120);

impl Engine {
    /// Withdraws challenge records that their orders left behind, and forgets tokens that have expired and budgets that
    /// are full again.
    pub(crate) async fn sweeper(&self) {
        loop {
            self.sweep_orphans().await;
            self.readable(self.sweep_expired().await);
            self.readable(self.forget_tokens().await);
            self.readable(self.forget_budgets().await);
            self.parts().clock.sleep(ROUND).await;
        }
    }

    /// Withdraws what cancelled orders left in the zone.
    pub(crate) async fn sweep_orphans(&self) {
        match self.parts().challenges.sweep().await {
            Ok(0) => {}
            Ok(records) => self.notify(&Event::Swept { records }),
            // They stay orphans, and the store knows their expiry: the next round tries again.
            Err(error) => self.notify(&Event::NotSwept { why: &error.to_string() }),
        }
    }

    async fn sweep_expired(&self) -> Result<(), EngineError> {
        let now = self.now();
        let store = &self.parts().store;
        let due = store.claim(CHALLENGES, now, now + LEASE, BATCH).await?;
        for stored in due {
            let Some(record) = self.readable(records::decode::<ChallengeRecord>(&stored)) else { continue };
            if self.is_needed(&record).await? {
                continue;
            }
            if let Err(error) = self.parts().challenges.withdraw(std::slice::from_ref(&record)).await {
                self.notify(&Event::NotSwept { why: &error.to_string() });
                continue;
            }
            let gone = Transaction::new().delete(CHALLENGES, stored.key, Expect::Version(stored.version));
            ignore_conflict(store.commit(gone).await)?;
            self.notify(&Event::Swept { records: 1 });
        }
        Ok(())
    }

    async fn forget_tokens(&self) -> Result<(), EngineError> {
        let now = self.now();
        let store = &self.parts().store;
        for token in store.claim(TOKENS, now, now + LEASE, BATCH).await? {
            let gone = Transaction::new().delete(TOKENS, token.key, Expect::Version(token.version));
            ignore_conflict(store.commit(gone).await)?;
        }
        Ok(())
    }

    async fn forget_budgets(&self) -> Result<(), EngineError> {
        let now = self.now();
        let store = &self.parts().store;
        for stored in store.claim(BUDGETS, now, now + LEASE, BATCH).await? {
            let Some(row) = self.readable(records::decode::<StoredRow>(&stored)) else { continue };
            if row.is_untouched(now) {
                let gone = Transaction::new().delete(BUDGETS, stored.key, Expect::Version(stored.version));
                ignore_conflict(store.commit(gone).await)?;
            }
        }
        for stored in store.claim(LIMITS, now, now + LEASE, BATCH).await? {
            let gone = Transaction::new().delete(LIMITS, stored.key, Expect::Version(stored.version));
            ignore_conflict(store.commit(gone).await)?;
        }
        Ok(())
    }

    /// Whether the order that the record belongs to is under way: then it is withdrawn with it. After a long
    /// outage an order may need a record again whose time was over.
    async fn is_needed(&self, record: &ChallengeRecord) -> Result<bool, EngineError> {
        let Some(name) = record.name.parent() else { return Ok(false) };
        let Some(found) = self.parts().store.read(ORDERS, name.as_str()).await? else { return Ok(false) };
        let order: OrderRecord = records::decode(&found)?;
        let same = |other: &ChallengeRecord| other.name == record.name && other.value == record.value;
        Ok(order.failure.is_none() && order.state.records().iter().any(same))
    }
}
