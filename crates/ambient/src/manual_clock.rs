//! A clock that stands still until a test moves it.

use parking_lot::{Mutex, MutexGuard};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::{Duration, SystemTime};

use crate::Clock;

/// Virtual time. It stands still until [`advance`](ManualClock::advance) is called, and then wakes every wait
/// that has ended. Clones show the same time.
#[derive(Clone, Debug)]
pub struct ManualClock {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    now: SystemTime,
    waiting: Vec<Waker>,
}

impl ManualClock {
    /// A clock that shows `start`.
    pub fn starting_at(start: SystemTime) -> Self {
        Self { state: Arc::new(Mutex::new(State { now: start, waiting: Vec::new() })) }
    }

    /// Moves the time on by `duration` and wakes all waits, so that they look again.
    pub fn advance(&self, duration: Duration) {
        let waiting = {
            let mut state = self.lock();
            state.now += duration;
            std::mem::take(&mut state.waiting)
        };
        for waker in waiting {
            waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> SystemTime {
        self.lock().now
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let end = self.now() + duration;
        Box::pin(std::future::poll_fn(move |context| {
            let mut state = self.lock();
            if state.now >= end {
                return Poll::Ready(());
            }
            state.waiting.push(context.waker().clone());
            Poll::Pending
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_wait_ends_when_the_virtual_time_comes() {
        let clock = ManualClock::starting_at(SystemTime::UNIX_EPOCH);
        let sleeper = {
            let clock = clock.clone();
            tokio::spawn(async move { clock.sleep(Duration::from_secs(3600)).await })
        };
        tokio::task::yield_now().await;
        clock.advance(Duration::from_secs(3599));
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        clock.advance(Duration::from_secs(1));
        sleeper.await.unwrap();
    }
}
