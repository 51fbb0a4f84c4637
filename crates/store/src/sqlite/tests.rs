use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::{Expect, StoreErrorKind};

const THINGS: Collection = Collection::new("thing");

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn put(key: &str) -> Transaction {
    Transaction::new().put(THINGS, key, Expect::Absent, b"value".to_vec(), None)
}

#[tokio::test]
async fn store_passes_the_conformance_suite() {
    let folder = folder();
    let store = SqliteStore::open(&folder.path().join("store.db")).unwrap();
    crate::conformance::check(Arc::new(store)).await.unwrap();
}

/// Sends calls to two stores in turn, like calls of two processes.
#[derive(Debug)]
struct AlternatingStores([SqliteStore; 2], AtomicUsize);

impl AlternatingStores {
    fn next(&self) -> &SqliteStore {
        &self.0[self.1.fetch_add(1, Ordering::Relaxed) % 2]
    }
}

#[async_trait]
impl Store for AlternatingStores {
    async fn read(&self, collection: Collection, key: &str) -> Result<Option<Record>, StoreError> {
        self.next().read(collection, key).await
    }

    async fn page(
        &self,
        collection: Collection,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        self.next().page(collection, after, limit).await
    }

    async fn commit(&self, transaction: Transaction) -> Result<Version, StoreError> {
        self.next().commit(transaction).await
    }

    async fn claim(
        &self,
        collection: Collection,
        now: SystemTime,
        until: SystemTime,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        self.next().claim(collection, now, until, limit).await
    }

    async fn count_due(
        &self,
        collection: Collection,
        time: SystemTime,
        limit: usize,
    ) -> Result<usize, StoreError> {
        self.next().count_due(collection, time, limit).await
    }
}

#[tokio::test]
async fn two_stores_on_one_file_conform_together() {
    let folder = folder();
    let path = folder.path().join("store.db");
    let stores = [SqliteStore::open(&path).unwrap(), SqliteStore::open(&path).unwrap()];
    crate::conformance::check(Arc::new(AlternatingStores(stores, AtomicUsize::new(0)))).await.unwrap();
}

#[test]
fn new_file_opened_several_times_at_once_is_set_up_once() {
    for _ in 0..10 {
        let folder = folder();
        let path = folder.path().join("store.db");
        let results: Vec<_> = std::thread::scope(|scope| {
            let open = || SqliteStore::open(&path).map(drop);
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(open)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(results.iter().all(Result::is_ok), "{results:?}");
    }
}

#[tokio::test]
async fn committed_record_survives_reopening() {
    let folder = folder();
    let path = folder.path().join("store.db");
    let version = SqliteStore::open(&path).unwrap().commit(put("a")).await.unwrap();
    let again = SqliteStore::open(&path).unwrap();
    let record = again.read(THINGS, "a").await.unwrap().unwrap();
    assert_eq!((record.version, record.value.as_slice()), (version, b"value".as_slice()));
    assert!(again.commit(put("b")).await.unwrap() > version, "versions continue to increase");
}

#[tokio::test]
async fn conflict_does_not_fail_other_commits_of_its_group() {
    let folder = folder();
    let store = Arc::new(SqliteStore::open(&folder.path().join("store.db")).unwrap());
    let commits: Vec<_> = (0..200)
        .map(|index| {
            let store = Arc::clone(&store);
            // Each key is requested twice: exactly one request must succeed.
            tokio::spawn(async move { store.commit(put(&format!("k{}", index / 2))).await })
        })
        .collect();
    let mut made = 0;
    for commit in commits {
        match commit.await.unwrap() {
            Ok(_) => made += 1,
            Err(error) => assert!(error.is_conflict(), "{error}"),
        }
    }
    assert_eq!(made, 100);
    assert_eq!(store.page(THINGS, None, 1000).await.unwrap().len(), 100);
}

#[cfg(unix)]
#[test]
fn file_is_readable_by_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    let path = folder.path().join("store.db");
    let _store = SqliteStore::open(&path).unwrap();
    assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn file_of_another_program_or_a_newer_version_is_rejected() {
    let folder = folder();
    let foreign = folder.path().join("foreign.db");
    Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE theirs (a)").unwrap();
    assert_eq!(SqliteStore::open(&foreign).unwrap_err().kind(), StoreErrorKind::Corrupt);

    let text = folder.path().join("notes.txt");
    std::fs::write(&text, "this is no database, but longer than one header of SQLite is".repeat(4)).unwrap();
    assert_eq!(SqliteStore::open(&text).unwrap_err().kind(), StoreErrorKind::Corrupt);
    assert!(std::fs::read_to_string(&text).unwrap().starts_with("this is no database"));

    let newer = folder.path().join("newer.db");
    drop(SqliteStore::open(&newer).unwrap());
    Connection::open(&newer).unwrap().pragma_update(None, "user_version", 2).unwrap();
    let error = SqliteStore::open(&newer).unwrap_err();
    assert!(error.to_string().contains("version 2"), "{error}");
}
