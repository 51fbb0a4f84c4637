//! The clock as a seam, and the clock of the machine.

use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::{Duration, SystemTime};

/// What time it is, and how to wait.
///
/// Both stand in one trait because they must agree: under virtual time a wait ends when the virtual time
/// comes, not when the machine's does.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The time now.
    fn now(&self) -> SystemTime;

    /// Waits for `duration`. Dropping the future gives up the wait and has no other effect.
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// The clock of the machine, with tokio's timer for waits. Its `sleep` must be polled inside a tokio runtime.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods)] // the one place where the machine's clock is read
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// The time that a wait was given has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed;

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the deadline has passed")
    }
}

impl std::error::Error for Elapsed {}

/// Runs `work` for at most `limit` of the clock's time.
///
/// # Errors
/// [`Elapsed`] when the time is over first; `work` is then dropped where it stands.
///
/// ```
/// use fleetcert_ambient::{Elapsed, SystemClock, timeout};
/// use std::time::Duration;
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
/// # runtime.block_on(async {
/// let endless = std::future::pending::<()>();
/// assert_eq!(timeout(&SystemClock, Duration::from_millis(1), endless).await, Err(Elapsed));
/// # });
/// ```
pub async fn timeout<T>(
    clock: &dyn Clock,
    limit: Duration,
    work: impl Future<Output = T>,
) -> Result<T, Elapsed> {
    let mut work = pin!(work);
    // Looked at also when the work has used up what tokio lets a task do before it yields: else work that does so in
    // each poll is never late.
    let mut end = pin!(tokio::task::coop::unconstrained(clock.sleep(limit)));
    std::future::poll_fn(|context| {
        if let Poll::Ready(value) = work.as_mut().poll(context) {
            return Poll::Ready(Ok(value));
        }
        end.as_mut().poll(context).map(|()| Err(Elapsed))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn work_that_is_done_in_time_wins() {
        let work = async { 7 };
        assert_eq!(timeout(&SystemClock, Duration::ZERO, work).await, Ok(7));
    }

    #[tokio::test]
    async fn work_that_never_leaves_anything_of_the_budget_is_late_too() {
        let busy = async {
            loop {
                tokio::task::consume_budget().await;
            }
        };
        assert_eq!(timeout::<()>(&SystemClock, Duration::from_millis(5), busy).await, Err(Elapsed));
    }

    #[tokio::test(start_paused = true)]
    async fn late_work_is_dropped() {
        let late = SystemClock.sleep(Duration::from_secs(10));
        assert_eq!(timeout(&SystemClock, Duration::from_secs(9), late).await, Err(Elapsed));
    }
}
