//! The rows of the buckets that one order touches.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use fleetcert_schedule::budget::{Bucket, BucketKey, Budgets, Limit, Limits, Row, Rule};
use fleetcert_store::{Expect, Store, Transaction, Version};
use serde::{Deserialize, Serialize};

use super::StoreKeys;
use super::row_cache::{CachedRow, RowCache};
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
    pub(super) const UNUSED: Self = Self { full_at: Bucket::FULL.unix_nanos(), held: 0, paused_until: None };

    fn bucket(&self) -> Bucket {
        Bucket::full_at_unix_nanos(self.full_at)
    }

    /// Returns whether it says no more than a missing row would.
    pub(crate) fn is_unused(&self, now: SystemTime) -> bool {
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
    /// Whether a row comes from the cache.
    pub(super) are_cached: bool,
    found: BTreeMap<BucketKey, Found>,
}

#[derive(Debug)]
struct Found {
    store_key: String,
    version: Option<Version>,
    row: StoredRow,
    paused_until: Option<SystemTime>,
}

/// Where rows are read.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowSource<'a> {
    pub(super) store: &'a dyn Store,
    pub(super) store_keys: &'a StoreKeys,
    pub(super) cache: &'a RowCache,
    /// Whether rows may come from the cache.
    pub(super) may_be_cached: bool,
}

impl RowSource<'_> {
    /// Returns a row, and whether it comes from the cache.
    async fn read(&self, store_key: &str, now: SystemTime) -> Result<(CachedRow, bool), EngineError> {
        if let Some(known) = self.cache.get(store_key, now).filter(|_| self.may_be_cached) {
            return Ok((known, true));
        }
        let stored = self.store.read(BUDGETS, store_key).await?;
        let row = stored.as_ref().map(records::decode).transpose()?.unwrap_or(StoredRow::UNUSED);
        let read = CachedRow { row, version: stored.map(|stored| stored.version), known_at: now };
        self.cache.note([(store_key.to_owned(), read.clone())]);
        Ok((read, false))
    }
}

/// What a transaction makes of a row.
#[derive(Debug)]
enum RowWrite {
    Unchanged(Option<Version>),
    Written,
    Deleted,
}

/// The rows after a transaction, if it is committed.
#[derive(Debug)]
pub(super) struct RowsAfter(Vec<(String, StoredRow, RowWrite)>);

impl RowsAfter {
    /// Returns the rows for the cache, after a commit that had this version.
    pub(super) fn committed(self, committed: Version, now: SystemTime) -> Vec<(String, CachedRow)> {
        let cached = |(key, row, write): (String, StoredRow, RowWrite)| {
            let (row, version) = match write {
                RowWrite::Unchanged(version) => (row, version),
                RowWrite::Written => (row, Some(committed)),
                RowWrite::Deleted => (StoredRow::UNUSED, None),
            };
            (key, CachedRow { row, version, known_at: now })
        };
        self.0.into_iter().map(cached).collect()
    }
}

impl Rows {
    /// Reads the rows of `keys` into budgets that hold nothing else.
    pub(super) async fn read(
        source: RowSource<'_>,
        keys: impl IntoIterator<Item = BucketKey>,
        limits: Limits,
        now: SystemTime,
    ) -> Result<Self, EngineError> {
        let (mut found, mut are_cached) = (BTreeMap::new(), false);
        for key in keys {
            let store_key = source.store_keys.of(&key.to_string());
            let (CachedRow { row, version, .. }, is_cached) = source.read(&store_key, now).await?;
            are_cached |= is_cached;
            let paused_until = row.paused_until;
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
        Ok(Self { budgets, are_cached, found })
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
    pub(super) fn with_writes(self, mut write: Transaction, now: SystemTime) -> (Transaction, RowsAfter) {
        let mut after = Vec::new();
        for (key, found) in self.found {
            let row = self.budgets.row(&key).map_or(StoredRow::UNUSED, |row| StoredRow {
                full_at: row.bucket.unix_nanos(),
                held: row.held,
                paused_until: None,
            });
            let row = StoredRow { paused_until: found.paused_until, ..row };
            let expect = found.version.map_or(Expect::Absent, Expect::Version);
            let (with_row, change) = match (row.is_unused(now), found.version) {
                (true, Some(_)) => (write.delete(BUDGETS, &found.store_key, expect), RowWrite::Deleted),
                (false, _) if row != found.row => {
                    let due = row.due();
                    let value = records::encode(&row);
                    (write.put(BUDGETS, &found.store_key, expect, value, due), RowWrite::Written)
                }
                _ => (write.check(BUDGETS, &found.store_key, expect), RowWrite::Unchanged(found.version)),
            };
            write = with_row;
            let row = if matches!(change, RowWrite::Written) { row } else { found.row };
            after.push((found.store_key, row, change));
        }
        (write, RowsAfter(after))
    }
}
