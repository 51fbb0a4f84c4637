//! The next decision.

use std::hash::Hash;
use std::time::{Duration, SystemTime};

use super::pools::is_shared;
use super::{Cause, Job, Running, Scheduler, Why};
use crate::budget::{Bucket, BucketKey, Charges, Denied, DeniedBy, OrderKind, Rule};
use crate::queue::{self, By, Entry, Gate, Lane, Moment};

/// What to do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next<K> {
    /// Send this order.
    Start(Start<K>),
    /// Nothing can go now.
    Wait {
        /// When to ask again; `None` when no time helps. Ask again also whenever an order has ended.
        until: Option<SystemTime>,
        /// What ends then.
        why: Why,
    },
    /// Nothing is wanted.
    Empty,
}

/// An order to send. Its tokens are held until it has [finished](Scheduler::finished), or was
/// [refused](Scheduler::refused) or [put back](Scheduler::put_back).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start<K> {
    /// Which one.
    pub key: K,
    /// What it is in the eyes of the CA now. Inside the ARI window it must name its predecessor in `replaces`.
    pub kind: OrderKind,
    /// What is held for it, for its journal.
    pub charges: Charges,
}

impl<K: Copy + Ord + Hash> Scheduler<K> {
    /// What to do now.
    ///
    /// O(log n), apart from those that are looked at and found to have to wait: each of them is paid for once for
    /// each time that it is held.
    pub fn next(&mut self, now: SystemTime) -> Next<K> {
        self.exempt_due(now);
        loop {
            if self.running.len() >= self.options.in_flight && !self.queue.is_empty() {
                return Next::Wait { until: None, why: Why::InFlight };
            }
            match self.queue.next(now) {
                queue::Next::Candidate(key) => {
                    if let Some(start) = self.try_start(key, now) {
                        return Next::Start(start);
                    }
                }
                queue::Next::Wait { until, by, why } => match self.explain(by, why, now) {
                    Some(why) => return Next::Wait { until, why },
                    None => self.look_again(by),
                },
                queue::Next::Empty => return Next::Empty,
            }
        }
    }

    /// Starts it, or holds it, or moves it to where it belongs.
    fn try_start(&mut self, key: K, now: SystemTime) -> Option<Start<K>> {
        let (entry, job) = self.queue.get(key)?;
        let kind = job.kind(now, self.options.order_lasts);
        let charges = Charges::order(self.budgets.limits(), kind, &job.account, &job.names);
        if !is_of(&charges, self.pools.keys(entry.pool)) {
            let job = job.clone();
            self.move_to_its_pool(key, entry, &job, now);
            return None;
        }
        if let Some((until, why)) = self.reserved(entry, now) {
            let gate = Gate::PoolLane(entry.pool, entry.lane);
            self.close(gate, until, Cause::Reserve, why);
            return None;
        }
        match self.budgets.reserve(&charges, now) {
            Err(denied) => {
                self.hold_denied(key, entry, denied, now);
                None
            }
            Ok(reservation) => {
                let (entry, job) = self.queue.take(key)?;
                self.left(key, &entry, &job);
                self.begin(key, Running { reservation, entry, job });
                Some(Start { key, kind, charges })
            }
        }
    }

    pub(super) fn begin(&mut self, key: K, running: Running) {
        if running.entry.lane == Lane::Failing {
            self.failing += 1;
            if self.failing >= self.options.failing_in_flight.max(1) {
                self.queue.close(Gate::Lane(Lane::Failing), None, Cause::FailingInFlight);
            }
        }
        self.running.insert(key, running);
    }

    fn move_to_its_pool(&mut self, key: K, entry: Entry, job: &Job, now: SystemTime) {
        let pool = self.join(key, job, now);
        self.queue.change(key, Entry { pool, ..entry });
        self.pools.leave(entry.pool);
    }

    /// Orders whose window has opened wait no longer for buckets from which it exempts them.
    fn exempt_due(&mut self, now: SystemTime) {
        while let Some((_, key)) = self.exemptions.first().copied().filter(|(at, _)| *at <= Moment::of(now)) {
            self.exemptions.pop_first();
            if let Some((entry, job)) = self.queue.get(key) {
                let job = job.clone();
                self.move_to_its_pool(key, entry, &job, now);
            }
        }
    }

    fn hold_denied(&mut self, key: K, entry: Entry, denied: Denied, now: SystemTime) {
        let until = denied.retry_at();
        match denied.by() {
            DeniedBy::Limit { key: bucket, .. } if is_shared(bucket.kind()) => {
                self.close(Gate::Pool(entry.pool), until, Cause::Limit, Why::Limit(denied));
            }
            DeniedBy::Limit { .. } => {
                // Without a time an order for the same names is under way.
                let until = until.or_else(|| now.checked_add(self.options.order_takes.max(A_SECOND)));
                self.queue.hold(key, until, Cause::Limit);
            }
            DeniedBy::Paused { .. } => {
                self.paused.insert(key);
                self.queue.hold(key, None, Cause::Limit);
            }
            DeniedBy::Capacity => {
                let until = now.checked_add(BETWEEN_LOOKS);
                self.close(Gate::All, until, Cause::Limit, Why::Limit(denied));
            }
        }
    }

    fn close(&mut self, gate: Gate, until: Option<SystemTime>, cause: Cause, why: Why) {
        self.queue.close(gate, until, cause);
        self.reasons.insert(gate, why);
    }

    /// Whether a lane must leave what is left in the shared buckets, and until when.
    fn reserved(&self, entry: Entry, now: SystemTime) -> Option<(Option<SystemTime>, Why)> {
        let percent = *self.options.reserve.leave.get(entry.lane);
        if percent == 0 {
            return None;
        }
        let held_back = self.pools.keys(entry.pool).iter().filter_map(|key| {
            let kept = self.kept(key, entry.lane);
            let Rule::Limited(limit) = self.budgets.limits().rule_for(key) else { return None };
            let (bucket, held) = self.bucket(key);
            let with_reserve = bucket.spend(&limit, now, held.saturating_add(kept).saturating_add(1));
            // Without the reserve it would be denied as well: then that is what holds it.
            if with_reserve.allowed || !bucket.spend(&limit, now, held.saturating_add(1)).allowed {
                return None;
            }
            let until = with_reserve.retry_in.and_then(|wait| now.checked_add(wait));
            let left = with_reserve.remaining.saturating_sub(held);
            Some((until, Why::Reserve { key: key.clone(), left, kept }))
        });
        held_back.max_by_key(|(until, _)| Moment::or_never(*until))
    }

    /// How many tokens of a bucket a lane leaves: the percentage rounded up, but never all.
    pub(super) fn kept(&self, key: &BucketKey, lane: Lane) -> u32 {
        let percent = u64::from((*self.options.reserve.leave.get(lane)).min(100));
        match self.budgets.limits().rule_for(key) {
            Rule::Limited(limit) => {
                let kept = (u64::from(limit.burst()) * percent).div_ceil(100);
                u32::try_from(kept).unwrap_or(u32::MAX).min(limit.burst() - 1)
            }
            Rule::Unlimited | Rule::Unknown => 0,
        }
    }

    pub(super) fn bucket(&self, key: &BucketKey) -> (Bucket, u32) {
        self.budgets.row(key).map_or((Bucket::FULL, 0), |row| (row.bucket, row.held))
    }

    /// What holds, in full; `None` when it holds no longer.
    pub(super) fn explain(&self, by: By<K>, cause: Cause, now: SystemTime) -> Option<Why> {
        match (cause, by) {
            (Cause::NotDue, _) => Some(Why::NotDue),
            (Cause::FailingInFlight, _) => Some(Why::FailingInFlight),
            (Cause::Halted(halt), _) => Some(Why::Halted(halt)),
            (Cause::Limit | Cause::Reserve, By::Gate(gate)) => self.reasons.get(&gate).cloned(),
            (Cause::Limit | Cause::Reserve, By::Entry(key)) => {
                let (_, job) = self.queue.get(key)?;
                let (_, charges) = self.charges(job, now);
                self.budgets.denial(&charges, now).map(Why::Limit)
            }
        }
    }

    fn look_again(&mut self, by: By<K>) {
        match by {
            By::Gate(gate) => self.open(gate),
            By::Entry(key) => {
                self.queue.wake(key);
            }
        }
    }
}

/// Whether the shared buckets of the charges are these.
fn is_of(charges: &Charges, keys: &[BucketKey]) -> bool {
    let shared = charges.iter().filter(|charge| charge.checked && is_shared(charge.key.kind()));
    shared.map(|charge| &charge.key).eq(keys)
}

const A_SECOND: Duration = Duration::from_secs(1);
/// Full buckets are forgotten when room is needed, and fill with time.
const BETWEEN_LOOKS: Duration = Duration::from_secs(10);
