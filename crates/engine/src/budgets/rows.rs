//! The rows of the buckets that one order touches.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use fleetcert_schedule::budget::{Bucket, BucketKey, Budgets, Limit, Limits, Row, Rule};
use fleetcert_store::{Expect, Transaction, Version};
use serde::{Deserialize, Serialize};

use crate::records::{self, BUDGETS};
use crate::{Engine, EngineError};

/// One bucket as the store has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredRow {
    /// When it is full, in nanoseconds since 1970.
    full_at: i64,
    /// How many tokens orders under way hold.
    held: u32,
    /// On the bucket of failures in a row: the CA has paused the name, and before this it is not asked again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused_until: Option<SystemTime>,
}

impl StoredRow {
    const UNTOUCHED: Self = Self { full_at: Bucket::FULL.unix_nanos(), held: 0, paused_until: None };

    fn bucket(&self) -> Bucket {
        Bucket::full_at_unix_nanos(self.full_at)
    }

    /// Whether it says no more than no row would.
    pub(crate) fn is_untouched(&self, now: SystemTime) -> bool {
        let paused = self.paused_until.is_some_and(|until| until > now);
        self.held == 0 && self.bucket().is_full(now) && !paused
    }

    /// When the sweeper may look whether it can be forgotten. While something is held, never.
    fn due(&self) -> Option<SystemTime> {
        let full_at = u64::try_from(self.full_at).map(Duration::from_nanos).unwrap_or_default();
        let full_at = SystemTime::UNIX_EPOCH.checked_add(full_at);
        (self.held == 0).then(|| full_at.max(self.paused_until)).flatten()
    }
}

/// What the store says of some buckets, and what becomes of it.
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

impl Engine {
    /// The rows of `keys`, laid into budgets that hold nothing else.
    pub(super) async fn rows(
        &self,
        keys: impl IntoIterator<Item = BucketKey>,
        limits: Limits,
        now: SystemTime,
    ) -> Result<Rows, EngineError> {
        let mut found = BTreeMap::new();
        for key in keys {
            let store_key = self.budgets().store_key(&key.to_string());
            let stored = self.parts().store.read(BUDGETS, &store_key).await?;
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
        Ok(Rows { budgets, found })
    }
}

impl Rows {
    /// Counts so many tokens more of each bucket as held.
    pub(super) fn hold_more(&mut self, tokens: impl Fn(&Limit) -> u32, now: SystemTime) {
        for (key, Found { row, .. }) in &self.found {
            let Rule::Limited(limit) = self.budgets.limits().rule_for(key) else { continue };
            let held = row.held.saturating_add(tokens(&limit));
            let _ = self.budgets.restore(Row { key: key.clone(), bucket: row.bucket(), held }, now);
        }
    }

    /// Which transactions wrote the rows: as long as it is the same, so are they.
    pub(super) fn versions(&self) -> Vec<Option<Version>> {
        self.found.values().map(|found| found.version).collect()
    }

    /// Until when the CA is not to be asked for a paused name.
    pub(super) fn paused_until(&self, key: &BucketKey) -> Option<SystemTime> {
        self.found.get(key).and_then(|found| found.paused_until)
    }

    pub(super) fn set_paused(&mut self, key: &BucketKey, until: Option<SystemTime>) {
        if let Some(found) = self.found.get_mut(key) {
            found.paused_until = until;
        }
    }

    /// Adds the rows that have changed: each must still be as it was read. One that says nothing any more goes.
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
