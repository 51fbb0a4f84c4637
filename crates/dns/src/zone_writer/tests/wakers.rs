//! Work that wakes its caller while it is polled, as tokio's does now and then.

use std::pin::Pin;
use std::sync::mpsc;
use std::thread;

use tokio::runtime::Runtime;
use tokio::task;

use super::*;

/// How long a thread that hangs is waited for.
const HANGS_AFTER: Duration = Duration::from_secs(10);

/// What the runtime makes of the work in its main task, which must come to an end.
fn on_its_main_thread<T: Send + 'static>(
    runtime: fn() -> Runtime,
    work: impl Future<Output = T> + Send + 'static,
) -> T {
    let (done, is_done) = mpsc::channel();
    thread::spawn(move || done.send(runtime().block_on(work)));
    is_done.recv_timeout(HANGS_AFTER).expect("it ends")
}

/// A clock whose waits are over when they are looked at for the first time: each wakes its waker in the middle of
/// that look, as a timer does that runs out at the same moment.
#[derive(Debug)]
struct ToTheMoment(ManualClock);

impl Clock for ToTheMoment {
    fn now(&self) -> SystemTime {
        self.0.now()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move {
            self.0.advance(duration);
            let mut looked_at = false;
            std::future::poll_fn(|context| {
                context.waker().wake_by_ref();
                if std::mem::replace(&mut looked_at, true) { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        })
    }
}

#[test]
fn a_timer_that_runs_out_while_it_is_looked_at() {
    let backend = scripted().failing([Fault::Error(BackendErrorKind::Unavailable)]);
    let clock = Arc::new(ToTheMoment(ManualClock::starting_at(SystemTime::UNIX_EPOCH)));
    let writer = ZoneWriter::new(backend, clock, ZoneWriterOptions::default());
    let results = on_its_main_thread(current_thread, async move {
        let first = writer.apply(&zone(), &[add("a", "1")]).await;
        // The writer rests now, and this waits for it.
        (first, writer.apply(&zone(), &[add("b", "1")]).await)
    });
    assert!(results.0.is_err() && results.1.is_ok());
}

/// Outside of tokio's worker threads a task that has used up its budget is woken again at once, and gets no more of
/// it before it yields.
#[test]
fn a_task_that_has_used_up_its_budget_yields() {
    let backend = scripted().after(|_| async {
        for _ in 0..1000 {
            task::consume_budget().await;
        }
    });
    let clock = Arc::new(ManualClock::starting_at(SystemTime::UNIX_EPOCH));
    let writer = ZoneWriter::new(backend, clock, ZoneWriterOptions::default());
    on_its_main_thread(multi_thread, async move { writer.apply(&zone(), &[add("a", "1")]).await }).unwrap();
}

fn current_thread() -> Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

fn multi_thread() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap()
}
