//! The pauses between two tries.

use std::time::Duration;

use fleetcert_ambient::Backoff;

use super::ChallengeOptions;

/// The pauses between one try and the next; each is twice as long, up to a maximum.
#[derive(Debug)]
pub(super) struct Pace {
    backoff: Backoff,
    tries: u32,
}

/// Shortest pause: without one, tries would be a busy loop.
const SHORTEST: Duration = Duration::from_millis(1);

impl Pace {
    pub(super) fn new(options: &ChallengeOptions) -> Self {
        let (first, max) = (options.look_interval, options.max_look_interval);
        Self { backoff: Backoff::new(first.max(SHORTEST), max.max(SHORTEST)), tries: 0 }
    }

    /// Returns the next pause, which is no shorter than `asked_for`.
    pub(super) fn next(&mut self, asked_for: Option<Duration>) -> Duration {
        self.tries = self.tries.saturating_add(1);
        self.backoff.delay(self.tries).max(asked_for.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_maximum() {
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
