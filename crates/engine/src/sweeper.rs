//! What must be gone is gone, whatever happened.

use std::time::Duration;

use fleetcert_dns::challenge::{Alarm, ChallengeError, ChallengeRecord};
use fleetcert_store::{Expect, Record, Transaction};

use crate::budgets::StoredRow;
use crate::records::{self, BUDGETS, CHALLENGES, LIMITS, ORDERS, OrderRecord, TOKENS, ignore_conflict};
use crate::{Engine, EngineError, EngineErrorKind, Event};

const ROUND: Duration = Duration::from_secs(15);
const BATCH: usize = 128;
/// A sweep that stops in the middle is taken up again after this time.
const LEASE: Duration = Duration::from_secs(120);
/// Every challenge record is due before this.
const EVER: Duration = Duration::from_secs(366 * 86_400);
/// More are not counted.
const COUNTED: usize = 100_000;

impl Engine {
    /// Withdraws challenge records that their orders left behind, and forgets tokens that have expired and budgets that
    /// are full again.
    pub(crate) async fn sweeper(&self) {
        // A mark beyond what is counted would never be reached.
        let mut alarm = Alarm::new(self.parts().challenges.options().warn_above.min(COUNTED - 1));
        loop {
            self.readable(self.count_records(&mut alarm).await);
            self.sweep_orphans().await;
            self.readable(self.sweep_expired().await);
            self.readable(self.forget_tokens().await);
            self.readable(self.forget_budgets().await);
            self.parts().ambient.clock.sleep(ROUND).await;
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

    /// Withdraws what dead processes left in the zone: what the store says that must be gone. It is forgotten when a
    /// look at the zone has shown that it is.
    async fn sweep_expired(&self) -> Result<(), EngineError> {
        loop {
            let now = self.now();
            let due = self.parts().store.claim(CHALLENGES, now, now + LEASE, BATCH).await?;
            let more = due.len() == BATCH;
            // A zone that does not let go of some is not asked for thousands more in the same round.
            if !self.sweep_batch(due).await? || !more {
                return Ok(());
            }
        }
    }

    /// Withdraws those of the records that no order needs, with as few calls as the backend allows; whether none of
    /// them is left.
    async fn sweep_batch(&self, due: Vec<Record>) -> Result<bool, EngineError> {
        let mut orphans = Vec::new();
        for stored in due {
            // One that cannot be read, or whose order cannot, keeps no other in the zone.
            let Some(record) = self.readable(records::decode::<ChallengeRecord>(&stored)) else { continue };
            match self.is_needed(&record).await {
                Err(error) if error.kind() == EngineErrorKind::Corrupt => {
                    self.notify(&Event::StoreFailed { why: &error.to_string() });
                }
                needed => {
                    if !needed? {
                        orphans.push((record, stored));
                    }
                }
            }
        }
        if orphans.is_empty() {
            return Ok(true);
        }
        let all: Vec<ChallengeRecord> = orphans.iter().map(|(record, _)| record.clone()).collect();
        let failed = self.parts().challenges.withdraw(&all).await.err();
        let left = failed.as_ref().map(ChallengeError::unfinished).unwrap_or_default();
        let mut swept = 0;
        for (record, stored) in &orphans {
            if left.iter().any(|unfinished| unfinished.record == *record) {
                continue;
            }
            let gone = Transaction::new().delete(CHALLENGES, &stored.key, Expect::Version(stored.version));
            ignore_conflict(self.parts().store.commit(gone).await)?;
            swept += 1;
        }
        if swept > 0 {
            self.notify(&Event::Swept { records: swept });
        }
        if let Some(error) = &failed {
            self.notify(&Event::NotSwept { why: &error.to_string() });
        }
        Ok(failed.is_none())
    }

    /// Tells when the records of all processes pile up in the zone.
    async fn count_records(&self, alarm: &mut Alarm) -> Result<(), EngineError> {
        let records = self.parts().store.count_due(CHALLENGES, self.now() + EVER, COUNTED).await?;
        if alarm.goes_off_at(records) {
            self.notify(&Event::ChallengesPileUp { zone: &self.parts().options.zone, records });
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
