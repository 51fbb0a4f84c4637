//! Pauses that double.

use std::time::Duration;

use super::ChallengeOptions;

/// The pauses between one try and the next.
#[derive(Debug)]
pub(super) struct Pace {
    next: Duration,
    max: Duration,
}

/// A pause of nothing would be a busy loop.
const SHORTEST: Duration = Duration::from_millis(1);

impl Pace {
    pub(super) fn new(options: &ChallengeOptions) -> Self {
        Self { next: options.look_interval.max(SHORTEST), max: options.max_look_interval.max(SHORTEST) }
    }

    /// The next pause, but no shorter than `asked_for`.
    pub(super) fn next(&mut self, asked_for: Option<Duration>) -> Duration {
        let pause = self.next.min(self.max);
        self.next = pause.saturating_mul(2);
        pause.max(asked_for.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_most() {
        let options = ChallengeOptions {
            look_interval: Duration::from_secs(1),
            max_look_interval: Duration::from_secs(5),
            ..ChallengeOptions::default()
        };
        let mut pace = Pace::new(&options);
        let pauses: Vec<u64> = (0..5).map(|_| pace.next(None).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 5, 5]);
        assert_eq!(pace.next(Some(Duration::from_secs(9))).as_secs(), 9);
    }
}
