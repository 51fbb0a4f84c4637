//! Publication of records.

use super::*;

#[tokio::test]
async fn record_is_published_seen_and_withdrawn() {
    let backend = Arc::new(scripted());
    let all = challenges(&backend);
    let records = vec![record("a", "1"), record("a", "2"), record("b", "3"), record("a", "1")];
    let published = all.publish(records).await.unwrap();
    assert_eq!(published.records().len(), 3, "duplicates are removed");
    assert_eq!(published.wait_until_visible().await.unwrap().len(), 3);
    assert_eq!(backend.inner.record_sets(), 2);
    published.withdraw().await.unwrap();
    assert_eq!((backend.inner.record_sets(), all.orphans()), (0, 0));
    assert_eq!(backend.sizes(), [3, 3]);
}

#[tokio::test]
async fn publication_is_batched_by_the_maximum_of_a_call() {
    let backend = Arc::new(scripted().taking(10));
    let records =
        (0..25).map(|number| record("a", &number.to_string())).chain([record_in("other.test", "a", "1")]);
    let published = challenges(&backend).publish(records.collect()).await.unwrap();
    let mut calls = backend.sizes();
    calls.sort_unstable();
    assert_eq!(calls, [1, 5, 10, 10]);
    published.withdraw().await.unwrap();
    assert_eq!(backend.inner.record_sets(), 0);
}

#[tokio::test]
async fn records_of_one_zone_share_a_call() {
    let backend = Arc::new(scripted());
    let all = challenges(&backend);
    let of_zone =
        |zone: &'static str| (0..300).map(move |number| record_in(zone, &format!("d{number}"), "1"));
    let published = all.publish(of_zone("fleet.test").chain(of_zone("other.test")).collect()).await.unwrap();
    assert_eq!(published.wait_until_visible().await.unwrap().len(), 600);
    published.withdraw().await.unwrap();
    assert_eq!(backend.sizes(), [300, 300, 300, 300]);
    assert_eq!(backend.inner.record_sets(), 0);
}

#[tokio::test(start_paused = true)]
async fn cancelled_publication_leaves_orphans() {
    let backend = Arc::new(scripted().failing([Fault::Hang]));
    let all = challenges(&backend);
    let cancelled = timeout(&SystemClock, Duration::from_secs(1), all.publish(vec![record("a", "1")])).await;
    assert!(cancelled.is_err());
    assert_eq!((backend.inner.record_sets(), all.orphans()), (1, 1));
    assert_eq!(all.sweep().await.unwrap(), 0);
    assert_eq!((backend.inner.record_sets(), all.orphans()), (0, 1), "it may still appear");
    // And it does.
    let (name, value, ttl) = (record("a", "1").name, "1".parse().unwrap(), crate::Ttl::CHALLENGE);
    backend
        .inner
        .apply(&"fleet.test".parse().unwrap(), &[Change::AddTxt { name, value, ttl }])
        .await
        .unwrap();
    wait_for_late_changes().await;
    assert_eq!(all.sweep().await.unwrap(), 1);
    assert_eq!((backend.inner.record_sets(), all.orphans()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn publication_that_fails_halfway_leaves_orphans() {
    let backend = Arc::new(scripted().taking(1));
    *backend.faults.lock() = vec![Fault::Error(BackendErrorKind::Refused), Fault::Lie];
    let all = challenges(&backend);
    let error = all.publish(vec![record("a", "1"), record("b", "2")]).await.unwrap_err();
    assert_eq!(error.kind(), ChallengeErrorKind::NotPublished);
    assert_eq!(error.backend_error().unwrap().kind(), BackendErrorKind::Refused);
    assert_eq!(error.retry_after(), None);
    assert_eq!(all.orphans(), 2);
    wait_for_late_changes().await;
    assert_eq!(all.sweep().await.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn unavailable_server_is_retried() {
    let unavailable = Fault::Error(BackendErrorKind::Unavailable);
    let backend = Arc::new(scripted().failing([unavailable, Fault::Error(BackendErrorKind::Quota)]));
    let all = challenges(&backend);
    let published = all.publish(vec![record("a", "1")]).await.unwrap();
    assert_eq!(backend.sizes().len(), 3);

    *backend.faults.lock() = vec![unavailable; 1000];
    let error = all.publish(vec![record("b", "2")]).await.unwrap_err();
    assert_eq!(error.backend_error().unwrap().kind(), BackendErrorKind::Unavailable);
    let error = published.withdraw().await.unwrap_err();
    assert_eq!(error.kind(), ChallengeErrorKind::NotWithdrawn);
    assert_eq!(error.unfinished()[0].record.value, "1".parse().unwrap());
    // The value at `b` was never published, but a server that did not answer leaves this unknown.
    assert_eq!(all.orphans(), 2);

    backend.faults.lock().clear();
    wait_for_late_changes().await;
    assert_eq!(all.sweep().await.unwrap(), 2);
    assert_eq!((backend.inner.record_sets(), all.orphans()), (0, 0));
}

#[tokio::test]
async fn name_outside_its_zone_is_never_published() {
    let all = challenges(&Arc::new(scripted()));
    let stray = ChallengeRecord { zone: name("other.test"), ..record("a", "1") };
    let error = all.publish(vec![record("a", "1"), stray.clone()]).await.unwrap_err();
    assert_eq!(error.backend_error().unwrap().kind(), BackendErrorKind::NotInZone);
    assert_eq!(all.orphans(), 0);
    all.withdraw(&[stray]).await.unwrap();
}
