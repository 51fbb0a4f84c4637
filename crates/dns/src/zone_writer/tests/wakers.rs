//! Work that wakes its caller while it is polled, as tokio's does now and then.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc;
use std::task::Wake;
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

/// A call that is polled wherever it is woken.
#[derive(Default)]
struct AtOnce {
    call: Mutex<Option<BoxFuture<'static, Result<(), BackendError>>>>,
    is_woken: AtomicBool,
    is_made: AtomicBool,
}

impl Wake for AtOnce {
    fn wake(self: Arc<Self>) {
        self.is_woken.store(true, SeqCst);
        let waker = self.clone().into();
        // Woken while it is polled, it is polled again there.
        let Some(mut call) = self.call.try_lock() else { return };
        while self.is_woken.swap(false, SeqCst)
            && let Some(work) = call.as_mut()
        {
            if let Poll::Ready(result) = work.poll_unpin(&mut Context::from_waker(&waker)) {
                *call = None;
                self.is_made.store(result.is_ok(), SeqCst);
            }
        }
    }
}

#[test]
fn a_call_that_finds_the_work_taken_goes_on_after_a_panic_there() {
    let other = Arc::new(AtOnce::default());
    let begins = other.clone();
    let backend = scripted().after(move |changes| {
        if changes.iter().any(|change| *change.name() == name("panic")) {
            begins.clone().wake();
            panic!("as the test wants");
        }
        std::future::ready(())
    });
    let clock = Arc::new(ManualClock::starting_at(SystemTime::UNIX_EPOCH));
    let writer = Arc::new(ZoneWriter::new(backend, clock, ZoneWriterOptions::default()));
    let its_writer = writer.clone();
    let call = async move { its_writer.apply(&zone(), &[add("b", "1")]).await };
    *other.call.lock() = Some(call.boxed());

    let (zone, changes) = (zone(), [add("panic", "1")]);
    let mut unlucky = writer.apply(&zone, &changes);
    assert!(catch_unwind(AssertUnwindSafe(|| poll_once(&mut unlucky))).is_err());
    assert!(other.is_made.load(SeqCst));
}

fn current_thread() -> Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

fn multi_thread() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap()
}
