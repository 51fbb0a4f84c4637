//! The journal of an order, in the store.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use fleetcert_acme::order::OrderState as State;
use fleetcert_acme::{Entry, Journal, JournalError};
use fleetcert_dns::challenge::ChallengeRecord;
use fleetcert_schedule::budget::{Denied, Leave};
use fleetcert_store::{Expect, Transaction, Version};
use tokio::sync::Mutex;

use super::Orders;
use crate::EngineError;
use crate::budgets::{Change, Committed, Decision, Holding, Settlement, decide, refused};
use crate::records::{
    self, CHALLENGES, CertificateRecord, DEVICES, DeviceRecord, ORDERS, OrderRecord, Stored, StoredChallenge,
};

/// Writes each state before its step is taken, and the challenge records beside it.
///
/// The version that it last wrote is the fence: if another worker has taken the order over, the next write fails, and
/// no step follows. The same holds if the device was suspended meanwhile, and if an entry is about to send a newOrder
/// that a limit of the CA forbids.
#[derive(Debug)]
pub(super) struct OrderJournal {
    orders: Arc<Orders>,
    /// Key of the order's record.
    key: String,
    /// Record of the device, as it was when it was found active.
    device: Stored<DeviceRecord>,
    /// Certificate of the same identifiers when the attempt began.
    certificate: Option<CertificateRecord>,
    lease: Duration,
    written: Mutex<Written>,
}

#[derive(Debug)]
struct Written {
    version: Version,
    record: OrderRecord,
    /// Keys of the challenge records that the store has for this order.
    challenges: BTreeSet<String>,
    held_up: Option<HeldUp>,
}

/// The entry that was not made because of a limit of the CA.
#[derive(Debug)]
pub(super) struct HeldUp {
    pub denied: Denied,
    pub until: SystemTime,
    /// Where the order stands without that entry.
    pub state: State,
    /// What becomes of what it held before.
    pub settle: Option<Settlement>,
}

/// The state of an order when its attempt has ended.
#[derive(Debug)]
pub(super) struct JournalEnd {
    pub order: OrderRecord,
    /// Its fence.
    pub version: Version,
    pub held_up: Option<HeldUp>,
}

impl OrderJournal {
    pub(super) fn new(
        orders: Arc<Orders>,
        order: Stored<OrderRecord>,
        device: Stored<DeviceRecord>,
        certificate: Option<CertificateRecord>,
        lease: Duration,
    ) -> Self {
        let challenges = challenge_keys(&order.value.state);
        let written = Written { version: order.version, record: order.value, challenges, held_up: None };
        Self { orders, key: order.key, device, certificate, lease, written: Mutex::new(written) }
    }

    /// Reserves the tokens of an order that is resumed. A newOrder that may have been sent counts as sent, and the next
    /// one costs again.
    pub(super) async fn resume(&self) -> Result<(), JournalError> {
        let mut written = self.written.lock().await;
        let state = written.record.state.clone();
        let change = self.resuming(&written.record).await.map_err(JournalError::new)?;
        match change {
            Some((change, settle)) => self.write(&mut written, &state, change, settle, state.clone()).await,
            None => Ok(()),
        }
    }

    async fn resuming(
        &self,
        record: &OrderRecord,
    ) -> Result<Option<(Change, Option<Settlement>)>, EngineError> {
        let order = record.state.order();
        let reserve = match (&record.state, &record.holding) {
            (State::Ordering { .. }, _) => {
                self.orders.budgets.holding_to_order(order, self.certificate.as_ref()).await?
            }
            (State::Ordered(_) | State::Publishing { .. } | State::Visible(_) | State::Answered(_), None) => {
                self.orders.budgets.holding_of_placed(order, self.certificate.as_ref()).await?
            }
            _ => return Ok(None),
        };
        let settle = record.holding.as_ref().map(|_| Settlement::Lost);
        let leave = self.leave(record);
        Ok(Some((change(record, settle.clone(), Some(reserve), leave), settle)))
    }

    /// Returns the part of the shared buckets that it leaves to more urgent orders.
    fn leave(&self, record: &OrderRecord) -> Leave {
        self.orders.budgets.leave(record.lane(self.orders.context.now()))
    }

    /// Returns the order as it was last written.
    pub(super) fn into_end(self) -> JournalEnd {
        let Written { version, record, held_up, .. } = self.written.into_inner();
        JournalEnd { order: record, version, held_up }
    }

    /// Writes `state` with its change to the budgets. If a limit forbids it, the order stays at `otherwise`.
    async fn write(
        &self,
        written: &mut Written,
        state: &State,
        change: Change,
        settle: Option<Settlement>,
        otherwise: State,
    ) -> Result<(), JournalError> {
        let mut record = written.record.clone();
        record.state = state.clone();
        record.holding = match (&change.reserve, settle.as_ref()) {
            (Some(reserve), _) => Some(reserve.clone()),
            (None, Some(settlement)) => record.holding.and_then(|holding| holding.after(settlement)),
            (None, None) => record.holding,
        };
        record.holding = record.holding.map(|holding| holding.noting(&written.record.state, state));
        let due = Some(self.orders.context.now() + self.lease);
        let order = Transaction::new().put(
            ORDERS,
            &self.key,
            Expect::Version(written.version),
            records::encode(&record),
            due,
        );
        let order = order.check(DEVICES, &self.device.key, Expect::Version(self.device.version));
        let (write, challenges) = with_challenges(order, &self.key, state.records(), &written.challenges);
        let committed = self.orders.commit(write, &change).await.map_err(JournalError::new)?;
        if change.reserve.is_some() {
            self.orders.queue.reserved(&self.key);
        }
        match committed {
            Committed::Written(version) => {
                *written = Written { version, record, challenges, held_up: None };
                Ok(())
            }
            Committed::Denied { denied, until } => {
                let error = JournalError::new(denied.clone());
                written.held_up = Some(HeldUp { denied, until, state: otherwise, settle });
                Err(error)
            }
        }
    }
}

#[async_trait]
impl Journal for OrderJournal {
    async fn record(&self, Entry { state, fault }: &Entry) -> Result<(), JournalError> {
        let mut written = self.written.lock().await;
        let record = &written.record;
        let (settle, reserve) = match decide(&record.state, state, record.holding.as_ref(), fault.as_ref()) {
            Decision::Keep => (None, None),
            Decision::Settle(settle) => (Some(settle), None),
            Decision::Reserve { before } => {
                let budgets = &self.orders.budgets;
                let reserve = budgets.holding_to_order(state.order(), self.certificate.as_ref()).await;
                (before, Some(reserve.map_err(JournalError::new)?))
            }
        };
        let was_ordering = matches!(record.state, State::Ordering { .. });
        let mut change = change(record, settle.clone(), reserve, self.leave(record));
        if let (true, Some(fault), Some(holding)) = (was_ordering, fault, &record.holding) {
            let limits = self.orders.budgets.limits().await.map_err(JournalError::new)?;
            change.refused = refused(fault, holding, &limits, self.orders.context.now());
        }
        let otherwise = State::Wanted { order: state.order().clone() };
        self.write(&mut written, state, change, settle, otherwise).await
    }
}

fn change(
    record: &OrderRecord,
    settle: Option<Settlement>,
    reserve: Option<Holding>,
    leave: Leave,
) -> Change {
    Change { settle: record.holding.clone().zip(settle), reserve, leave, refused: None }
}

/// Adds what changes about the challenge records in the store: each is due at its expiry, so that the sweeper
/// takes out of the zone what its order leaves there.
fn with_challenges(
    mut write: Transaction,
    order: &str,
    wanted: &[ChallengeRecord],
    stored: &BTreeSet<String>,
) -> (Transaction, BTreeSet<String>) {
    let mut keys = BTreeSet::new();
    for record in wanted {
        let key = challenge_key(record);
        if keys.insert(key.clone()) && !stored.contains(&key) {
            let due: Option<SystemTime> = Some(record.expires);
            write = write.put(CHALLENGES, key, Expect::Any, stored_challenge(record, order), due);
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
    order: &str,
    left: &[ChallengeRecord],
    now: SystemTime,
) -> Transaction {
    let mut keys = BTreeSet::new();
    for record in left {
        let key = challenge_key(record);
        if keys.insert(key.clone()) {
            write = write.put(CHALLENGES, key, Expect::Any, stored_challenge(record, order), Some(now));
        }
    }
    write
}

fn stored_challenge(record: &ChallengeRecord, order: &str) -> Vec<u8> {
    records::encode(&StoredChallenge { record: record.clone(), order: Some(order.to_owned()) })
}

fn challenge_key(record: &ChallengeRecord) -> String {
    // A value may be long and of any octets; its hash is neither. Two orders of one name may have the same value.
    let of_owner = [record.value.as_bytes(), record.owner.as_str().as_bytes()].concat();
    format!("{} {}", record.name, &records::sha256_hex(&of_owner)[..32])
}

/// The keys of the challenge records that a state has in the store.
fn challenge_keys(state: &State) -> BTreeSet<String> {
    state.records().iter().map(challenge_key).collect()
}
