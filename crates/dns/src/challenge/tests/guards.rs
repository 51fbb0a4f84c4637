//! Who answers for a record: one guard, several, or the sweep.

use tokio::task::JoinHandle;

use super::*;
use crate::challenge::ChallengeError;

#[test]
fn all_of_it_can_go_to_another_task() {
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
async fn a_dropped_guard_leaves_orphans_to_the_sweep() {
    let backend = Arc::new(scripted());
    let all = challenges(&backend);
    drop(all.publish(vec![record("a", "1"), record("b", "2")]).await.unwrap());
    assert_eq!((backend.inner.record_sets(), all.orphans()), (2, 2));
    assert_eq!(all.sweep().await.unwrap(), 2);
    assert_eq!((backend.inner.record_sets(), all.orphans()), (0, 0));
    assert_eq!(all.sweep().await.unwrap(), 0);
}

#[tokio::test]
async fn what_a_journal_knows_is_taken_over_and_withdrawn() {
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
async fn the_last_of_two_guards_withdraws() {
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
async fn a_withdrawal_gives_back_what_was_taken_up_again() {
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

/// A sweep of two records that is under way, and the guard of one that was taken up again meanwhile.
async fn swept_and_taken_up(
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
async fn a_sweep_gives_back_what_was_taken_up_again() {
    let (backend, permits) = removing_by_permit();
    let all = challenges(&backend);
    let (sweep, taken_up) = swept_and_taken_up(&backend, &all).await;
    permits.add_permits(100);
    sweep.await.unwrap().unwrap();
    assert_eq!((backend.inner.record_sets(), all.orphans()), (1, 0));
    taken_up.wait_until_visible().await.unwrap();
    taken_up.withdraw().await.unwrap();
    assert_eq!(backend.inner.record_sets(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_sweep_that_cannot_give_back_has_swept_all_the_same() {
    let (backend, permits) = removing_by_permit();
    let all = challenges(&backend);
    let (sweep, taken_up) = swept_and_taken_up(&backend, &all).await;
    *backend.faults.lock() = vec![Fault::Error(BackendErrorKind::Refused), Fault::Pass];
    permits.add_permits(100);
    // The other record is settled, and no orphan is left. The guard that is there now answers for its own.
    assert_eq!(sweep.await.unwrap().unwrap(), 1);
    assert_eq!((backend.inner.record_sets(), all.orphans(), all.records_out()[0].records), (0, 0, 1));
    assert_eq!(backend.sizes(), [2, 2, 1]);
    taken_up.withdraw().await.unwrap();
}
