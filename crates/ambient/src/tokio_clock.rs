//! A clock that follows tokio's time.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::Clock;

/// The time of the tokio runtime, counted from a time of the caller's choice.
///
/// Under `tokio::time::pause` (or `#[tokio::test(start_paused = true)]`) it is virtual: whenever every task waits,
/// time jumps to the end of the shortest wait. A program with workers and timers runs through months in seconds, and
/// a test can prove that something does *not* happen. Such a program must not wait for sockets, which tokio's virtual
/// time does not cover. Clones show the same time.
///
/// ```
/// use fleetcert_ambient::{Clock, TokioClock};
/// use std::time::{Duration, SystemTime};
///
/// # tokio::runtime::Builder::new_current_thread()
/// #     .enable_time().start_paused(true).build().unwrap()
/// #     .block_on(async {
/// let clock = TokioClock::starting_at(SystemTime::UNIX_EPOCH);
/// let year = Duration::from_secs(365 * 86_400);
/// clock.sleep(year).await;
/// assert!(clock.now() >= SystemTime::UNIX_EPOCH + year);
/// # });
/// ```
#[derive(Clone, Copy, Debug)]
pub struct TokioClock {
    start: SystemTime,
    origin: Instant,
}

impl TokioClock {
    /// Returns a clock that shows `start` now. Must be called inside a tokio runtime.
    pub fn starting_at(start: SystemTime) -> Self {
        Self { start, origin: Instant::now() }
    }
}

impl Clock for TokioClock {
    fn now(&self) -> SystemTime {
        self.start + self.origin.elapsed()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(tokio::time::sleep(duration))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn virtual_time_jumps_to_the_end_of_the_shortest_wait() {
        let clock = TokioClock::starting_at(SystemTime::UNIX_EPOCH);
        let hour = Duration::from_secs(3600);
        tokio::join!(clock.sleep(hour), clock.sleep(24 * hour));
        assert_eq!(clock.now(), SystemTime::UNIX_EPOCH + 24 * hour);
    }
}
