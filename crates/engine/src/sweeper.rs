//! What must be gone is gone, whatever happened.

use std::time::Duration;

use fleetcert_dns::challenge::ChallengeRecord;
use fleetcert_store::{Expect, Transaction};

use crate::records::{self, CHALLENGES, TOKENS};
use crate::{Engine, EngineError, Event};

const ROUND: Duration = Duration::from_secs(15);
const BATCH: usize = 128;
/// A sweep that stops in the middle is taken up again after this time.
const LEASE: Duration = Duration::from_secs(120);

impl Engine {
    /// Withdraws challenge records that their orders left behind, and forgets tokens that have expired.
    pub(crate) async fn sweeper(&self) {
        loop {
            self.sweep_orphans().await;
            self.readable(self.sweep_expired().await);
            self.readable(self.forget_tokens().await);
            self.parts().clock.sleep(ROUND).await;
        }
    }

    /// Withdraws what cancelled orders left in the zone.
    pub(crate) async fn sweep_orphans(&self) {
        match self.parts().challenges.sweep().await {
            Ok(0) => {}
            Ok(records) => self.notify(&Event::Swept { records }),
            // They stay orphans, and the store knows their expiry: the next round tries again.
            Err(error) => self.notify(&Event::StoreFailed { why: &error.to_string() }),
        }
    }

    async fn sweep_expired(&self) -> Result<(), EngineError> {
        let now = self.now();
        let store = &self.parts().store;
        let due = store.claim(CHALLENGES, now, now + LEASE, BATCH).await?;
        for stored in due {
            let Some(record) = self.readable(records::decode::<ChallengeRecord>(&stored)) else { continue };
            if let Err(error) = self.parts().challenges.withdraw(std::slice::from_ref(&record)).await {
                self.notify(&Event::StoreFailed { why: &error.to_string() });
                continue;
            }
            store
                .commit(Transaction::new().delete(CHALLENGES, stored.key, Expect::Version(stored.version)))
                .await?;
            self.notify(&Event::Swept { records: 1 });
        }
        Ok(())
    }

    async fn forget_tokens(&self) -> Result<(), EngineError> {
        let now = self.now();
        let store = &self.parts().store;
        for token in store.claim(TOKENS, now, now + LEASE, BATCH).await? {
            store
                .commit(Transaction::new().delete(TOKENS, token.key, Expect::Version(token.version)))
                .await?;
        }
        Ok(())
    }
}
