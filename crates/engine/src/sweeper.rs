//! Removes expired challenge records, tokens and idle budget rows.
//!
//! It runs apart from the order worker, so that it also cleans up after a crash.

use std::time::Duration;

use fleetcert_dns::challenge::{Alarm, ChallengeError, ChallengeRecord, Challenges};
use fleetcert_names::DomainName;
use fleetcert_store::{Expect, Record, Transaction};

use crate::budgets::StoredRow;
use crate::context::ServiceContext;
use crate::records::{
    self, BUDGETS, CHALLENGES, LIMITS, ORDERS, OrderRecord, StoredChallenge, TOKENS, ignore_conflict,
};
use crate::{EngineError, EngineErrorKind, Event};

/// Interval between two sweeps.
const SWEEP_INTERVAL: Duration = Duration::from_secs(15);
/// Records that are claimed at once.
const BATCH_SIZE: usize = 128;
/// Lease of a batch. A sweep that stops in the middle is resumed by the next one.
const BATCH_LEASE: Duration = Duration::from_secs(120);
/// Every challenge record is due before this.
const FAR_FUTURE: Duration = Duration::from_secs(366 * 86_400);
/// Maximum records that are counted.
const MAX_COUNTED: usize = 100_000;

/// The service that removes what orders, tokens and budgets left behind.
#[derive(Debug)]
pub(crate) struct Sweeper {
    context: ServiceContext,
    zone: DomainName,
    challenges: Challenges,
}

impl Sweeper {
    pub(crate) fn new(context: ServiceContext, zone: DomainName, challenges: Challenges) -> Self {
        Self { context, zone, challenges }
    }

    /// Sweeps at a fixed interval. Never returns.
    pub(crate) async fn run(&self) {
        // A threshold beyond what is counted would never be reached.
        let mut alarm = Alarm::new(self.challenges.options().warn_above.min(MAX_COUNTED - 1));
        loop {
            self.context.ok_or_report(self.count_challenges(&mut alarm).await);
            self.sweep_orphans().await;
            self.context.ok_or_report(self.sweep_expired().await);
            self.context.ok_or_report(self.delete_tokens().await);
            self.context.ok_or_report(self.delete_budgets().await);
            self.context.ambient.sleep(SWEEP_INTERVAL).await;
        }
    }

    /// Withdraws the challenge records that cancelled orders left in the zone.
    pub(crate) async fn sweep_orphans(&self) {
        match self.challenges.sweep().await {
            Ok(0) => {}
            Ok(records) => self.context.notify(&Event::Swept { records }),
            // They stay orphans, and the store knows their expiry: the next round tries again.
            Err(error) => self.context.notify(&Event::NotSwept { why: &error.to_string() }),
        }
    }

    /// Withdraws the challenge records that ended processes left in the zone. The store forgets a record when a read of
    /// the zone has shown that it is gone.
    async fn sweep_expired(&self) -> Result<(), EngineError> {
        loop {
            let now = self.context.now();
            let due = self.context.store.claim(CHALLENGES, now, now + BATCH_LEASE, BATCH_SIZE).await?;
            let more = due.len() == BATCH_SIZE;
            // A zone that fails to remove some is not asked to remove thousands more in the same sweep.
            if !self.sweep_batch(due).await? || !more {
                return Ok(());
            }
        }
    }

    /// Withdraws the records that no order needs, with as few calls as the backend allows. Returns whether all of them
    /// are gone.
    async fn sweep_batch(&self, due: Vec<Record>) -> Result<bool, EngineError> {
        let mut orphans = Vec::new();
        for stored in due {
            // A record that cannot be decoded, or whose order cannot, keeps no other in the zone.
            let Some(challenge) = self.context.ok_or_report(records::decode::<StoredChallenge>(&stored))
            else {
                continue;
            };
            match self.is_needed(&challenge).await {
                Err(error) if error.kind() == EngineErrorKind::Corrupt => {
                    self.context.report(&error);
                }
                needed => {
                    if !needed? {
                        orphans.push((challenge.record, stored));
                    }
                }
            }
        }
        if orphans.is_empty() {
            return Ok(true);
        }
        let all: Vec<ChallengeRecord> = orphans.iter().map(|(record, _)| record.clone()).collect();
        let failed = self.challenges.withdraw(&all).await.err();
        let left = failed.as_ref().map(ChallengeError::unfinished).unwrap_or_default();
        let mut swept = 0;
        for (record, stored) in &orphans {
            if left.iter().any(|unfinished| unfinished.record == *record) {
                continue;
            }
            let gone = Transaction::new().delete(CHALLENGES, &stored.key, Expect::Version(stored.version));
            ignore_conflict(self.context.store.commit(gone).await)?;
            swept += 1;
        }
        if swept > 0 {
            self.context.notify(&Event::Swept { records: swept });
        }
        if let Some(error) = &failed {
            self.context.notify(&Event::NotSwept { why: &error.to_string() });
        }
        Ok(failed.is_none())
    }

    /// Raises the alarm when the zone has too many challenge records, of all processes.
    async fn count_challenges(&self, alarm: &mut Alarm) -> Result<(), EngineError> {
        let records =
            self.context.store.count_due(CHALLENGES, self.context.now() + FAR_FUTURE, MAX_COUNTED).await?;
        if alarm.goes_off_at(records) {
            self.context.notify(&Event::ChallengesPileUp { zone: &self.zone, records });
        }
        Ok(())
    }

    async fn delete_tokens(&self) -> Result<(), EngineError> {
        let now = self.context.now();
        let store = &self.context.store;
        for token in store.claim(TOKENS, now, now + BATCH_LEASE, BATCH_SIZE).await? {
            let gone = Transaction::new().delete(TOKENS, token.key, Expect::Version(token.version));
            ignore_conflict(store.commit(gone).await)?;
        }
        Ok(())
    }

    async fn delete_budgets(&self) -> Result<(), EngineError> {
        let now = self.context.now();
        let store = &self.context.store;
        for stored in store.claim(BUDGETS, now, now + BATCH_LEASE, BATCH_SIZE).await? {
            let Some(row) = self.context.ok_or_report(records::decode::<StoredRow>(&stored)) else {
                continue;
            };
            if row.is_unused(now) {
                let gone = Transaction::new().delete(BUDGETS, stored.key, Expect::Version(stored.version));
                ignore_conflict(store.commit(gone).await)?;
            }
        }
        for stored in store.claim(LIMITS, now, now + BATCH_LEASE, BATCH_SIZE).await? {
            let gone = Transaction::new().delete(LIMITS, stored.key, Expect::Version(stored.version));
            ignore_conflict(store.commit(gone).await)?;
        }
        Ok(())
    }

    /// Returns whether the record's order is in progress; it withdraws the record itself. After a long outage an order
    /// may need a record again that has expired.
    async fn is_needed(
        &self,
        StoredChallenge { record, order }: &StoredChallenge,
    ) -> Result<bool, EngineError> {
        let host_name = record.name.parent();
        let Some(key) = order.as_deref().or(host_name.as_ref().map(DomainName::as_str)) else {
            return Ok(false);
        };
        let Some(found) = self.context.store.read(ORDERS, key).await? else { return Ok(false) };
        let order: OrderRecord = records::decode(&found)?;
        let same = |other: &ChallengeRecord| other.name == record.name && other.value == record.value;
        Ok(order.failure.is_none() && order.state.records().iter().any(same))
    }
}
