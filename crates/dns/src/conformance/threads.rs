//! Calls on several OS threads, which reveal a backend without a lock.

use std::sync::{Arc, Barrier};
use std::thread;

use futures_util::future::{BoxFuture, Either, join_all, select};
use futures_util::pin_mut;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// Maximum number of threads.
const THREADS: usize = 4;

/// Runs the work on several OS threads that start together; each thread runs its share concurrently. Returns the
/// results in no particular order, or `None` if a thread panicked.
///
/// In a tokio runtime the work runs in its context, so that sockets, timers and tasks belong to that runtime.
/// Otherwise each thread has its own runtime.
///
/// **Cancellation.** The threads drop the work at its next await and end.
pub(super) async fn on_threads<T: Send + 'static>(work: Vec<BoxFuture<'static, T>>) -> Option<Vec<T>> {
    let count = THREADS.min(work.len());
    let mut shares: Vec<Vec<BoxFuture<'static, T>>> = (0..count).map(|_| Vec::new()).collect();
    for (number, work) in work.into_iter().enumerate() {
        shares[number % count].push(work);
    }
    let begin = Arc::new(Barrier::new(count));
    let runtime = Handle::try_current().ok();
    let threads: Vec<_> = shares
        .into_iter()
        .map(|share| {
            let (reply, results) = oneshot::channel();
            let (begin, runtime) = (begin.clone(), runtime.clone());
            thread::spawn(move || {
                begin.wait();
                run(share, reply, runtime);
            });
            results
        })
        .collect();
    let mut all = Vec::new();
    for results in threads {
        all.extend(results.await.ok()?);
    }
    Some(all)
}

fn run<T>(share: Vec<BoxFuture<'static, T>>, mut reply: oneshot::Sender<Vec<T>>, runtime: Option<Handle>) {
    let work = async {
        let results = {
            let (all, given_up) = (join_all(share), reply.closed());
            pin_mut!(all, given_up);
            match select(all, given_up).await {
                Either::Left((results, _)) => results,
                Either::Right(_) => return,
            }
        };
        // If the check was dropped, no task waits for the results.
        let _ = reply.send(results);
    };
    match runtime {
        Some(runtime) => runtime.block_on(work),
        None => {
            let runtime = Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime needs a few file descriptors").block_on(work);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use futures_util::FutureExt;

    use super::*;

    async fn threads_of(count: usize) -> BTreeSet<String> {
        let work = (0..count).map(|_| async { format!("{:?}", thread::current().id()) }.boxed());
        on_threads(work.collect()).await.unwrap().into_iter().collect()
    }

    #[tokio::test]
    async fn work_is_spread_over_threads() {
        assert_eq!(threads_of(100).await.len(), THREADS);
        assert_eq!(threads_of(2).await.len(), 2);
        assert!(threads_of(0).await.is_empty());
    }

    #[test]
    fn work_needs_no_runtime_around_it() {
        let threads = threads_of(2);
        // Polled by hand: there is no runtime on this thread.
        let mut threads = Box::pin(threads);
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        loop {
            if let std::task::Poll::Ready(threads) = threads.as_mut().poll(&mut context) {
                break assert_eq!(threads.len(), 2);
            }
            thread::yield_now();
        }
    }

    #[tokio::test]
    async fn panic_of_a_thread_is_reported() {
        let panics = async { panic!("as the test wants") }.boxed();
        assert!(on_threads::<()>(vec![panics]).await.is_none());
    }
}
