//! The skew of the server's clock.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

/// Seconds by which the server's clock is ahead of ours, as far as the server has reported it.
#[derive(Debug, Default)]
pub(crate) struct Skew(AtomicI64);

impl Skew {
    /// Returns our time as the server's clock would show it.
    pub(crate) fn at_server(&self, now: SystemTime) -> SystemTime {
        let ahead = self.0.load(Ordering::Relaxed);
        let by = Duration::from_secs(ahead.unsigned_abs());
        let shifted = if ahead < 0 { now.checked_sub(by) } else { now.checked_add(by) };
        shifted.unwrap_or(now)
    }

    /// Takes the server's time. Returns the seconds by which its clock is ahead of ours.
    pub(crate) fn learn(&self, now: SystemTime, server_time: SystemTime) -> i64 {
        let seconds = |difference: Duration| i64::try_from(difference.as_secs()).unwrap_or(i64::MAX);
        let ahead = match server_time.duration_since(now) {
            Ok(ahead) => seconds(ahead),
            Err(behind) => -seconds(behind.duration()),
        };
        self.0.store(ahead, Ordering::Relaxed);
        ahead
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    #[test]
    fn skew_is_learned_behind_and_ahead() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let now = at(1_000_000);
        let skew = Skew::default();
        assert_eq!(skew.at_server(now), now);
        for server_time in [0, 999_000, 1_000_000, 1_000_700, (1 << 48) - 1] {
            let ahead = skew.learn(now, at(server_time));
            assert_eq!(ahead, i64::try_from(server_time).unwrap() - 1_000_000);
            assert_eq!(skew.at_server(now), at(server_time));
        }
    }
}
