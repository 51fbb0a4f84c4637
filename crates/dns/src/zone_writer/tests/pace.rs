//! Back-off after failures.

use super::*;

#[tokio::test]
async fn back_off_doubles_with_each_failure_and_ends_with_a_success() {
    let stage = Stage::new(scripted().failing([Fault::Error(BackendErrorKind::Unavailable); 10]));
    let mut waits = Vec::new();
    for _ in 0..12 {
        let before = stage.elapsed();
        let _ = stage.run(stage.call(vec![add("a", "1")])).await;
        waits.push((stage.elapsed() - before - TAKES).as_millis());
    }
    assert_eq!(waits, [0, 10, 20, 40, 80, 160, 320, 640, 1000, 1000, 1000, 0]);
}

#[tokio::test]
async fn one_batch_goes_at_a_time_after_a_failure() {
    let backend = scripted().taking(1).failing([Fault::Error(BackendErrorKind::Unavailable)]);
    let stage = Stage::with(backend, two_at_a_time());
    let results =
        stage.run(join_all((0..5).map(|number| stage.call(vec![add(&format!("n{number}"), "1")])))).await;
    assert_eq!(results.iter().filter(|result| result.is_err()).count(), 1);
    // Two at once; a back-off of 10 ms; the success of the second ends it, and two are sent at once again.
    assert_eq!(stage.sizes(), [1; 5]);
    assert_eq!(stage.elapsed(), 3 * TAKES);
}

#[tokio::test]
async fn calls_fail_at_once_until_the_long_wait_of_a_server_is_over() {
    let minute = Duration::from_secs(60);
    let stage = Stage::new(scripted().failing([Fault::ErrorFor(BackendErrorKind::Quota, minute)]));
    let results =
        stage.run(join_all((0..3).map(|number| stage.call(vec![add(&format!("n{number}"), "1")])))).await;
    assert_eq!(kinds(&results), [Some(BackendErrorKind::Quota); 3]);
    stage.clock.advance(Duration::from_secs(20));
    let error = stage.run(stage.call(vec![add("a", "1")])).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.retry_after()),
        (BackendErrorKind::Quota, Some(minute - Duration::from_secs(20)))
    );
    assert_eq!(stage.sizes(), [1]);
    stage.clock.advance(Duration::from_secs(40));
    stage.run(stage.call(vec![add("a", "1")])).await.unwrap();
    assert_eq!(stage.sizes(), [1, 1]);
}

#[tokio::test]
async fn short_wait_of_a_server_is_waited_for() {
    let fault = Fault::ErrorFor(BackendErrorKind::Quota, Duration::from_millis(300));
    let stage = Stage::new(scripted().failing([fault]));
    let results =
        stage.run(join_all((0..3).map(|number| stage.call(vec![add(&format!("n{number}"), "1")])))).await;
    assert_eq!(kinds(&results), [Some(BackendErrorKind::Quota), None, None]);
    assert_eq!(stage.elapsed(), 2 * TAKES + Duration::from_millis(300));
}
