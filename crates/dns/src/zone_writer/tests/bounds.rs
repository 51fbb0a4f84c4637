//! Limits of batches and of the queue, and the memory of idle zones.

use super::super::pace::IDLE_LIMIT;
use super::*;

#[tokio::test]
async fn batch_is_bounded_by_its_octets() {
    let options = ZoneWriterOptions { max_octets: 4000, ..ZoneWriterOptions::default() };
    let stage = Stage::with(scripted(), options);
    let long = TxtValue::new(&[b'a'; TxtValue::MAX_LEN]).unwrap();
    let calls = (0..7).map(|number| {
        let change =
            Change::AddTxt { name: name(&format!("n{number}")), value: long.clone(), ttl: Ttl::CHALLENGE };
        stage.call(vec![change])
    });
    stage.run(join_all(calls)).await;
    assert_eq!(stage.sizes(), [1, 3, 3]);
    // The second batch was full, so it was sent while the first was in flight.
    assert_eq!(stage.elapsed(), 2 * TAKES + GATHER);
}

#[tokio::test]
async fn invalid_call_is_refused_before_it_reaches_the_backend() {
    let stage = Stage::new(scripted().taking(2));
    let stray = Change::RemoveTxt { name: "a.other.test".parse().unwrap(), value: "1".parse().unwrap() };
    let error = stage.run(stage.call(vec![stray])).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::NotInZone);
    let error = stage.run(stage.call(vec![add("a", "1"); 3])).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::InvalidInput);
    stage.run(stage.call(Vec::new())).await.unwrap();
    assert!(stage.sizes().is_empty());
}

#[tokio::test]
async fn call_above_the_queue_bound_fails_at_once() {
    let options = ZoneWriterOptions { max_waiting: 4, ..ZoneWriterOptions::default() };
    let stage = Stage::with(scripted(), options);
    let mut first = stage.call(vec![add("first", "1")]);
    assert!(stage.poll(&mut first).is_pending());
    // An empty queue accepts a list that is longer than its limit.
    let mut long = stage.call((0..6).map(|number| add(&format!("n{number}"), "1")).collect());
    assert!(stage.poll(&mut long).is_pending());
    let error = stage.run(stage.call(vec![add("late", "1")])).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.retry_after()),
        (BackendErrorKind::Quota, Some(Duration::from_millis(100)))
    );
    assert!(error.to_string().contains("6 changes of the zone already wait, and at most 4 can"), "{error}");
    // A dropped call frees its place.
    drop(long);
    let results =
        stage.run(join_all((0..4).map(|number| stage.call(vec![add(&format!("n{number}"), "1")])))).await;
    assert!(results.iter().all(Result::is_ok));
    assert_eq!(stage.sizes(), [1, 4]);
}

#[tokio::test]
async fn calls_above_the_bound_fail_at_once_while_the_driver_does_not_run() {
    let options = ZoneWriterOptions { max_waiting: 2, ..ZoneWriterOptions::default() };
    let (writer, _driver) = ZoneWriter::new(MemoryBackend::new([&zone()]), options, Ambient::system());
    let (zone, changes) = (zone(), [add("a", "1")]);
    let mut calls: Vec<_> = (0..3).map(|_| writer.apply(&zone, &changes)).collect();
    let results: Vec<_> = calls.iter_mut().map(FutureExt::now_or_never).collect();
    assert!(results[0].is_none() && results[1].is_none());
    assert_eq!(results[2].as_ref().unwrap().as_ref().unwrap_err().kind(), BackendErrorKind::Quota);
}

#[tokio::test]
async fn idle_zones_are_forgotten_and_start_again() {
    let zones: Vec<DomainName> = (0..100).map(|number| format!("z{number}.test").parse().unwrap()).collect();
    let stage = Stage::new(Scripted::new(&zones));
    for _ in 0..2 {
        for zone in &zones {
            let value = "1".parse().unwrap();
            stage.run(stage.writer.add_txt(zone, zone, &value, Ttl::CHALLENGE)).await.unwrap();
        }
        assert!(!stage.writer.zones.lock().is_empty());
        stage.clock.advance(IDLE_LIMIT);
        stage.drive();
        assert!(stage.writer.zones.lock().is_empty());
    }
}
