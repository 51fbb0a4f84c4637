//! Orders that wait for the same bucket come one after the other, and not all at its next token.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use fleetcert_schedule::budget::BucketKey;

/// The turns that this process has given out, by bucket: the next one that is free.
///
/// A turn is a time to try and no promise. Those of another node may be the same; then one of the two is held again.
#[derive(Debug, Default)]
pub(super) struct Line(Mutex<HashMap<BucketKey, SystemTime>>);

/// Turns are given out for so long ahead. Whoever would come later asks again then, for limits may change.
const AHEAD: Duration = Duration::from_secs(3600);
/// Buckets that many wait for are few.
const MOST: usize = 1000;

impl Line {
    /// When an order is to be tried that waits for a bucket; the next token is there at `retry_at`, and then one in
    /// each `interval`.
    pub(super) fn turn(
        &self,
        key: &BucketKey,
        (retry_at, interval): (SystemTime, Duration),
        now: SystemTime,
        random: u64,
    ) -> SystemTime {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if turns.len() >= MOST {
            turns.retain(|_, free| *free > now);
        }
        let free = turns.get(key).copied().filter(|_| turns.len() < MOST);
        let (turn, free) = next(free, (retry_at, interval), now, random);
        if let Some(free) = free.filter(|_| turns.len() < MOST) {
            turns.insert(key.clone(), free);
        }
        turn
    }
}

/// The turn, and the next one after it; no next one when the line is as long as it may be.
fn next(
    free: Option<SystemTime>,
    (retry_at, interval): (SystemTime, Duration),
    now: SystemTime,
    random: u64,
) -> (SystemTime, Option<SystemTime>) {
    // A line from before the clock was set back is as long as it may be, and no longer.
    let longest = retry_at.max(now + AHEAD);
    let turn = free.map_or(retry_at, |free| free.max(retry_at));
    if turn <= longest {
        return (turn, turn.checked_add(interval));
    }
    // Spread over as long again.
    let part = u32::try_from(random % 1000).unwrap_or_default();
    (longest + AHEAD / 1000 * part, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleetcert_schedule::budget::Account;

    #[test]
    fn a_crowd_comes_one_by_one_and_what_is_too_many_comes_later() {
        let line = Line::default();
        let key = BucketKey::NewOrdersPerAccount(Account::new("https://ca.test/1").unwrap());
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let each = Duration::from_secs(36);
        let turns: Vec<_> = (0..1000)
            .map(|order: u64| line.turn(&key, (now + each, each), now, order.wrapping_mul(0x9E37_79B9)))
            .map(|turn| turn.duration_since(now).unwrap())
            .collect();
        // An hour has room for a hundred.
        assert!((0..100).all(|order| turns[order] == each * (u32::try_from(order).unwrap() + 1)));
        assert!(turns[100..].iter().all(|turn| (AHEAD..2 * AHEAD).contains(turn)));
        let half = turns[100..].iter().filter(|turn| **turn < AHEAD + AHEAD / 2).count();
        assert!((300..600).contains(&half), "{half}");

        // When the time has come the line has moved on; another bucket has a line of its own.
        let later = now + AHEAD / 2;
        assert_eq!(line.turn(&key, (later + each, each), later, 0), now + each * 101);
        let other = BucketKey::CertificatesPerDomain("fleet.test".parse().unwrap());
        assert_eq!(line.turn(&other, (later + each, each), later, 0), later + each);
        // A token that comes later than any turn is waited for.
        let late = now + AHEAD * 30;
        assert_eq!(line.turn(&other, (late, each), later, 0), late);
        // With the clock set back no turn is far off.
        assert!(line.turn(&key, (now - AHEAD * 9, each), now - AHEAD * 10, 999) < now - AHEAD * 8);
    }

    #[test]
    fn the_line_is_bounded() {
        let line = Line::default();
        let now = SystemTime::UNIX_EPOCH;
        for bucket in 0..MOST * 2 {
            let key = BucketKey::CertificatesPerDomain(format!("d{bucket}.test").parse().unwrap());
            line.turn(&key, (now + AHEAD, AHEAD), now, 0);
        }
        assert_eq!(line.0.lock().unwrap().len(), MOST);
    }
}
