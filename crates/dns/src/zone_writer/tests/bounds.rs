//! How much goes together, how much waits, and what is remembered.

use super::*;

#[tokio::test]
async fn octets_bound_a_batch() {
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
    // The second was full, so it went beside the first.
    assert_eq!(stage.elapsed(), 2 * TAKES + GATHER);
}

#[tokio::test]
async fn what_is_wrong_on_the_face_of_it_is_not_sent() {
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
async fn the_queue_is_bounded() {
    let options = ZoneWriterOptions { max_waiting: 4, ..ZoneWriterOptions::default() };
    let stage = Stage::with(scripted(), options);
    let mut first = stage.call(vec![add("first", "1")]);
    assert!(poll_once(&mut first).is_pending());
    // An empty queue takes a list that is longer than it.
    let mut long = stage.call((0..6).map(|number| add(&format!("n{number}"), "1")).collect());
    assert!(poll_once(&mut long).is_pending());
    let error = stage.run(stage.call(vec![add("late", "1")])).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.retry_after()),
        (BackendErrorKind::Quota, Some(Duration::from_millis(100)))
    );
    assert!(error.to_string().contains("6 changes of the zone wait already, and at most 4 may"), "{error}");
    // A dropped call makes room.
    drop(long);
    let results =
        stage.run(join_all((0..4).map(|number| stage.call(vec![add(&format!("n{number}"), "1")])))).await;
    assert!(results.iter().all(Result::is_ok));
    assert_eq!(stage.sizes(), [1, 4]);
}

#[tokio::test]
async fn zones_that_nobody_waits_for_are_forgotten() {
    let zones: Vec<DomainName> =
        (0..3 * REMEMBERED_ZONES).map(|number| format!("z{number}.test").parse().unwrap()).collect();
    let clock = Arc::new(ManualClock::starting_at(SystemTime::UNIX_EPOCH));
    let writer = ZoneWriter::new(MemoryBackend::new(&zones), clock, ZoneWriterOptions::default());
    for zone in &zones {
        writer.add_txt(zone, zone, &"1".parse().unwrap(), Ttl::CHALLENGE).await.unwrap();
    }
    assert!(writer.lanes.lock().len() <= REMEMBERED_ZONES);
}
