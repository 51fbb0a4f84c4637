//! The journal of an order, laid on the store.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use fleetcert_acme::order::State;
use fleetcert_acme::{Journal, JournalError};
use fleetcert_dns::challenge::ChallengeRecord;
use fleetcert_store::{Expect, Record, Transaction, Version};
use tokio::sync::Mutex;

use crate::Engine;
use crate::records::{self, CHALLENGES, DEVICES, ORDERS, OrderRecord};

/// Writes each state before its step is taken, and the challenge records beside it.
///
/// The version that it last wrote is the fence: when somebody else has taken the order over, the next write
/// fails, and no step is taken after it. So it is when the device was suspended meanwhile.
#[derive(Debug)]
pub(super) struct OrderJournal {
    engine: Engine,
    key: String,
    /// The device's record, as it was when it was found active.
    device: Record,
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
        claimed: Record,
        device: Record,
        record: OrderRecord,
        lease: Duration,
    ) -> Self {
        let challenges = challenge_keys(&record.state);
        let Record { key, version, .. } = claimed;
        Self { engine, key, device, lease, written: Mutex::new(Written { version, record, challenges }) }
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
        let order = order.check(DEVICES, &self.device.key, Expect::Version(self.device.version));
        let (write, challenges) = with_challenges(order, state.records(), &written.challenges);
        let version = self.engine.parts().store.commit(write).await.map_err(JournalError::new)?;
        *written = Written { version, record, challenges };
        Ok(())
    }
}

/// Adds what changes about the challenge records in the store: each is due at its expiry, so that the sweeper
/// takes out of the zone what its order leaves there.
fn with_challenges(
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

/// The records that an order could not withdraw are for the sweeper, at once.
pub(super) fn with_leftovers(
    mut write: Transaction,
    left: &[ChallengeRecord],
    now: SystemTime,
) -> Transaction {
    let mut keys = BTreeSet::new();
    for record in left {
        let key = challenge_key(record);
        if keys.insert(key.clone()) {
            write = write.put(CHALLENGES, key, Expect::Any, records::encode(record), Some(now));
        }
    }
    write
}

fn challenge_key(record: &ChallengeRecord) -> String {
    // A value may be long and of any octets; its hash is neither.
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, record.value.as_bytes());
    format!("{} {}", record.name, records::hex(&hash.as_ref()[..16]))
}

/// The keys of the challenge records that a state has in the store.
fn challenge_keys(state: &State) -> BTreeSet<String> {
    state.records().iter().map(challenge_key).collect()
}
