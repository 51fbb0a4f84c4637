//! No more requests than the account may make.

use parking_lot::Mutex;
use std::time::{Duration, SystemTime};

/// Gives turns: five at once after a pause, then one each interval.
#[derive(Debug)]
pub(super) struct Pace {
    interval: Duration,
    /// When the next turn would be without a pause before it.
    next: Mutex<SystemTime>,
}

const AT_ONCE: u32 = 5;

impl Pace {
    pub(super) fn new(interval: Duration) -> Self {
        Self { interval, next: Mutex::new(SystemTime::UNIX_EPOCH) }
    }

    /// How long until the turn that is taken now.
    pub(super) fn turn(&self, now: SystemTime) -> Duration {
        let mut next = self.next.lock();
        let saved = self.interval * (AT_ONCE - 1);
        let earliest = now.checked_sub(saved).unwrap_or(now);
        let turn = (*next).max(earliest);
        *next = turn + self.interval;
        turn.duration_since(now).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_at_once_and_then_one_each_interval() {
        let pace = Pace::new(Duration::from_millis(200));
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        let waits: Vec<_> = (0..8).map(|_| pace.turn(now).as_millis()).collect();
        assert_eq!(waits, [0, 0, 0, 0, 0, 200, 400, 600]);
        let later = now + Duration::from_secs(10);
        let waits: Vec<_> = (0..7).map(|_| pace.turn(later).as_millis()).collect();
        assert_eq!(waits, [0, 0, 0, 0, 0, 200, 400]);
        assert_eq!(Pace::new(Duration::ZERO).turn(now), Duration::ZERO);
    }
}
