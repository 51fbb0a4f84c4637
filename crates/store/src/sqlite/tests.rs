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
async fn conforms() {
    let folder = folder();
    let store = SqliteStore::open(&folder.path().join("store.db")).unwrap();
    crate::conformance::check(&store).await.unwrap();
}

#[tokio::test]
async fn what_was_committed_is_there_after_opening_again() {
    let folder = folder();
    let path = folder.path().join("store.db");
    let version = SqliteStore::open(&path).unwrap().commit(put("a")).await.unwrap();
    let again = SqliteStore::open(&path).unwrap();
    let record = again.read(THINGS, "a").await.unwrap().unwrap();
    assert_eq!((record.version, record.value.as_slice()), (version, b"value".as_slice()));
    assert!(again.commit(put("b")).await.unwrap() > version, "versions go on");
}

#[tokio::test]
async fn a_conflict_spoils_nobody_elses_commit_in_the_same_group() {
    let folder = folder();
    let store = Arc::new(SqliteStore::open(&folder.path().join("store.db")).unwrap());
    let commits: Vec<_> = (0..200)
        .map(|index| {
            let store = Arc::clone(&store);
            // Each key is asked for twice: one of the two must win and the other must not.
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
fn the_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    let path = folder.path().join("store.db");
    let _store = SqliteStore::open(&path).unwrap();
    assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn no_foreign_file_is_taken() {
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
