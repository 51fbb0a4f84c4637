//! Time and randomness as values that a program passes in.
//!
//! No crate of the workspace reads the clock or the random number generator of the machine by itself: constructors
//! take an [`Ambient`], which holds a [`Clock`] and an [`Entropy`]. A test passes ninety days in a millisecond, and
//! a simulation repeats itself to the byte.
//!
//! A program passes [`Ambient::system()`]. A test passes a [`ManualClock`] or a [`TokioClock`], and a
//! [`SeededEntropy`]. [`timeout`] bounds any future by a clock, [`Backoff`] computes the delays between attempts, and
//! [`retry_after`] parses the wait that an HTTP server asks for.
//!
//! ```
//! use fleetcert_ambient::{Clock, ManualClock};
//! use std::time::{Duration, SystemTime};
//!
//! let clock = ManualClock::starting_at(SystemTime::UNIX_EPOCH);
//! clock.advance(Duration::from_secs(90 * 86_400));
//! let expected = SystemTime::UNIX_EPOCH + Duration::from_secs(7_776_000);
//! assert_eq!(clock.now(), expected);
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
