//! Calls that are dropped, that nobody polls, and that panic.

use std::sync::mpsc;
use std::task::Wake;

use super::*;

#[tokio::test]
async fn a_dropped_call_takes_no_others_with_it() {
    let stage =
        Stage::with(scripted(), ZoneWriterOptions { gather: Duration::ZERO, ..ZoneWriterOptions::default() });
    let mut first = stage.call(vec![add("first", "1")]);
    assert!(poll_once(&mut first).is_pending());
    let mut others: Vec<_> = (0..8).map(|number| stage.call(vec![add(&format!("n{number}"), "1")])).collect();
    for other in &mut others {
        assert!(poll_once(other).is_pending());
    }
    // The first one drives its own batch. It is dropped in the middle, and so are a waiting one and, later, one of
    // the batch that is under way.
    stage.clock.advance(TAKES / 2);
    drop(first);
    drop(others.remove(3));
    stage.clock.advance(TAKES / 2);
    assert!(poll_once(&mut others[0]).is_pending());
    assert_eq!(stage.sizes(), [1, 7]);
    drop(others.remove(0));
    let results = stage.run(join_all(others)).await;
    assert!(results.iter().all(Result::is_ok));
    // Nothing was sent again. The call that waited was never made; the one under way was.
    assert_eq!(stage.sizes(), [1, 7]);
    assert_eq!((stage.values("first").await, stage.values("n3").await, stage.values("n0").await), (1, 0, 1));
}

#[tokio::test]
async fn a_call_that_nobody_polls_holds_nobody_up() {
    let stage = Stage::new(scripted());
    let mut first = stage.call(vec![add("first", "1")]);
    let mut second = stage.call(vec![add("second", "1")]);
    assert!(poll_once(&mut first).is_pending() && poll_once(&mut second).is_pending());
    // `first` has the batch under way; whoever holds it does something else.
    stage.run(stage.call(vec![add("third", "1")])).await.unwrap();
    assert_eq!(stage.sizes(), [1, 2]);
    assert!(poll_once(&mut first).is_ready() && poll_once(&mut second).is_ready());
}

#[tokio::test]
async fn when_nobody_waits_what_is_under_way_is_given_up() {
    let stage = Stage::new(scripted());
    let mut first = stage.call(vec![add("a", "1")]);
    let mut second = stage.call(vec![add("b", "1")]);
    assert!(poll_once(&mut first).is_pending() && poll_once(&mut second).is_pending());
    drop((first, second));
    stage.clock.advance(10 * TAKES);
    stage.run(stage.call(vec![remove("a", "1"), add("c", "1")])).await.unwrap();
    assert_eq!(stage.sizes(), [1, 2]);
    assert_eq!(stage.writer.backend().inner.record_sets(), 1);
    let lanes = stage.writer.lanes.lock();
    assert!(lanes.values().all(|lane| !lane.is_needed(stage.clock.now())));
}

#[tokio::test]
async fn a_panic_of_the_backend_is_told_to_the_others() {
    let stage =
        Stage::with(scripted(), ZoneWriterOptions { gather: Duration::ZERO, ..ZoneWriterOptions::default() });
    let mut first = stage.call(vec![add("first", "1")]);
    assert!(poll_once(&mut first).is_pending());
    let mut unlucky = stage.call(vec![add("panic", "1")]);
    let mut driver = stage.call(vec![add("a", "1")]);
    let mut later = stage.call(vec![add("first", "2")]);
    assert!(poll_once(&mut unlucky).is_pending() && poll_once(&mut driver).is_pending());
    stage.clock.advance(TAKES);
    let polled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| poll_once(&mut driver)));
    assert!(polled.is_err());
    let error = stage.run(unlucky).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Unavailable);
    assert!(error.to_string().contains("was given up"), "{error}");
    drop(driver);
    assert!(poll_once(&mut later).is_pending());
    stage.run(first).await.unwrap();
    stage.run(later).await.unwrap();
    assert_eq!(stage.values("first").await, 2);
}

/// A task that is gone with its last waker.
struct Task {
    _call: Mutex<BoxFuture<'static, Result<(), BackendError>>>,
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {}
}

impl Task {
    /// A waker of a task that has a call of its own waiting.
    fn waker(writer: &Arc<ZoneWriter<Scripted>>, label: &str) -> Waker {
        let (writer, change) = (writer.clone(), add(label, "1"));
        let mut call = async move { writer.apply(&zone(), &[change]).await }.boxed();
        assert!(poll_once(&mut call).is_pending());
        Arc::new(Self { _call: Mutex::new(call) }).into()
    }
}

#[test]
fn a_call_may_go_with_the_waker_of_another() {
    let (tell, told) = mpsc::channel();
    // A lock that is taken twice may hang for ever.
    std::thread::spawn(move || {
        let writer = Arc::new(Stage::new(scripted()).writer);
        let (zone, changes) = (zone(), [add("a", "1")]);
        let mut call = writer.apply(&zone, &changes);
        for label in ["b", "c"] {
            let waker = Task::waker(&writer, label);
            assert!(call.poll_unpin(&mut Context::from_waker(&waker)).is_pending());
        }
        drop(call);
        tell.send(writer.lanes.lock().values().all(|lane| lane.is_idle())).unwrap();
    });
    assert!(told.recv_timeout(Duration::from_secs(10)).expect("it hangs, or has panicked"));
}
