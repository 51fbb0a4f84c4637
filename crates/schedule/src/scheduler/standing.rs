//! Where an order stands, and when it is expected.

use std::hash::Hash;
use std::time::{Duration, SystemTime};

use super::{Scheduler, Why};
use crate::budget::{Bucket, BucketKey, DeniedBy, Rule};
use crate::expected_completion;
use crate::queue::{By, Entry, Lane};

/// Where an order stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The lane.
    pub lane: Lane,
    /// Whether it is under way.
    pub under_way: bool,
    /// How many go before it.
    pub ahead: usize,
    /// What holds it, were it its turn.
    pub held: Option<Hold>,
    /// When it is expected to be done, if nothing more comes; `None` when time alone does not help.
    pub expected_at: Option<SystemTime>,
}

/// What holds an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Why.
    pub why: Why,
    /// Until when; `None` when no time helps.
    pub until: Option<SystemTime>,
}

impl<K: Copy + Ord + Hash> Scheduler<K> {
    /// Where an order stands; `None` when it is not wanted. Nobody else's order is looked at.
    pub fn standing(&self, key: K, now: SystemTime) -> Option<Standing> {
        if let Some(running) = self.running.get(&key) {
            let (lane, ahead, held) = (running.entry.lane, 0, None);
            let expected_at = now.checked_add(self.options.order_takes);
            return Some(Standing { lane, under_way: true, ahead, held, expected_at });
        }
        let (entry, _) = self.queue.get(key)?;
        let place = self.queue.standing(key)?;
        let held = place.held.and_then(|held| {
            let by = held.gate.map_or(By::Entry(key), By::Gate);
            Some(Hold { why: self.explain(by, held.why, now)?, until: held.until })
        });
        let starts_at = match &held {
            Some(Hold { until: None, why }) if !ends_with_an_order(why) => None,
            held => {
                let free = self.bucket_free_at(key, entry, place.in_pool, now);
                let until = held.as_ref().and_then(|held| held.until).unwrap_or(now);
                free.map(|free| free.max(until).max(now))
            }
        };
        let each = self.options.order_takes;
        let waiting = place.ahead.saturating_add(self.running.len());
        let by_slots = expected_completion(now, waiting, self.options.in_flight, each);
        let expected_at = starts_at.and_then(|start| start.checked_add(each)).map(|end| end.max(by_slots));
        Some(Standing { lane: entry.lane, under_way: false, ahead: place.ahead, held, expected_at })
    }

    /// When the shared buckets have a token for it, after those before it have had theirs.
    fn bucket_free_at(&self, key: K, entry: Entry, in_pool: usize, now: SystemTime) -> Option<SystemTime> {
        let keys = self.pools.keys(entry.pool).iter();
        keys.map(|bucket| {
            let belongs = |pool| self.pools.keys(pool).contains(bucket);
            let elsewhere = self.queue.ahead_in(key, in_pool, self.pools.drawing_on(bucket), belongs);
            let ahead = in_pool.saturating_add(elsewhere);
            self.nth_token(bucket, ahead.saturating_add(1), entry.lane, now)
        })
        .try_fold(now, |latest, free| Some(latest.max(free?)))
    }

    /// When a bucket has the nth token for a lane from now on, if each is spent as it comes.
    fn nth_token(&self, key: &BucketKey, nth: usize, lane: Lane, now: SystemTime) -> Option<SystemTime> {
        let (bucket, held) = self.budgets.row(key).map_or((Bucket::FULL, 0), |row| (row.bucket, row.held));
        let wait = match self.budgets.limits().rule_for(key) {
            Rule::Limited(limit) => {
                let kept = self.options.reserve.leave_of(lane).of(&limit);
                let tokens = nth as u128 + u128::from(held) + u128::from(kept);
                let lacking = limit.emission_interval().as_nanos().saturating_mul(tokens);
                // How long it takes to be full, if these are spent at once, without what it may lack then.
                let until_full = bucket.spend(&limit, now, 0).reset_in().as_nanos().saturating_add(lacking);
                until_full.saturating_sub(limit.burst_offset().as_nanos())
            }
            Rule::Unlimited | Rule::Unknown => 0,
        };
        now.checked_add(Duration::from_nanos(u64::try_from(wait).ok()?))
    }
}

/// Whether it ends when some order does.
fn ends_with_an_order(why: &Why) -> bool {
    match why {
        Why::Limit(denied) => matches!(denied.by(), DeniedBy::Limit { .. }),
        Why::InFlight | Why::FailingInFlight | Why::Reserve(_) => true,
        Why::NotDue | Why::Halted(_) => false,
    }
}
