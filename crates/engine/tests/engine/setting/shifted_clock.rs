//! A clock that a test can set.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fleetcert_ambient::{Clock, SystemClock, TokioClock};
use parking_lot::Mutex;

/// Start of the virtual time, since 1970: in January 2027.
pub(crate) const START: Duration = Duration::from_secs(1_800_000_000);

/// A clock that is some time ahead of another one: as after a jump of the machine's clock, or as the clock of a process
/// that was down meanwhile. Waits take their time all the same. Clones show the same time.
#[derive(Clone, Debug)]
pub(crate) struct ShiftedClock {
    base: Arc<dyn Clock>,
    ahead: Arc<Mutex<Duration>>,
}

impl ShiftedClock {
    /// Returns a clock that follows tokio's time, which a test pauses.
    pub(crate) fn in_virtual_time() -> Self {
        Self {
            base: Arc::new(TokioClock::starting_at(SystemTime::UNIX_EPOCH + START)),
            ahead: Arc::default(),
        }
    }

    /// Returns the clock of the machine.
    pub(crate) fn in_real_time() -> Self {
        Self { base: Arc::new(SystemClock), ahead: Arc::default() }
    }

    /// Returns another clock that follows the same time and is not ahead of it.
    pub(crate) fn unshifted(&self) -> Self {
        Self { base: Arc::clone(&self.base), ahead: Arc::default() }
    }

    pub(crate) fn jump(&self, by: Duration) {
        *self.ahead.lock() += by;
    }
}

impl Clock for ShiftedClock {
    fn now(&self) -> SystemTime {
        self.base.now() + *self.ahead.lock()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.base.sleep(duration)
    }
}
