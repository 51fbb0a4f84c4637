//! Calls that are dropped, or not polled.

use super::*;

#[tokio::test]
async fn dropped_call_does_not_affect_other_calls() {
    let stage =
        Stage::with(scripted(), ZoneWriterOptions { gather: Duration::ZERO, ..ZoneWriterOptions::default() });
    let mut first = stage.call(vec![add("first", "1")]);
    assert!(stage.poll(&mut first).is_pending());
    let mut others: Vec<_> = (0..8).map(|number| stage.call(vec![add(&format!("n{number}"), "1")])).collect();
    for other in &mut others {
        assert!(stage.poll(other).is_pending());
    }
    // The call in flight is dropped before it ends, and so are a waiting call and, later, one of the second batch.
    stage.clock.advance(TAKES / 2);
    drop(first);
    drop(others.remove(3));
    stage.clock.advance(TAKES / 2);
    assert!(stage.poll(&mut others[0]).is_pending());
    assert_eq!(stage.sizes(), [1, 7]);
    drop(others.remove(0));
    let results = stage.run(join_all(others)).await;
    assert!(results.iter().all(Result::is_ok));
    // Nothing was sent again. The waiting call was never made; the calls in flight were.
    assert_eq!(stage.sizes(), [1, 7]);
    assert_eq!((stage.values("first").await, stage.values("n3").await, stage.values("n0").await), (1, 0, 1));
}

#[tokio::test]
async fn call_that_is_not_polled_does_not_delay_others() {
    let stage = Stage::new(scripted());
    let mut first = stage.call(vec![add("first", "1")]);
    let mut second = stage.call(vec![add("second", "1")]);
    assert!(stage.poll(&mut first).is_pending() && stage.poll(&mut second).is_pending());
    stage.run(stage.call(vec![add("third", "1")])).await.unwrap();
    assert_eq!(stage.sizes(), [1, 2]);
    assert!(stage.poll(&mut first).is_ready() && stage.poll(&mut second).is_ready());
}

#[tokio::test]
async fn batch_in_flight_runs_to_its_end_when_all_callers_are_dropped() {
    let stage = Stage::new(scripted());
    let mut first = stage.call(vec![add("a", "1")]);
    let mut second = stage.call(vec![add("b", "1")]);
    assert!(stage.poll(&mut first).is_pending() && stage.poll(&mut second).is_pending());
    drop((first, second));
    stage.clock.advance(TAKES);
    stage.drive();
    assert_eq!((stage.sizes(), stage.values("a").await), (vec![1], 1));
    // The waiting call is never made, and nothing is left of either.
    stage.run(stage.call(vec![remove("a", "1"), add("c", "1")])).await.unwrap();
    assert_eq!(stage.sizes(), [1, 2]);
    assert_eq!(stage.writer.backend().inner.record_sets(), 1);
}

#[tokio::test]
async fn batch_that_hangs_is_given_up_after_its_last_caller() {
    let stage = Stage::new(scripted().failing([Fault::Hang]));
    let mut hangs = stage.call(vec![add("a", "1")]);
    assert!(stage.poll(&mut hangs).is_pending());
    let mut later = stage.call(vec![remove("a", "1")]);
    stage.clock.advance(Duration::from_secs(60));
    assert!(stage.poll(&mut hangs).is_pending() && stage.poll(&mut later).is_pending());
    drop(hangs);
    let before = stage.elapsed();
    stage.run(later).await.unwrap();
    let waited = stage.elapsed() - before;
    assert!(waited >= Duration::from_secs(5) && waited < Duration::from_secs(6), "{waited:?}");
}

#[tokio::test]
async fn call_may_be_dropped_with_the_waker_of_another() {
    /// A task that is dropped with its last waker.
    struct Task {
        _call: Mutex<BoxFuture<'static, Result<(), BackendError>>>,
    }

    impl Wake for Task {
        fn wake(self: Arc<Self>) {}
    }

    let stage = Stage::new(scripted());
    let Stage { writer, driver, .. } = stage;
    let writer = Arc::new(writer);
    let (zone, changes) = (zone(), [add("a", "1")]);
    let mut call = writer.apply(&zone, &changes);
    for label in ["b", "c"] {
        let (writer, change) = (writer.clone(), add(label, "1"));
        let mut other = async move { writer.apply(&self::zone(), &[change]).await }.boxed();
        assert!(other.poll_unpin(&mut Context::from_waker(Waker::noop())).is_pending());
        let waker = Waker::from(Arc::new(Task { _call: Mutex::new(other) }));
        assert!(call.poll_unpin(&mut Context::from_waker(&waker)).is_pending());
    }
    drop(call);
    drop(writer);
    // All calls are gone, so the driver ends.
    assert!(driver.into_inner().now_or_never().is_some());
}
