//! A write of an order, and what it does to the budgets, at once.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use fleetcert_acme::NamePause;
use fleetcert_names::HostName;
use fleetcert_schedule::budget::{
    Account, BucketKey, Charges, Correction, Denied, DeniedBy, HELD_TOKEN_RETRY, Leave, Limit, Outcome,
    Refusal,
};
use fleetcert_store::{Transaction, Version};

use super::rows::Rows;
use super::{Holding, Settlement};
use crate::{Engine, EngineError, EngineErrorKind, Event};

/// What a write does to the budgets.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    /// What was held, and what becomes of it.
    pub settle: Option<(Holding, Settlement)>,
    /// What is to be held from now on, all of it or the write is not made.
    pub reserve: Option<Holding>,
    /// How much of the shared buckets it must leave to others.
    pub leave: Leave,
    /// What the CA said of a limit.
    pub refused: Option<Refused>,
}

/// What the CA said when it refused an order.
#[derive(Clone, Debug)]
pub(crate) enum Refused {
    /// A limit is reached.
    Limit {
        /// The bucket.
        key: BucketKey,
        /// What is known of it now.
        refusal: Refusal,
    },
    /// The names are paused for the account; not before `until` is the CA to be asked for them again.
    Paused {
        /// The buckets of their failures in a row.
        keys: Vec<BucketKey>,
        /// What it said.
        pause: NamePause,
        /// When to look again.
        until: SystemTime,
    },
}

/// What became of a write.
#[derive(Debug)]
pub(crate) enum Committed {
    /// It was made.
    Written(Version),
    /// A limit of the CA holds the order back; nothing was written.
    Denied {
        /// Which, and why.
        denied: Denied,
        /// When to try again.
        until: SystemTime,
    },
}

/// Somebody else's write of the same row costs one try; each failed try of ours is a success of somebody else's.
const TRIES: u32 = 32;
/// The longest pause before a try.
const PAUSE: Duration = Duration::from_millis(40);

impl Default for Change {
    fn default() -> Self {
        Self { settle: None, reserve: None, leave: Leave::NOTHING, refused: None }
    }
}

impl Change {
    /// Whether tokens of shared buckets may be free after it that were held.
    fn gives_back(&self) -> bool {
        match &self.settle {
            None | Some((_, Settlement::Ordered | Settlement::End(Outcome::Done))) => false,
            Some((_, Settlement::Release | Settlement::Lost | Settlement::End(_))) => true,
        }
    }

    fn keys(&self) -> BTreeSet<BucketKey> {
        let mut keys = BTreeSet::new();
        for holding in self.settle.iter().map(|(holding, _)| holding).chain(&self.reserve) {
            keys.extend(holding.charges().iter().flat_map(Charges::keys).cloned());
        }
        match &self.refused {
            Some(Refused::Limit { key, .. }) => keys.extend([key.clone()]),
            Some(Refused::Paused { keys: paused, .. }) => keys.extend(paused.iter().cloned()),
            None => {}
        }
        keys
    }
}

impl Engine {
    /// Makes `write` and the change to the budgets in one transaction.
    ///
    /// # Errors
    /// A conflict when something other than a budget was not as expected.
    pub(crate) async fn commit_with(
        &self,
        write: Transaction,
        change: &Change,
    ) -> Result<Committed, EngineError> {
        let keys = change.keys();
        if keys.is_empty() {
            return Ok(Committed::Written(self.parts().store.commit(write).await?));
        }
        let _turn = match keys.iter().any(|key| key.kind().is_shared()) {
            true => Some(self.budgets().turn.lock().await),
            false => None,
        };
        let mut before = None;
        for attempt in 0..TRIES {
            let now = self.now();
            let mut rows = self.rows(keys.iter().cloned(), self.limits().await?, now).await?;
            let versions = rows.versions();
            let learned = match apply(&mut rows, change, now) {
                Ok(learned) => learned,
                Err(denied) => {
                    let until = until(&denied, &rows, now);
                    return Ok(Committed::Denied { denied, until });
                }
            };
            let with_rows = self.with_learned(write.clone(), learned.as_ref(), now);
            match self.parts().store.commit(rows.with_writes(with_rows, now)).await {
                Ok(version) => {
                    if change.gives_back() {
                        self.waiting().look_again();
                    }
                    self.told_of(change, learned.as_ref()).await;
                    return Ok(Committed::Written(version));
                }
                // The rows are as they were: then it was the order, or its device.
                Err(error) if !error.is_conflict() || before.as_ref() == Some(&versions) => {
                    return Err(error.into());
                }
                Err(_) => before = Some(versions),
            }
            let longest = PAUSE / TRIES * (attempt + 1);
            let part = u32::try_from(self.random() % 1000).unwrap_or_default();
            self.parts().ambient.clock.sleep(longest / 1000 * part).await;
        }
        Err(EngineError::new(EngineErrorKind::Unavailable, "too many orders of other nodes at the same time"))
    }

    /// As [`commit_with`](Self::commit_with), for what reserves nothing.
    pub(crate) async fn commit_settling(
        &self,
        write: Transaction,
        change: &Change,
    ) -> Result<Version, EngineError> {
        match self.commit_with(write, change).await? {
            Committed::Written(version) => Ok(version),
            Committed::Denied { denied, .. } => Err(EngineError::new(EngineErrorKind::Unavailable, denied)),
        }
    }

    async fn told_of(&self, change: &Change, learned: Option<&Learned>) {
        if let Some(Learned { key, limit }) = learned {
            self.forget_limits().await;
            self.notify(&Event::LimitLearned { key, limit: *limit });
        }
        match &change.refused {
            Some(Refused::Limit { key, refusal }) => {
                self.notify(&Event::LimitReached { key, retry_after: refusal.retry_after });
            }
            Some(Refused::Paused { keys, pause, until }) => {
                for key in keys {
                    if let BucketKey::FailedAuthorizationsForPausingPerDomainPerAccount(_, name) = key {
                        self.notify(&Event::NamePaused { name, pause, until: *until });
                    }
                }
            }
            None => {}
        }
    }
}

/// When to try again what was denied.
fn until(denied: &Denied, rows: &Rows, now: SystemTime) -> SystemTime {
    let until = match denied.by() {
        DeniedBy::Paused { account, name } => rows.paused_until(&pausing(account.clone(), name.clone())),
        _ => denied.retry_at(),
    };
    let until = until.unwrap_or(now + HELD_TOKEN_RETRY);
    // The store keeps whole milliseconds, rounded down.
    until.checked_add(Duration::from_millis(1)).unwrap_or(until)
}

/// What the CA said of a limit that we took for another.
#[derive(Debug)]
pub(super) struct Learned {
    pub(super) key: BucketKey,
    pub(super) limit: Limit,
}

fn apply(rows: &mut Rows, change: &Change, now: SystemTime) -> Result<Option<Learned>, Denied> {
    if let Some((holding, settlement)) = &change.settle {
        settle(rows, holding, settlement, now);
    }
    if let Some(charges) = change.reserve.as_ref().and_then(Holding::charges) {
        // From now on the rows and the order's record hold it.
        let _reservation = rows.budgets.reserve_leaving(&charges, change.leave, now)?;
    }
    match &change.refused {
        Some(Refused::Limit { key, refusal }) => {
            let corrected = rows.budgets.correct(key, *refusal, now);
            let learned = corrected.and_then(|Correction { learned }| learned);
            Ok(learned.map(|limit| Learned { key: key.clone(), limit }))
        }
        Some(Refused::Paused { keys, until, .. }) => {
            keys.iter().for_each(|key| rows.set_paused(key, Some(*until)));
            Ok(None)
        }
        None => Ok(None),
    }
}

fn settle(rows: &mut Rows, holding: &Holding, settlement: &Settlement, now: SystemTime) {
    let Some(mut reservation) = holding.reservation() else { return };
    let budgets = &mut rows.budgets;
    match settlement {
        Settlement::Ordered => {
            budgets.ordered(&mut reservation, now);
            return;
        }
        Settlement::Release => budgets.release(reservation, now),
        Settlement::Lost => {
            budgets.ordered(&mut reservation, now);
            budgets.release(reservation, now);
        }
        Settlement::End(outcome) => budgets.commit(reservation, outcome, now),
    }
    if holding.validated {
        for name in holding.names() {
            rows.budgets.validated(&holding.account(), name);
            rows.set_paused(&pausing(holding.account(), name.clone()), None);
        }
    }
}

/// The bucket of a name's failures in a row.
pub(super) fn pausing(account: Account, name: HostName) -> BucketKey {
    BucketKey::FailedAuthorizationsForPausingPerDomainPerAccount(account, name)
}
