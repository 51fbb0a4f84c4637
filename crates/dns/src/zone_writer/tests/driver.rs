//! The driver: its end, its panics, and the executors that may run it.

use std::pin::Pin;
use std::sync::mpsc;
use std::thread;

use tokio::runtime::Runtime;
use tokio::task;

use super::super::pace::IDLE_LIMIT;
use super::*;

/// Deadline of a test's thread.
const THREAD_DEADLINE: Duration = Duration::from_secs(10);

/// Runs the work as the main task of a runtime. Panics if it does not end in time.
fn on_its_main_thread<T: Send + 'static>(
    runtime: fn() -> Runtime,
    work: impl Future<Output = T> + Send + 'static,
) -> T {
    let (done, is_done) = mpsc::channel();
    thread::spawn(move || done.send(runtime().block_on(work)));
    is_done.recv_timeout(THREAD_DEADLINE).expect("it ends")
}

fn current_thread() -> Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

fn multi_thread() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap()
}

#[tokio::test]
async fn dropped_driver_fails_waiting_and_later_calls() {
    let Stage { writer, driver, .. } = Stage::new(scripted());
    let (zone, other) = (zone(), "other.test".parse().unwrap());
    let changes = [add("a", "1")];
    let elsewhere =
        [Change::RemoveTxt { name: "a.other.test".parse().unwrap(), value: "1".parse().unwrap() }];
    let mut calls: Vec<_> = (0..3).map(|_| writer.apply(&zone, &changes)).collect();
    // One call is in flight, one waits in the queue, and one is in the channel to the driver.
    assert!(calls[0].poll_unpin(&mut Context::from_waker(Waker::noop())).is_pending());
    assert!(calls[1].poll_unpin(&mut Context::from_waker(Waker::noop())).is_pending());
    let mut driver = driver.into_inner();
    assert!(driver.poll_unpin(&mut Context::from_waker(Waker::noop())).is_pending());
    assert!(calls[2].poll_unpin(&mut Context::from_waker(Waker::noop())).is_pending());
    drop(driver);
    calls.extend([writer.apply(&zone, &changes), writer.apply(&other, &elsewhere)]);
    for call in calls {
        let error = call.now_or_never().unwrap().unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::Unavailable);
        assert!(error.to_string().contains("the driver of the zone writer has ended"), "{error}");
    }
    // Calls that need no driver still work.
    assert!(writer.texts(&zone, &name("a")).await.unwrap().is_empty());
}

#[tokio::test]
async fn driver_ends_after_the_writer_is_dropped_and_nothing_is_in_flight() {
    let stage = Stage::new(scripted());
    let mut call = stage.call(vec![add("a", "1")]);
    assert!(stage.poll(&mut call).is_pending());
    drop(call);
    let Stage { writer, driver, clock } = stage;
    drop(writer);
    let mut driver = driver.into_inner();
    assert!(driver.poll_unpin(&mut Context::from_waker(Waker::noop())).is_pending());
    clock.advance(TAKES);
    assert!(driver.poll_unpin(&mut Context::from_waker(Waker::noop())).is_ready());
}

#[tokio::test]
async fn panic_of_the_backend_fails_its_batch_alone() {
    let options = ZoneWriterOptions { gather: Duration::ZERO, ..ZoneWriterOptions::default() };
    let stage = Stage::with(scripted(), options);
    let mut first = stage.call(vec![add("first", "1")]);
    assert!(stage.poll(&mut first).is_pending());
    let unlucky = [stage.call(vec![add("panic", "1")]), stage.call(vec![add("a", "1")])];
    let later = async {
        stage.clock.sleep(TAKES).await;
        stage.call(vec![add("first", "2")]).await
    };
    let (unlucky, later) = stage.run(async { tokio::join!(join_all(unlucky), later) }).await;
    assert_eq!(kinds(&unlucky), [Some(BackendErrorKind::Unavailable); 2]);
    assert!(unlucky[0].as_ref().unwrap_err().to_string().contains("the backend panicked"));
    later.unwrap();
    first.now_or_never().unwrap().unwrap();
    assert_eq!(stage.values("first").await, 2);
}

/// A clock whose waits end when they are polled for the first time: each wakes its waker within that poll, like a
/// timer that expires at the same time.
#[derive(Debug)]
struct InstantClock(ManualClock);

impl Clock for InstantClock {
    fn now(&self) -> SystemTime {
        self.0.now()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move {
            self.0.advance(duration);
            let mut was_polled = false;
            std::future::poll_fn(|context| {
                context.waker().wake_by_ref();
                if std::mem::replace(&mut was_polled, true) { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        })
    }
}

#[test]
fn timer_that_runs_out_while_it_is_polled_does_not_stop_the_driver() {
    let backend = scripted().failing([Fault::Error(BackendErrorKind::Unavailable)]);
    let clock = InstantClock(ManualClock::starting_at(SystemTime::UNIX_EPOCH));
    let (writer, driver) = ZoneWriter::new(backend, ZoneWriterOptions::default(), ambient(clock));
    let results = on_its_main_thread(current_thread, async move {
        task::spawn(driver);
        let first = writer.apply(&zone(), &[add("a", "1")]).await;
        // The writer backs off now, and this waits for it.
        (first, writer.apply(&zone(), &[add("b", "1")]).await)
    });
    assert!(results.0.is_err() && results.1.is_ok());
}

/// Outside tokio's worker threads, a task that has used up its budget is woken again at once, and gets no new budget
/// before it yields.
#[test]
fn backend_that_uses_up_the_budget_of_the_task_yields() {
    let backend = scripted().after(|_| async {
        for _ in 0..1000 {
            task::consume_budget().await;
        }
    });
    let clock = ManualClock::starting_at(SystemTime::UNIX_EPOCH);
    let (writer, driver) = ZoneWriter::new(backend, ZoneWriterOptions::default(), ambient(clock));
    on_its_main_thread(multi_thread, async move {
        let (zone, changes) = (zone(), [add("a", "1")]);
        tokio::select! {
            () = driver => panic!("the writer still exists"),
            result = writer.apply(&zone, &changes) => result.unwrap(),
        }
    });
}

/// A future that is polled inside its waker.
struct PolledWhenWoken {
    work: Mutex<Option<BoxFuture<'static, ()>>>,
    is_woken: AtomicBool,
}

impl PolledWhenWoken {
    fn start(work: impl Future<Output = ()> + Send + 'static) -> Arc<Self> {
        let task = Arc::new(Self { work: Mutex::new(Some(work.boxed())), is_woken: AtomicBool::new(false) });
        task.clone().wake();
        task
    }
}

impl Wake for PolledWhenWoken {
    fn wake(self: Arc<Self>) {
        self.is_woken.store(true, SeqCst);
        let waker = self.clone().into();
        // Woken while it is polled, it is polled again there.
        let Some(mut work) = self.work.try_lock() else { return };
        while self.is_woken.swap(false, SeqCst)
            && let Some(polled) = work.as_mut()
        {
            if polled.poll_unpin(&mut Context::from_waker(&waker)).is_ready() {
                *work = None;
            }
        }
    }
}

#[test]
fn executor_may_poll_inside_a_waker() {
    let clock = ManualClock::starting_at(SystemTime::UNIX_EPOCH);
    let zones: Vec<DomainName> = (0..3).map(|number| format!("z{number}.test").parse().unwrap()).collect();
    let backend = MemoryBackend::new(&zones);
    let (writer, driver) =
        ZoneWriter::new(backend.clone(), ZoneWriterOptions::default(), ambient(clock.clone()));
    let driver = PolledWhenWoken::start(driver);
    let calls = PolledWhenWoken::start(async move {
        for round in 0..3 {
            let value: TxtValue = round.to_string().parse().unwrap();
            for zone in &zones {
                writer.add_txt(zone, zone, &value, Ttl::CHALLENGE).await.unwrap();
            }
            // The zones end meanwhile.
            clock.advance(IDLE_LIMIT);
        }
    });
    assert!(calls.work.lock().is_none() && driver.work.lock().is_none(), "both have ended");
    assert_eq!(backend.record_sets(), 3);
}
