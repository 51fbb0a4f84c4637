//! The plan for certificates that must all be renewed at once.

use std::time::{Duration, SystemTime};

use crate::budget::{OrderKind, SAME_SET_WINDOW};

/// A certificate that the CA wants to be renewed at once, or will revoke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Affected<K> {
    /// What the caller knows it by.
    pub id: K,
    /// When it stops being good: the end of its window where that lies ahead, the time of its revocation where that
    /// is known, and else its expiry.
    pub deadline: SystemTime,
    /// When the CA last issued for the exact set of its names.
    pub last_issued: SystemTime,
}

/// A place in a [`MassPlan`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn<K> {
    /// What the caller knows it by.
    pub id: K,
    /// When its order should start.
    pub at: SystemTime,
    /// Whether that is after its deadline.
    pub late: bool,
    /// What the order is for the CA, unless it comes inside a window that is open. Of a
    /// [`SameSet`](OrderKind::SameSet) only the exact set and failures count; a [`New`](OrderKind::New) one takes
    /// from the budgets of the account and of the domain, and may wait longer for these than this plan says.
    pub kind: OrderKind,
}

/// In which order, and when, certificates are renewed that were told to be at once.
///
/// A mass revocation may touch the whole fleet. The CA's limits do not stand in its way: less than 120 days after the
/// last certificate for the same names an order counts for the exact set alone. So a pace of our own must keep the CA
/// and the zone upright. First comes what stops being good first, then, of equals, what comes first in the list.
///
/// ```
/// use fleetcert_schedule::{Affected, MassPlan};
/// use std::time::{Duration, SystemTime};
///
/// let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
/// let day = Duration::from_secs(86_400);
/// let affected = (0..90_000u32).map(|id| Affected { id, deadline: now + 5 * day, last_issued: now - 9 * day });
/// let plan = MassPlan::new(affected, 3600, now);
/// assert_eq!(plan.done_at(), Some(now + Duration::from_secs(89_999)));
/// assert_eq!((plan.late(), plan.not_exempt()), (0, 0));
/// assert_eq!(MassPlan::<u32>::pace_for(90_000, day), 3750);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MassPlan<K> {
    turns: Vec<Turn<K>>,
}

impl<K> MassPlan<K> {
    /// The plan that starts `orders_per_hour` orders in an hour, from `now` on and evenly; zero counts as one.
    ///
    /// At Let's Encrypt an order takes about seven requests, and one address may make 250 requests in a second.
    pub fn new(
        affected: impl IntoIterator<Item = Affected<K>>,
        orders_per_hour: u32,
        now: SystemTime,
    ) -> Self {
        let mut affected: Vec<_> = affected.into_iter().collect();
        affected.sort_by_key(|certificate| certificate.deadline);
        let turn = |(i, certificate): (usize, Affected<K>)| {
            let at = now.checked_add(start_of(i, orders_per_hour)).unwrap_or(now);
            let late = at >= certificate.deadline;
            let done_at = at.checked_add(ORDER_TAKES).unwrap_or(at);
            let kind = OrderKind::of(false, Some(certificate.last_issued), done_at);
            Turn { id: certificate.id, at, late, kind }
        };
        Self { turns: affected.into_iter().enumerate().map(turn).collect() }
    }

    /// How many orders in an hour start `count` within `time`, the first at once; for a time that is given.
    pub fn pace_for(count: usize, time: Duration) -> u32 {
        let hours_of = (count as u128).saturating_mul(HOUR.as_nanos());
        u32::try_from(hours_of.div_ceil(time.as_nanos().max(1))).unwrap_or(u32::MAX)
    }

    /// The turns, the earliest first.
    pub fn turns(&self) -> &[Turn<K>] {
        &self.turns
    }

    /// When the last order starts; `None` when there is none.
    pub fn done_at(&self) -> Option<SystemTime> {
        self.turns.last().map(|turn| turn.at)
    }

    /// How many come after their deadline at this pace.
    pub fn late(&self) -> usize {
        self.turns.iter().filter(|turn| turn.late).count()
    }

    /// How many take from the budgets of new certificates, because by their turn the same names were last issued 120
    /// days before.
    pub fn not_exempt(&self) -> usize {
        self.turns.iter().filter(|turn| turn.kind == OrderKind::New).count()
    }
}

const HOUR: Duration = Duration::from_secs(3600);
/// The CA asks for the age of the last certificate again when it issues.
const ORDER_TAKES: Duration = Duration::from_secs(3600);
const _: () = assert!(ORDER_TAKES.as_secs() < SAME_SET_WINDOW.as_secs());

fn start_of(i: usize, orders_per_hour: u32) -> Duration {
    let nanos = (i as u128).saturating_mul(HOUR.as_nanos()) / u128::from(orders_per_hour.max(1));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + DAY * 20_000
    }

    #[test]
    fn the_soonest_deadline_first_and_then_as_listed() {
        let affected = [(1, 5), (2, 2), (3, 5), (4, 0)].map(|(id, days)| Affected {
            id,
            deadline: now() + DAY * days,
            last_issued: now(),
        });
        let plan = MassPlan::new(affected, 1, now());
        let order: Vec<_> = plan.turns().iter().map(|turn| (turn.id, turn.late)).collect();
        assert_eq!(order, [(4, true), (2, false), (1, false), (3, false)]);
        assert_eq!(plan.late(), 1);
        assert_eq!(plan.done_at(), Some(now() + HOUR * 3));
    }

    #[test]
    fn what_was_issued_120_days_ago_is_not_exempt() {
        let issued = |days| Affected { id: days, deadline: now() + DAY, last_issued: now() - DAY * days };
        let plan = MassPlan::new([issued(119), issued(120), issued(121)], 100, now());
        assert_eq!(plan.not_exempt(), 2);
        // Exempt now, but no longer when its turn comes.
        let plan = MassPlan::new((0..49).map(|_| issued(118)), 1, now());
        assert_eq!(plan.not_exempt(), 2);
    }

    #[test]
    fn nothing_takes_no_time() {
        let plan = MassPlan::<u8>::new([], 0, now());
        assert_eq!((plan.done_at(), plan.late()), (None, 0));
        assert_eq!(MassPlan::<u8>::pace_for(0, Duration::ZERO), 0);
        assert_eq!(MassPlan::<u8>::pace_for(usize::MAX, Duration::ZERO), u32::MAX);
    }

    proptest! {
        #[test]
        fn never_faster_than_the_pace(count in 1usize..500, pace in 0u32..10_000) {
            let affected = (0..count).map(|id| Affected { id, deadline: now(), last_issued: now() });
            let plan = MassPlan::new(affected, pace, now());
            let starts: Vec<_> = plan.turns().iter().map(|turn| turn.at).collect();
            for (i, first) in starts.iter().enumerate() {
                let in_an_hour = starts[i..].iter().filter(|at| **at < *first + HOUR).count();
                prop_assert!(in_an_hour <= pace.max(1) as usize);
            }
        }

        #[test]
        fn the_pace_for_a_time_keeps_it(count in 1usize..100_000, hours in 1u32..1000) {
            let pace = MassPlan::<u8>::pace_for(count, HOUR * hours);
            prop_assert!(start_of(count - 1, pace) < HOUR * hours);
        }
    }
}
