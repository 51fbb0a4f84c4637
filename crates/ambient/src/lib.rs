//! Time and randomness as values that a program passes in.
//!
//! No crate of the workspace reads the clock of the machine or its random numbers by itself: constructors take an
//! [`Ambient`], which holds a [`Clock`] and an [`Entropy`]. A test lets ninety days pass in a millisecond, and a
//! simulation repeats itself to the byte.
//!
//! A program passes [`Ambient::system()`]; a test passes a [`ManualClock`] or a
//! [`TokioClock`], and [`SeededEntropy`]. [`timeout`] bounds any
//! future by a clock, [`Backoff`] computes the delays between
//! attempts, and [`retry_after`] reads the wait that an HTTP server asks for.
//!
//! ```
//! use fleetcert_ambient::{Clock, ManualClock};
//! use std::time::{Duration, SystemTime};
//!
//! let clock = ManualClock::starting_at(SystemTime::UNIX_EPOCH);
//! clock.advance(Duration::from_secs(90 * 86_400));
//! let then = SystemTime::UNIX_EPOCH + Duration::from_secs(7_776_000);
//! assert_eq!(clock.now(), then);
//! ```

mod ambient;
mod backoff;
mod clock;
mod entropy;
mod manual_clock;
mod retry_after;
mod tokio_clock;

pub use ambient::Ambient;
pub use backoff::Backoff;
pub use clock::{Clock, Elapsed, SystemClock, timeout};
pub use entropy::{Entropy, SeededEntropy, SystemEntropy};
pub use manual_clock::ManualClock;
pub use retry_after::retry_after;
pub use tokio_clock::TokioClock;
