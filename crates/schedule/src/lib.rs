//! When to renew a certificate, when to try again, how long a queue takes: pure functions.
//!
//! For whoever decides about time and wants to test it. Nothing here reads a clock, draws a random number or
//! waits: `now` and the randomness are arguments, and a decision is a value. A random number is a `u64` whose
//! every value is equally likely.
//!
//! ```
//! use fleetcert_schedule::{Window, renewal_time};
//! use std::time::{Duration, SystemTime};
//!
//! let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
//! let window = Window::new(start, start + Duration::from_secs(3600)).unwrap();
//! let at = renewal_time(window, 0x8000_0000_0000_0000);
//! assert_eq!(at, start + Duration::from_secs(1800));
//! ```

mod queue;
mod renewal;
mod retry;

pub use queue::expected_completion;
pub use renewal::{Window, renewal_time, window_without_ari};
pub use retry::retry_delay;
