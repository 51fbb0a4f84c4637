//! Time and randomness as one value.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::{Clock, Entropy, SystemClock, SystemEntropy};

/// Time, waits and randomness: everything that a program takes from the machine. Clones share the same sources.
///
/// Every constructor of the workspace that needs a clock or randomness takes this one value.
///
/// ```
/// use fleetcert_ambient::{Ambient, ManualClock, SeededEntropy};
/// use std::sync::Arc;
/// use std::time::SystemTime;
///
/// let for_a_program = Ambient::system();
/// let for_a_test = Ambient {
///     clock: Arc::new(ManualClock::starting_at(SystemTime::UNIX_EPOCH)),
///     entropy: Arc::new(SeededEntropy::new(1)),
/// };
/// assert_eq!(for_a_test.now(), SystemTime::UNIX_EPOCH);
/// # drop(for_a_program);
/// ```
#[derive(Clone, Debug)]
pub struct Ambient {
    /// Clock for the time and for waits.
    pub clock: Arc<dyn Clock>,
    /// Source of random numbers.
    pub entropy: Arc<dyn Entropy>,
}

impl Ambient {
    /// Returns the clock and the entropy of the machine.
    pub fn system() -> Self {
        Self { clock: Arc::new(SystemClock), entropy: Arc::new(SystemEntropy) }
    }

    /// Returns the time now.
    pub fn now(&self) -> SystemTime {
        self.clock.now()
    }

    /// Waits for `duration`. Dropping the future ends the wait and has no other effect.
    pub fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.clock.sleep(duration)
    }

    /// Returns a random number.
    pub fn random(&self) -> u64 {
        self.entropy.random()
    }
}
