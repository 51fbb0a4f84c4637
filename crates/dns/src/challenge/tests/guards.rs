//! The withdrawal of a record by one guard, by the last of several, or by a sweep.

use tokio::task::JoinHandle;

use super::*;
use crate::challenge::ChallengeError;

#[test]
fn futures_are_send() {
    fn is_send<T: Send>(_: T) {}
    let all = challenges(&Arc::new(scripted()));
    is_send(all.publish(vec![]));
    is_send(all.withdraw(&[]));
    is_send(all.sweep());
    let guard = all.adopt(vec![]);
    is_send(guard.wait_until_visible());
    is_send(guard.withdraw());
}

#[tokio::test]
async fn dropped_guard_leaves_orphans_for_the_sweep() {
    let backend = Arc::new(scripted());
    let all = challenges(&backend);
    drop(all.publish(vec![record("a", "1"), record("b", "2")]).await.unwrap());
    assert_eq!((backend.inner.record_sets(), all.orphans()), (2, 2));
    assert_eq!(all.sweep().await.unwrap(), 2);
    assert_eq!((backend.inner.record_sets(), all.orphans()), (0, 0));
    assert_eq!(all.sweep().await.unwrap(), 0);
}

#[tokio::test]
async fn records_of_a_journal_are_adopted_and_withdrawn() {
    let backend = Arc::new(scripted());
    let before = challenges(&backend);
    let published = before.publish(vec![record("a", "1")]).await.unwrap();
    std::mem::forget(published); // as a crash does

    let all = challenges(&backend);
    let adopted: Published = all.adopt(vec![record("a", "1")]);
    assert_eq!(adopted.wait_until_visible().await.unwrap().len(), 1);
    drop(adopted);
    assert_eq!(all.orphans(), 1);
    all.withdraw(&[record("a", "1")]).await.unwrap();
    all.withdraw(&[record("a", "1")]).await.unwrap();
    assert_eq!((backend.inner.record_sets(), all.orphans()), (0, 0));
}

#[tokio::test]
async fn last_of_two_guards_withdraws() {
    let backend = Arc::new(scripted());
    let all = challenges(&backend);
    let old = all.publish(vec![record("a", "1")]).await.unwrap();
    let new = all.adopt(vec![record("a", "1")]);
    let newest = all.adopt(vec![record("a", "1")]);
    drop(old);
    assert_eq!(all.orphans(), 0);
    new.withdraw().await.unwrap();
    assert_eq!(backend.inner.record_sets(), 1);
    newest.withdraw().await.unwrap();
    assert_eq!(backend.inner.record_sets(), 0);
}

#[tokio::test]
async fn withdrawal_publishes_records_again_that_a_guard_took() {
    let (backend, permits) = removing_by_permit();
    let all = challenges(&backend);
    let old = all.publish(vec![record("a", "1"), record("b", "2")]).await.unwrap();
    let withdrawing = tokio::spawn(old.withdraw());
    while backend.sizes().len() < 2 {
        tokio::task::yield_now().await;
    }
    let taken_up = all.adopt(vec![record("a", "1")]);
    permits.add_permits(100);
    withdrawing.await.unwrap().unwrap();
    assert_eq!((backend.inner.record_sets(), all.orphans()), (1, 0));
    taken_up.wait_until_visible().await.unwrap();
    taken_up.withdraw().await.unwrap();
    assert_eq!(backend.inner.record_sets(), 0);
}

/// Starts a sweep of two records, and takes the guard of one of them meanwhile.
async fn sweep_and_take_one(
    backend: &Scripted,
    all: &Challenges,
) -> (JoinHandle<Result<usize, ChallengeError>>, Published) {
    drop(all.publish(vec![record("a", "1"), record("b", "2")]).await.unwrap());
    let sweep = tokio::spawn({
        let all = all.clone();
        async move { all.sweep().await }
    });
    while backend.sizes().len() < 2 {
        tokio::task::yield_now().await;
    }
    (sweep, all.adopt(vec![record("a", "1")]))
}

#[tokio::test]
async fn sweep_publishes_records_again_that_a_guard_took() {
    let (backend, permits) = removing_by_permit();
    let all = challenges(&backend);
    let (sweep, taken_up) = sweep_and_take_one(&backend, &all).await;
    permits.add_permits(100);
    sweep.await.unwrap().unwrap();
    assert_eq!((backend.inner.record_sets(), all.orphans()), (1, 0));
    taken_up.wait_until_visible().await.unwrap();
    taken_up.withdraw().await.unwrap();
    assert_eq!(backend.inner.record_sets(), 0);
}

#[tokio::test(start_paused = true)]
async fn sweep_succeeds_even_if_it_cannot_publish_again() {
    let (backend, permits) = removing_by_permit();
    let all = challenges(&backend);
    let (sweep, taken_up) = sweep_and_take_one(&backend, &all).await;
    *backend.faults.lock() = vec![Fault::Error(BackendErrorKind::Refused), Fault::Pass];
    permits.add_permits(100);
    // The other record is settled, and there is no orphan left. The new guard is responsible for its own record.
    assert_eq!(sweep.await.unwrap().unwrap(), 1);
    assert_eq!((backend.inner.record_sets(), all.orphans(), all.records_out()[0].records), (0, 0, 1));
    assert_eq!(backend.sizes(), [2, 2, 1]);
    taken_up.withdraw().await.unwrap();
}
