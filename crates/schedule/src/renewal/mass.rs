//! The plan for certificates that must be renewed at once.

use std::time::{Duration, SystemTime};

/// A certificate that must be renewed at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Affected<K> {
    /// Id by which the caller knows it.
    pub id: K,
    /// Time from which it is of no use: the end of its renewal window if that lies ahead, the time of its revocation if
    /// that is known, otherwise its expiry.
    pub deadline: SystemTime,
}

/// A place in a [`MassPlan`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn<K> {
    /// Id by which the caller knows the certificate.
    pub id: K,
    /// Time at which its order should start.
    pub at: SystemTime,
    /// Whether that is after its deadline.
    pub late: bool,
}

/// Paces the renewals of certificates that must be renewed at once.
///
/// A mass revocation may affect the whole fleet, and the CA's rate limits do not slow it down: for Let's Encrypt, an order
/// less than 120 days after the last certificate for the same names counts for the exact set alone. A pace of our own
/// protects the CA and the zone.
///
/// The affected certificates become known a few at a time, because each is polled on its own. [`place`](Self::place) takes
/// those of one round of polls and appends them to the plan, the earliest deadline first. Four fifths of the pace go to
/// them in this order. One fifth is kept for certificates whose deadline would pass before their turn: they overtake what
/// earlier rounds have placed.
///
/// The plan is two times, whatever the size of the fleet: store it, and a restart, or another node, continues it.
///
/// ```
/// use fleetcert_schedule::{Affected, MassPlan};
/// use std::time::{Duration, SystemTime};
///
/// let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
/// let day = Duration::from_secs(86_400);
/// let affected = |id| Affected { id, deadline: now + 5 * day };
/// let mut plan = MassPlan::EMPTY;
/// let turns = plan.place((0..90_000u32).map(affected), 5000, now);
/// // One certificate starts at once, and the last of 90,000 in less than a day.
/// assert_eq!(turns[0].at, now);
/// assert!(turns[89_999].at < now + day);
/// // The next round is behind them, unless that would be too late.
/// let next = plan.place([affected(90_000)], 5000, now);
/// assert_eq!(next[0].at, plan.free_at - Duration::from_millis(900));
/// let urgent = Affected { id: 90_001, deadline: now + day / 24 };
/// assert_eq!(plan.place([urgent], 5000, now)[0].at, now);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MassPlan {
    /// Time of the next free place.
    pub free_at: SystemTime,
    /// Time of the next free place for a certificate that overtakes others.
    pub overtaking_free_at: SystemTime,
}

const HOUR: Duration = Duration::from_secs(3600);
/// Part of the pace that is kept for certificates that overtake others: one in this many.
const OVERTAKING: u32 = 5;

impl MassPlan {
    /// A plan without certificates.
    pub const EMPTY: Self =
        Self { free_at: SystemTime::UNIX_EPOCH, overtaking_free_at: SystemTime::UNIX_EPOCH };

    /// Places certificates, at most `orders_per_hour` in an hour, and returns their turns by deadline; with equal deadlines
    /// they keep their order. Zero counts as one.
    pub fn place<K>(
        &mut self,
        affected: impl IntoIterator<Item = Affected<K>>,
        orders_per_hour: u32,
        now: SystemTime,
    ) -> Vec<Turn<K>> {
        let mut affected: Vec<_> = affected.into_iter().collect();
        affected.sort_by_key(|certificate| certificate.deadline);
        let interval = HOUR / orders_per_hour.max(1);
        let turn = |Affected { id, deadline }| {
            let (next, overtaking) = (self.free_at.max(now), self.overtaking_free_at.max(now));
            let at = if deadline <= next && overtaking < deadline {
                self.overtaking_free_at = overtaking + interval * OVERTAKING;
                overtaking
            } else {
                self.free_at = next + interval * OVERTAKING / (OVERTAKING - 1);
                next
            };
            Turn { id, at, late: at >= deadline }
        };
        affected.into_iter().map(turn).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + DAY * 20_000
    }

    fn due_in(hours: u32) -> Affected<u32> {
        Affected { id: hours, deadline: now() + HOUR * hours }
    }

    fn ids(turns: &[Turn<u32>]) -> Vec<u32> {
        turns.iter().map(|turn| turn.id).collect()
    }

    #[test]
    fn earliest_deadline_is_placed_first_and_equal_ones_keep_their_order() {
        let affected = [(1, 500), (2, 200), (3, 500), (4, 0)]
            .map(|(id, hours)| Affected { id, deadline: now() + HOUR * hours });
        let mut plan = MassPlan::EMPTY;
        let turns = plan.place(affected, 4, now());
        assert_eq!(ids(&turns), [4, 2, 1, 3]);
        let every_18_minutes = (0..4).map(|i| now() + HOUR * 5 / 16 * i).collect::<Vec<_>>();
        assert_eq!(turns.iter().map(|turn| turn.at).collect::<Vec<_>>(), every_18_minutes);
        assert_eq!(turns.iter().map(|turn| turn.late).collect::<Vec<_>>(), [true, false, false, false]);
    }

    #[test]
    fn later_round_overtakes_only_where_it_would_be_late() {
        let mut plan = MassPlan::EMPTY;
        // Places for 125 hours.
        let first = plan.place((0..100).map(|_| due_in(1000)), 1, now());
        let turns = plan.place([due_in(200), due_in(8), due_in(1), due_in(120)], 1, now());
        assert_eq!(ids(&turns), [1, 8, 120, 200]);
        let at = |hours: u32| now() + HOUR * hours;
        assert_eq!([turns[0].at, turns[1].at, turns[2].at], [at(0), at(5), at(10)]);
        assert_eq!(turns[3].at, first[99].at + HOUR * 5 / 4);
        assert!(turns.iter().all(|turn| !turn.late));
        // Late in any case: it leaves the kept part to those that it helps.
        let hopeless = plan.place([due_in(1)], 1, now());
        assert!(hopeless[0].late && hopeless[0].at > turns[3].at);
    }

    #[test]
    fn single_certificate_does_not_wait_and_a_finished_plan_counts_no_more() {
        let mut plan = MassPlan::EMPTY;
        plan.place([due_in(100)], 0, now());
        let later = now() + DAY;
        assert_eq!(plan.place([due_in(100)], 0, later)[0].at, later);
        assert!(plan.place::<u32>([], 0, later).is_empty());
    }

    proptest! {
        #[test]
        fn plan_is_never_faster_than_its_pace(
            rounds in prop::collection::vec(prop::collection::vec(0u32..100, 1..60), 1..8),
            pace in 0u32..200,
        ) {
            let mut plan = MassPlan::EMPTY;
            let mut starts = Vec::new();
            for (minutes, round) in (0..).zip(rounds) {
                let turns = plan.place(round.into_iter().map(due_in), pace, now() + HOUR / 60 * minutes);
                starts.extend(turns.iter().map(|turn| turn.at));
            }
            starts.sort();
            for (i, first) in starts.iter().enumerate() {
                let in_an_hour = starts[i..].iter().filter(|at| **at < *first + HOUR).count();
                // Each of the two parts rounds up.
                prop_assert!(in_an_hour <= pace.max(1) as usize + 1);
            }
        }
    }
}
