//! Time and randomness as values that a program passes in.
//!
//! For whoever builds a part of fleetcert, or tests one. No crate of the workspace reads the clock of the
//! machine or its random numbers by itself: it takes a [`Clock`] and an [`Entropy`] from its caller. So a
//! test can let ninety days pass in a millisecond, and a simulation repeats itself to the byte.
//!
//! A program hands in [`SystemClock`] and [`SystemEntropy`]; a test hands in [`ManualClock`] and
//! [`SeededEntropy`].
//!
//! ```
//! use fleetcert_ambient::{Clock, ManualClock};
//! use std::time::{Duration, SystemTime};
//!
//! let clock = ManualClock::starting_at(SystemTime::UNIX_EPOCH);
//! clock.advance(Duration::from_secs(90 * 86_400));
//! assert_eq!(clock.now(), SystemTime::UNIX_EPOCH + Duration::from_secs(7_776_000));
//! ```

mod clock;
mod entropy;
mod manual_clock;

pub use clock::{Clock, Elapsed, SystemClock, timeout};
pub use entropy::{Entropy, SeededEntropy, SystemEntropy};
pub use manual_clock::ManualClock;
