//! A cache of budget rows.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use fleetcert_store::Version;
use parking_lot::Mutex;

use super::rows::StoredRow;

/// Maximum rows. Beyond it, the cache begins again.
const MAX_ROWS: usize = 4096;
/// Age from which a row is read again.
const MAX_AGE: Duration = Duration::from_secs(10);
/// Time for which rows are read each time after another node has written some.
const BYPASS_TIME: Duration = Duration::from_secs(60);

/// The rows as this process read or wrote them last, so that an attempt reads each of them once.
///
/// It saves reads and decides nothing: each write expects the versions of its rows, and a denial is confirmed by the
/// store. While several nodes write the same rows, they would fail to write them, so the cache is bypassed.
#[derive(Debug, Default)]
pub(super) struct RowCache(Mutex<CachedRows>);

#[derive(Debug, Default)]
struct CachedRows {
    rows: HashMap<String, CachedRow>,
    bypassed_until: Option<SystemTime>,
}

/// A row as it is stored.
#[derive(Clone, Debug)]
pub(super) struct CachedRow {
    pub(super) row: StoredRow,
    /// Version of the record; `None` if there is none.
    pub(super) version: Option<Version>,
    pub(super) known_at: SystemTime,
}

impl RowCache {
    /// Returns a row that is known well enough.
    pub(super) fn get(&self, store_key: &str, now: SystemTime) -> Option<CachedRow> {
        let cached = self.0.lock();
        if cached.bypassed_until.is_some_and(|until| now < until) {
            return None;
        }
        let known = cached.rows.get(store_key)?;
        now.duration_since(known.known_at).is_ok_and(|age| age < MAX_AGE).then(|| known.clone())
    }

    /// Notes rows that were read or written.
    pub(super) fn note(&self, rows: impl IntoIterator<Item = (String, CachedRow)>) {
        let mut cached = self.0.lock();
        if cached.rows.len() >= MAX_ROWS {
            cached.rows.clear();
        }
        cached.rows.extend(rows);
    }

    /// Forgets all rows.
    pub(super) fn clear(&self) {
        self.0.lock().rows.clear();
    }

    /// Bypasses the cache, because another node writes the rows as well.
    pub(super) fn bypass(&self, now: SystemTime) {
        self.0.lock().bypassed_until = now.checked_add(BYPASS_TIME);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_is_known_for_a_while_and_not_while_the_cache_is_bypassed() {
        let (cache, now) = (RowCache::default(), SystemTime::UNIX_EPOCH + BYPASS_TIME);
        let row = CachedRow { row: StoredRow::UNUSED, version: None, known_at: now };
        cache.note([("a".to_owned(), row.clone())]);
        assert!(cache.get("a", now).is_some() && cache.get("b", now).is_none());
        assert!(cache.get("a", now + MAX_AGE).is_none());
        // A clock that was set back knows nothing of its age.
        assert!(cache.get("a", now - MAX_AGE).is_none());
        cache.bypass(now);
        assert!(cache.get("a", now).is_none());
        cache.note([("a".to_owned(), CachedRow { known_at: now + BYPASS_TIME, ..row })]);
        assert!(cache.get("a", now + BYPASS_TIME).is_some());
        cache.clear();
        assert!(cache.get("a", now + BYPASS_TIME).is_none());
    }
}
