//! The journal of an order, laid on the store.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use fleetcert_acme::order::State;
use fleetcert_acme::{Entry, Journal, JournalError};
use fleetcert_dns::challenge::ChallengeRecord;
use fleetcert_names::HostName;
use fleetcert_schedule::budget::{Denied, Leave};
use fleetcert_store::{Expect, Record, Transaction, Version};
use tokio::sync::Mutex;

use crate::budgets::{Change, Committed, Decision, Holding, Settlement, decide, refused};
use crate::records::{self, CHALLENGES, DEVICES, ORDERS, OrderRecord};
use crate::{Engine, EngineError};

/// Writes each state before its step is taken, and the challenge records beside it.
///
/// The version that it last wrote is the fence: when somebody else has taken the order over, the next write
/// fails, and no step is taken after it. So it is when the device was suspended meanwhile, and when an entry is about
/// to send a newOrder that a limit of the CA forbids.
#[derive(Debug)]
pub(super) struct OrderJournal {
    engine: Engine,
    name: HostName,
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

/// Where an order stands when nobody drives it any more.
#[derive(Debug)]
pub(super) struct Last {
    pub record: OrderRecord,
    /// Its fence.
    pub version: Version,
    pub held_up: Option<HeldUp>,
}

impl OrderJournal {
    pub(super) fn new(
        engine: Engine,
        name: HostName,
        version: Version,
        device: Record,
        record: OrderRecord,
        lease: Duration,
    ) -> Self {
        let challenges = challenge_keys(&record.state);
        let written = Mutex::new(Written { version, record, challenges, held_up: None });
        Self { engine, name, device, lease, written }
    }

    /// Holds what the order needs that is taken up where it stands. A newOrder that may have been sent counts as sent,
    /// and the next one costs again.
    pub(super) async fn take_up(&self) -> Result<(), JournalError> {
        let mut written = self.written.lock().await;
        let state = written.record.state.clone();
        let change = self.taking_up(&written.record).await.map_err(JournalError::new)?;
        match change {
            Some((change, settle)) => self.write(&mut written, &state, change, settle, state.clone()).await,
            None => Ok(()),
        }
    }

    async fn taking_up(
        &self,
        record: &OrderRecord,
    ) -> Result<Option<(Change, Option<Settlement>)>, EngineError> {
        let order = record.state.order();
        let reserve = match (&record.state, &record.holding) {
            (State::Ordering { .. }, _) => self.engine.holding_to_order(&self.name, order).await?,
            (State::Ordered(_) | State::Publishing { .. } | State::Visible(_) | State::Answered(_), None) => {
                self.engine.holding_of_placed(&self.name, order).await?
            }
            _ => return Ok(None),
        };
        let settle = record.holding.as_ref().map(|_| Settlement::Lost);
        let leave = self.leave(record);
        Ok(Some((change(record, settle.clone(), Some(reserve), leave), settle)))
    }

    /// How much of the shared buckets it leaves to orders that are more urgent.
    fn leave(&self, record: &OrderRecord) -> Leave {
        self.engine.leave(record.lane(self.engine.now()))
    }

    /// The order as it was last written.
    pub(super) fn into_last(self) -> Last {
        let Written { version, record, held_up, .. } = self.written.into_inner();
        Last { record, version, held_up }
    }

    /// Writes `state` and what it does to the budgets. When a limit forbids it, the order stands at `otherwise`.
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
        let due = Some(self.engine.now() + self.lease);
        let order = Transaction::new().put(
            ORDERS,
            self.name.as_str(),
            Expect::Version(written.version),
            records::encode(&record),
            due,
        );
        let order = order.check(DEVICES, &self.device.key, Expect::Version(self.device.version));
        let (write, challenges) = with_challenges(order, state.records(), &written.challenges);
        let committed = self.engine.commit_with(write, &change).await.map_err(JournalError::new)?;
        if change.reserve.is_some() {
            self.engine.waiting().reserved(self.name.as_str());
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
                let reserve = self.engine.holding_to_order(&self.name, state.order()).await;
                (before, Some(reserve.map_err(JournalError::new)?))
            }
        };
        let was_ordering = matches!(record.state, State::Ordering { .. });
        let mut change = change(record, settle.clone(), reserve, self.leave(record));
        if let (true, Some(fault), Some(holding)) = (was_ordering, fault, &record.holding) {
            let limits = self.engine.limits().await.map_err(JournalError::new)?;
            change.refused = refused(fault, holding, &limits, self.engine.now());
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
