//! The clock as a trait, and the clock of the machine.

use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::{Duration, SystemTime};

/// A source of time and of waits.
///
/// One trait has both because they must agree: under virtual time, a wait ends when virtual time reaches its end.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Returns the current time.
    fn now(&self) -> SystemTime;

    /// Waits for `duration`. Dropping the future ends the wait and has no other effect.
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

/// The error of [`timeout`]: the time limit passed before the work was done.
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
/// [`Elapsed`] if the limit passes first. `work` is then dropped.
///
/// ```
/// use fleetcert_ambient::{Elapsed, SystemClock, timeout};
/// use std::time::Duration;
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
/// # runtime.block_on(async {
/// let endless = std::future::pending::<()>();
/// let limit = Duration::from_millis(1);
/// assert_eq!(timeout(&SystemClock, limit, endless).await, Err(Elapsed));
/// # });
/// ```
pub async fn timeout<T>(
    clock: &dyn Clock,
    limit: Duration,
    work: impl Future<Output = T>,
) -> Result<T, Elapsed> {
    let mut work = pin!(work);
    // Exempt from tokio's cooperative budget: otherwise work that uses up its budget in every poll would never
    // time out.
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
    async fn work_done_in_time_returns_its_value() {
        let work = async { 7 };
        assert_eq!(timeout(&SystemClock, Duration::ZERO, work).await, Ok(7));
    }

    #[tokio::test]
    async fn work_that_uses_up_its_cooperative_budget_times_out() {
        let busy = async {
            loop {
                tokio::task::consume_budget().await;
            }
        };
        assert_eq!(timeout::<()>(&SystemClock, Duration::from_millis(5), busy).await, Err(Elapsed));
    }

    #[tokio::test(start_paused = true)]
    async fn late_work_times_out() {
        let late = SystemClock.sleep(Duration::from_secs(10));
        assert_eq!(timeout(&SystemClock, Duration::from_secs(9), late).await, Err(Elapsed));
    }
}
