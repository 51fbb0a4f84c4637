//! A clock that a test moves.

use parking_lot::{Mutex, MutexGuard};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::{Duration, SystemTime};

use crate::Clock;

/// Virtual time that changes only by [`advance`](ManualClock::advance), which wakes every wait that has ended. Clones
/// show the same time.
#[derive(Clone, Debug)]
pub struct ManualClock {
    state: Arc<Mutex<ManualTime>>,
}

#[derive(Debug)]
struct ManualTime {
    now: SystemTime,
    waiting: Vec<Waker>,
}

impl ManualClock {
    /// Returns a clock that shows `start`.
    pub fn starting_at(start: SystemTime) -> Self {
        Self { state: Arc::new(Mutex::new(ManualTime { now: start, waiting: Vec::new() })) }
    }

    /// Advances the time by `duration` and wakes all waits to check it.
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

    fn lock(&self) -> MutexGuard<'_, ManualTime> {
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
    async fn wait_ends_when_virtual_time_reaches_its_end() {
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
