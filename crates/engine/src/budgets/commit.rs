//! What a write of an order does to the budgets.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use fleetcert_acme::NamePause;
use fleetcert_names::HostName;
use fleetcert_schedule::budget::{
    Account, BucketKey, Charges, Correction, Denied, DeniedBy, HELD_TOKEN_RETRY, Leave, Limit, Outcome,
    Refusal,
};
use fleetcert_store::Version;

use super::rows::Rows;
use super::{Holding, Settlement};

/// What a write does to the budgets.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    /// Tokens that were held, and what becomes of them.
    pub settle: Option<(Holding, Settlement)>,
    /// Tokens to hold from now on: all of them, or nothing is written.
    pub reserve: Option<Holding>,
    /// Part of the shared buckets that it must leave to others.
    pub leave: Leave,
    /// Limit that the CA stated in a refusal.
    pub refused: Option<Refused>,
}

/// A refusal of an order because of a limit.
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

/// The result of a write with a change to the budgets.
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

impl Default for Change {
    fn default() -> Self {
        Self { settle: None, reserve: None, leave: Leave::NOTHING, refused: None }
    }
}

impl Change {
    /// Returns whether it may free tokens of shared buckets.
    pub(crate) fn gives_back(&self) -> bool {
        match &self.settle {
            None | Some((_, Settlement::Ordered | Settlement::End(Outcome::Done))) => false,
            Some((_, Settlement::Release | Settlement::Lost | Settlement::End(_))) => true,
        }
    }

    pub(super) fn keys(&self) -> BTreeSet<BucketKey> {
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

/// Returns when to try again what was denied.
pub(super) fn retry_at(denied: &Denied, rows: &Rows, now: SystemTime) -> SystemTime {
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

pub(super) fn apply(rows: &mut Rows, change: &Change, now: SystemTime) -> Result<Option<Learned>, Denied> {
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
        for name in holding.names().bases() {
            rows.budgets.validated(&holding.account(), name);
            rows.set_paused(&pausing(holding.account(), name.clone()), None);
        }
    }
}

/// The bucket of a name's failures in a row.
pub(super) fn pausing(account: Account, name: HostName) -> BucketKey {
    BucketKey::FailedAuthorizationsForPausingPerDomainPerAccount(account, name)
}
