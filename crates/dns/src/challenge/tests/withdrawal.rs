//! Withdrawal of records from a failing server.

use super::*;

#[tokio::test(start_paused = true)]
async fn record_of_a_failed_attempt_is_withdrawn_twice() {
    let unavailable = Fault::Error(BackendErrorKind::Unavailable);
    let backend = Arc::new(scripted().failing([unavailable]));
    let all = challenges(&backend);
    let published = all.publish(vec![record("a", "1")]).await.unwrap();
    let start = tokio::time::Instant::now();
    published.withdraw().await.unwrap();
    let late = ChallengeOptions::default().late_changes_within;
    assert!(start.elapsed() > late - Duration::from_secs(1) && start.elapsed() <= late);
    // A failed attempt, a successful one, and two removals.
    assert_eq!((backend.sizes().len(), backend.inner.record_sets(), all.orphans()), (4, 0, 0));

    // A withdrawal that times out leaves the rest to a sweep.
    *backend.faults.lock() = vec![unavailable];
    let published = all.publish(vec![record("a", "1")]).await.unwrap();
    assert!(timeout(&SystemClock, Duration::from_secs(1), published.withdraw()).await.is_err());
    assert_eq!((backend.inner.record_sets(), all.orphans(), all.records_out()[0].records), (0, 1, 1));
    wait_for_late_changes().await;
    assert_eq!((all.sweep().await.unwrap(), all.records_out().len()), (1, 0));

    // After that time nothing is in doubt any more.
    *backend.faults.lock() = vec![unavailable];
    let published = all.publish(vec![record("a", "1")]).await.unwrap();
    wait_for_late_changes().await;
    let start = tokio::time::Instant::now();
    published.withdraw().await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(1));
    assert_eq!((backend.inner.record_sets(), all.orphans()), (0, 0));
    assert!(all.context.ledger.is_empty(), "the ledger forgets a record with its doubt");
}

#[tokio::test(start_paused = true)]
async fn withdrawal_is_verified_by_reading() {
    let backend = Arc::new(scripted());
    let all = challenges(&backend);
    let published = all.publish(vec![record("a", "1")]).await.unwrap();
    *backend.faults.lock() = vec![Fault::Lie; 3];
    published.withdraw().await.unwrap();
    assert_eq!((backend.inner.record_sets(), backend.sizes().len()), (0, 5));
}

#[tokio::test(start_paused = true)]
async fn cancelled_withdrawal_leaves_orphans() {
    let (backend, permits) = removing_by_permit();
    let all = challenges(&backend);
    let published = all.publish(vec![record("a", "1")]).await.unwrap();
    assert!(timeout(&SystemClock, Duration::from_secs(1), published.withdraw()).await.is_err());
    assert_eq!(all.orphans(), 1);
    let error = all.sweep().await.unwrap_err();
    assert_eq!((error.kind(), error.retry_after()), (ChallengeErrorKind::NotWithdrawn, Some(Duration::ZERO)));
    assert_eq!(all.orphans(), 1);
    permits.add_permits(1);
    assert_eq!(all.sweep().await.unwrap(), 1);
}

#[tokio::test]
async fn record_that_cannot_be_withdrawn_does_not_affect_others() {
    let backend = Arc::new(scripted().forbidding([(record("b", "2").name, BackendErrorKind::Refused)]));
    let all = challenges(&backend);
    let records = vec![record("a", "1"), record("b", "2"), record("c", "3")];
    for record in &records {
        let (name, value, ttl) = (record.name.clone(), record.value.clone(), crate::Ttl::CHALLENGE);
        backend.inner.apply(&record.zone, &[Change::AddTxt { name, value, ttl }]).await.unwrap();
    }
    drop(all.adopt(records));
    let error = all.sweep().await.unwrap_err();
    assert_eq!(error.unfinished().len(), 1);
    assert_eq!(error.to_string().matches("_acme-challenge.b.fleet.test").count(), 1, "{error}");
    assert_eq!((backend.inner.record_sets(), all.orphans()), (1, 1));
}
