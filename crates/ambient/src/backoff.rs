//! Delays between attempts.

use std::time::Duration;

/// Exponential back-off: the delay doubles after each failure in a row, up to a maximum.
///
/// The delays are pure values; the caller counts the failures and waits. [`jittered`](Self::jittered) spreads callers
/// that failed together, so that they do not return together.
///
/// ```
/// use fleetcert_ambient::Backoff;
/// use std::time::Duration;
///
/// let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
/// assert_eq!(backoff.delay(1), Duration::from_millis(100));
/// assert_eq!(backoff.delay(3), Duration::from_millis(400));
/// assert_eq!(backoff.delay(50), Duration::from_secs(5));
/// let spread = backoff.jittered(3, 0x5eed);
/// assert!((200..=400).contains(&spread.as_millis()));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    max: Duration,
}

impl Backoff {
    /// Returns a back-off that begins with `first` and never exceeds `max`.
    pub const fn new(first: Duration, max: Duration) -> Self {
        Self { first, max }
    }

    /// Returns the delay after this many failures in a row: `first` after one, twice that after two. Zero failures
    /// count as one.
    pub fn delay(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        self.first.saturating_mul(1 << doublings).min(self.max)
    }

    /// Returns a delay between half of [`delay`](Self::delay) and the whole of it, chosen by `random`.
    pub fn jittered(&self, failures: u32, random: u64) -> Duration {
        let half = self.delay(failures) / 2;
        // 16 random bits are enough to spread callers, and keep the product in a Duration.
        let share = u32::try_from(random & 0xffff).expect("16 bits fit");
        half + half.saturating_mul(share) / 0xffff
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff::new(Duration::from_millis(25), Duration::from_secs(1));

    #[test]
    fn delays_double_up_to_the_maximum() {
        let delays: Vec<_> = (1..=8).map(|failures| BACKOFF.delay(failures).as_millis()).collect();
        assert_eq!(delays, [25, 50, 100, 200, 400, 800, 1000, 1000]);
        assert_eq!(BACKOFF.delay(0), BACKOFF.delay(1));
        assert_eq!(BACKOFF.delay(u32::MAX), Duration::from_secs(1));
    }

    #[test]
    fn jitter_stays_between_half_and_whole() {
        for failures in 1..9 {
            let whole = BACKOFF.delay(failures);
            assert_eq!(BACKOFF.jittered(failures, 0), whole / 2);
            assert_eq!(BACKOFF.jittered(failures, u64::MAX), whole);
        }
    }

    #[test]
    fn extremes_do_not_overflow() {
        let endless = Backoff::new(Duration::MAX, Duration::MAX);
        assert!(endless.jittered(u32::MAX, u64::MAX) >= Duration::MAX / 2);
        assert_eq!(Backoff::new(Duration::ZERO, Duration::MAX).delay(9), Duration::ZERO);
    }
}
