//! The journal of an order, laid on the store.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use fleetcert_acme::order::State;
use fleetcert_acme::{Journal, JournalError};
use fleetcert_dns::challenge::ChallengeRecord;
use fleetcert_store::{Expect, Transaction, Version};
use tokio::sync::Mutex;

use crate::Engine;
use crate::records::{self, CHALLENGES, ORDERS, OrderRecord};

/// Writes each state before its step is taken, and the challenge records beside it.
///
/// The version that it last wrote is the fence: when somebody else has taken the order over, the next write
/// fails, and no step is taken after it.
#[derive(Debug)]
pub(super) struct OrderJournal {
    engine: Engine,
    key: String,
    lease: Duration,
    written: Mutex<Written>,
}

#[derive(Debug)]
struct Written {
    version: Version,
    record: OrderRecord,
    /// The challenge records that the store has for this order.
    challenges: BTreeSet<String>,
}

impl OrderJournal {
    pub(super) fn new(
        engine: Engine,
        key: String,
        version: Version,
        record: OrderRecord,
        lease: Duration,
    ) -> Self {
        let challenges = record.state.records().iter().map(challenge_key).collect();
        Self { engine, key, lease, written: Mutex::new(Written { version, record, challenges }) }
    }

    /// The order as it was last written, and its fence.
    pub(super) fn into_last(self) -> (OrderRecord, Version) {
        let written = self.written.into_inner();
        (written.record, written.version)
    }
}

#[async_trait]
impl Journal for OrderJournal {
    async fn record(&self, state: &State) -> Result<(), JournalError> {
        let mut written = self.written.lock().await;
        let mut record = written.record.clone();
        record.state = state.clone();
        let due = Some(self.engine.now() + self.lease);
        let order = Transaction::new().put(
            ORDERS,
            &self.key,
            Expect::Version(written.version),
            records::encode(&record),
            due,
        );
        let (write, challenges) = with_challenges(order, state.records(), &written.challenges);
        let version = self.engine.parts().store.commit(write).await.map_err(JournalError::new)?;
        *written = Written { version, record, challenges };
        Ok(())
    }
}

/// Adds what changes about the challenge records in the store: each is due at its expiry, so that the sweeper
/// takes out of the zone what its order leaves there.
pub(super) fn with_challenges(
    mut write: Transaction,
    wanted: &[ChallengeRecord],
    stored: &BTreeSet<String>,
) -> (Transaction, BTreeSet<String>) {
    let mut keys = BTreeSet::new();
    for record in wanted {
        let key = challenge_key(record);
        if keys.insert(key.clone()) && !stored.contains(&key) {
            let due: Option<SystemTime> = Some(record.expires);
            write = write.put(CHALLENGES, key, Expect::Any, records::encode(record), due);
        }
    }
    for gone in stored.difference(&keys) {
        write = write.delete(CHALLENGES, gone, Expect::Any);
    }
    (write, keys)
}

fn challenge_key(record: &ChallengeRecord) -> String {
    // A value may be long and of any octets; its hash is neither.
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, record.value.as_bytes());
    format!("{} {}", record.name, records::hex(&hash.as_ref()[..16]))
}

/// The keys of the challenge records that a state has in the store.
pub(super) fn challenge_keys(state: &State) -> BTreeSet<String> {
    state.records().iter().map(challenge_key).collect()
}
