//! The delay before a retry.

use std::time::Duration;

use fleetcert_ambient::Backoff;

use super::ChallengeOptions;

/// The delays between attempts. Each is twice as long as the one before, up to a maximum.
#[derive(Debug)]
pub(super) struct RetryDelay {
    backoff: Backoff,
    tries: u32,
}

/// Minimum delay: without one, retries would be a busy loop.
const MIN_DELAY: Duration = Duration::from_millis(1);

impl RetryDelay {
    pub(super) fn new(options: &ChallengeOptions) -> Self {
        let (first, max) = (options.look_interval, options.max_look_interval);
        Self { backoff: Backoff::new(first.max(MIN_DELAY), max.max(MIN_DELAY)), tries: 0 }
    }

    /// Returns the next delay, at least `asked_for`.
    pub(super) fn next(&mut self, asked_for: Option<Duration>) -> Duration {
        self.tries = self.tries.saturating_add(1);
        self.backoff.delay(self.tries).max(asked_for.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_maximum() {
        let options = ChallengeOptions {
            look_interval: Duration::from_secs(1),
            max_look_interval: Duration::from_secs(5),
            ..ChallengeOptions::default()
        };
        let mut delay = RetryDelay::new(&options);
        let pauses: Vec<u64> = (0..5).map(|_| delay.next(None).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 5, 5]);
        assert_eq!(delay.next(Some(Duration::from_secs(9))).as_secs(), 9);
    }
}
