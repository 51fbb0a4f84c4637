//! The retry delay of failed orders.

use std::time::Duration;

use crate::renewal::fraction;

/// Returns the delay after the `failures`-th failure in a row: 1, 10, 100 minutes, then a day, as Let's Encrypt asks for.
/// Up to a tenth is added by `random`, so that orders that failed together are not retried together.
///
/// ```
/// use fleetcert_schedule::retry_delay;
/// use std::time::Duration;
///
/// assert_eq!(retry_delay(1, 0), Duration::from_secs(60));
/// assert_eq!(retry_delay(9, 0), Duration::from_secs(86_400));
/// ```
pub fn retry_delay(failures: u32, random: u64) -> Duration {
    let minutes = match failures {
        0 => return Duration::ZERO,
        1 => 1,
        2 => 10,
        3 => 100,
        _ => 24 * 60,
    };
    let delay = Duration::from_secs(minutes * 60);
    delay + fraction(delay / 10, random)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn delay_grows_with_failures(failures in 0u32..100, random: u64) {
            prop_assert!(retry_delay(failures, random) <= retry_delay(failures + 1, random));
            prop_assert!(retry_delay(failures, random) <= Duration::from_secs(86_400 * 11 / 10));
        }
    }
}
