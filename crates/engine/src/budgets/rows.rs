//! The rows of the buckets that one order touches.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use fleetcert_schedule::budget::{Bucket, BucketKey, Budgets, Limit, Limits, Row, Rule};
use fleetcert_store::{Expect, Store, Transaction, Version};
use serde::{Deserialize, Serialize};

use super::StoreKeys;
use crate::EngineError;
use crate::records::{self, BUDGETS};

/// One bucket as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredRow {
    /// Time at which it is full, in nanoseconds since 1970.
    full_at: i64,
    /// Tokens that orders in flight hold.
    held: u32,
    /// End of a pause of the name by the CA, on the bucket of consecutive failures: no order is sent before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused_until: Option<SystemTime>,
}

impl StoredRow {
    const UNTOUCHED: Self = Self { full_at: Bucket::FULL.unix_nanos(), held: 0, paused_until: None };

    fn bucket(&self) -> Bucket {
        Bucket::full_at_unix_nanos(self.full_at)
    }

    /// Returns whether it says no more than a missing row would.
    pub(crate) fn is_untouched(&self, now: SystemTime) -> bool {
        let paused = self.paused_until.is_some_and(|until| until > now);
        self.held == 0 && self.bucket().is_full(now) && !paused
    }

    /// Returns when the sweeper may delete it; never while tokens are held.
    fn due(&self) -> Option<SystemTime> {
        let full_at = u64::try_from(self.full_at).map(Duration::from_nanos).unwrap_or_default();
        let full_at = SystemTime::UNIX_EPOCH.checked_add(full_at);
        (self.held == 0).then(|| full_at.max(self.paused_until)).flatten()
    }
}

/// Some buckets as they are stored, and the changes to them.
#[derive(Debug)]
pub(super) struct Rows {
    pub(super) budgets: Budgets,
    found: BTreeMap<BucketKey, Found>,
}

#[derive(Debug)]
struct Found {
    store_key: String,
    version: Option<Version>,
    row: StoredRow,
    paused_until: Option<SystemTime>,
}

impl Rows {
    /// Reads the rows of `keys` into budgets that hold nothing else.
    pub(super) async fn read(
        store: &dyn Store,
        store_keys: &StoreKeys,
        keys: impl IntoIterator<Item = BucketKey>,
        limits: Limits,
        now: SystemTime,
    ) -> Result<Self, EngineError> {
        let mut found = BTreeMap::new();
        for key in keys {
            let store_key = store_keys.of(&key.to_string());
            let stored = store.read(BUDGETS, &store_key).await?;
            let row: StoredRow =
                stored.as_ref().map(records::decode).transpose()?.unwrap_or(StoredRow::UNTOUCHED);
            let (version, paused_until) = (stored.map(|stored| stored.version), row.paused_until);
            found.insert(key, Found { store_key, version, row, paused_until });
        }
        let mut budgets = Budgets::new(limits, found.len());
        for (key, Found { row, .. }) in &found {
            // There is room for each.
            let _ = budgets.restore(Row { key: key.clone(), bucket: row.bucket(), held: row.held }, now);
            if let BucketKey::FailedAuthorizationsForPausingPerDomainPerAccount(account, name) = key
                && row.paused_until.is_some_and(|until| until > now)
            {
                budgets.pause(account.clone(), name.clone());
            }
        }
        Ok(Self { budgets, found })
    }

    /// Counts `tokens` more of each bucket as held.
    pub(super) fn hold_more(&mut self, tokens: impl Fn(&Limit) -> u32, now: SystemTime) {
        for (key, Found { row, .. }) in &self.found {
            let Rule::Limited(limit) = self.budgets.limits().rule_for(key) else { continue };
            let held = row.held.saturating_add(tokens(&limit));
            let _ = self.budgets.restore(Row { key: key.clone(), bucket: row.bucket(), held }, now);
        }
    }

    /// Returns the versions of the rows. Equal versions mean equal rows.
    pub(super) fn versions(&self) -> Vec<Option<Version>> {
        self.found.values().map(|found| found.version).collect()
    }

    /// Returns when the pause of a name ends.
    pub(super) fn paused_until(&self, key: &BucketKey) -> Option<SystemTime> {
        self.found.get(key).and_then(|found| found.paused_until)
    }

    pub(super) fn set_paused(&mut self, key: &BucketKey, until: Option<SystemTime>) {
        if let Some(found) = self.found.get_mut(key) {
            found.paused_until = until;
        }
    }

    /// Adds the changed rows to a transaction. Each must still be as it was read. A row that says nothing is deleted.
    pub(super) fn with_writes(self, mut write: Transaction, now: SystemTime) -> Transaction {
        for (key, found) in self.found {
            let row = self.budgets.row(&key).map_or(StoredRow::UNTOUCHED, |row| StoredRow {
                full_at: row.bucket.unix_nanos(),
                held: row.held,
                paused_until: None,
            });
            let row = StoredRow { paused_until: found.paused_until, ..row };
            let expect = found.version.map_or(Expect::Absent, Expect::Version);
            write = match (row.is_untouched(now), found.version) {
                (true, None) => write.check(BUDGETS, found.store_key, expect),
                (true, Some(_)) => write.delete(BUDGETS, found.store_key, expect),
                (false, _) if row == found.row => write.check(BUDGETS, found.store_key, expect),
                (false, _) => {
                    let due = row.due();
                    write.put(BUDGETS, found.store_key, expect, records::encode(&row), due)
                }
            };
        }
        write
    }
}
