//! Records that come into the zone, or do not.

use super::*;

#[tokio::test]
async fn published_seen_withdrawn() {
    let backend = Arc::new(scripted());
    let all = challenges(&backend);
    let records = vec![record("a", "1"), record("a", "2"), record("b", "3"), record("a", "1")];
    let published = all.publish(records).await.unwrap();
    assert_eq!(published.records().len(), 3, "the same record twice is one");
    assert_eq!(published.wait_until_visible().await.unwrap().len(), 3);
    assert_eq!(backend.inner.record_sets(), 2);
    published.withdraw().await.unwrap();
    assert_eq!((backend.inner.record_sets(), all.orphans()), (0, 0));
    assert_eq!(backend.sizes(), [3, 3]);
}

#[tokio::test]
async fn changes_are_made_in_batches() {
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
async fn all_names_of_all_orders_are_one_call_for_each_zone() {
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
async fn a_cancelled_publication_leaves_orphans() {
    let backend = Arc::new(scripted().failing([Fault::Hang]));
    let all = challenges(&backend);
    let cancelled = timeout(&SystemClock, Duration::from_secs(1), all.publish(vec![record("a", "1")])).await;
    assert!(cancelled.is_err());
    assert_eq!((backend.inner.record_sets(), all.orphans()), (1, 1));
    assert_eq!(all.sweep().await.unwrap(), 0);
    assert_eq!((backend.inner.record_sets(), all.orphans()), (0, 1), "it may come yet");
    // And so it does.
    let (name, value, ttl) = (record("a", "1").name, "1".parse().unwrap(), crate::Ttl::CHALLENGE);
    backend
        .inner
        .apply(&"fleet.test".parse().unwrap(), &[Change::AddTxt { name, value, ttl }])
        .await
        .unwrap();
    late_changes_are_made().await;
    assert_eq!(all.sweep().await.unwrap(), 1);
    assert_eq!((backend.inner.record_sets(), all.orphans()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_publication_that_fails_half_way_leaves_orphans() {
    let backend = Arc::new(scripted().taking(1));
    *backend.faults.lock() = vec![Fault::Error(BackendErrorKind::Refused), Fault::Lie];
    let all = challenges(&backend);
    let error = all.publish(vec![record("a", "1"), record("b", "2")]).await.unwrap_err();
    assert_eq!(error.kind(), ChallengeErrorKind::NotPublished);
    assert_eq!(error.backend_error().unwrap().kind(), BackendErrorKind::Refused);
    assert_eq!(error.retry_after(), None);
    assert_eq!(all.orphans(), 2);
    late_changes_are_made().await;
    assert_eq!(all.sweep().await.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_cannot_now_is_asked_again() {
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
    // The value at `b` never came to be, but nobody can know that of a server that did not answer.
    assert_eq!(all.orphans(), 2);

    backend.faults.lock().clear();
    late_changes_are_made().await;
    assert_eq!(all.sweep().await.unwrap(), 2);
    assert_eq!((backend.inner.record_sets(), all.orphans()), (0, 0));
}

#[tokio::test]
async fn a_name_outside_its_zone_is_never_published() {
    let all = challenges(&Arc::new(scripted()));
    let stray = ChallengeRecord { zone: name("other.test"), ..record("a", "1") };
    let error = all.publish(vec![record("a", "1"), stray.clone()]).await.unwrap_err();
    assert_eq!(error.backend_error().unwrap().kind(), BackendErrorKind::NotInZone);
    assert_eq!(all.orphans(), 0);
    all.withdraw(&[stray]).await.unwrap();
}
