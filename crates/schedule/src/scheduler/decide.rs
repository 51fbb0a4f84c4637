//! The next decision.

use std::hash::Hash;
use std::time::{Duration, SystemTime};

use super::{Cause, Job, Running, Scheduler, Why};
use crate::Moment;
use crate::budget::{Charges, Denied, DeniedBy, OrderKind};
use crate::queue::{self, By, Entry, Gate, Lane};

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
        let charges = Charges::order(self.budgets.limits(), kind, &job.account, &job.names());
        if !charges.shared().eq(self.pools.keys(entry.pool)) {
            let job = job.clone();
            self.move_to_its_pool(key, entry, &job, now);
            return None;
        }
        match self.budgets.reserve_leaving(&charges, self.options.reserve.leave_of(entry.lane), now) {
            Err(denied) => {
                self.hold_denied(key, entry, &charges, denied, now);
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
        let pool = self.join(job, now);
        self.expect_exemption(key, job, now);
        self.queue.change(key, Entry { pool, ..entry });
        self.leave_pool(entry.pool);
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

    fn hold_denied(&mut self, key: K, entry: Entry, charges: &Charges, denied: Denied, now: SystemTime) {
        if denied.by() == &DeniedBy::Capacity {
            let until = now.checked_add(BETWEEN_LOOKS);
            return self.close(Gate::All, until, Cause::Limit, Why::Limit(denied));
        }
        let of_pool = |denied: &Denied| match denied.by() {
            DeniedBy::Limit { key: bucket, .. } => self.pools.keys(entry.pool).contains(bucket),
            _ => false,
        };
        let (of_pool, denied) = match self.budgets.denial(charges, now) {
            // To a lane that leaves nothing it would be granted.
            None if of_pool(&denied) => {
                let gate = Gate::PoolLane(entry.pool, entry.lane);
                return self.close(gate, denied.retry_at(), Cause::Reserve, Why::Reserve(denied));
            }
            None => (false, denied),
            Some(denied) => (of_pool(&denied), denied),
        };
        let until = denied.retry_at();
        match denied.by() {
            DeniedBy::Limit { .. } if of_pool => {
                self.close(Gate::Pool(entry.pool), until, Cause::Limit, Why::Limit(denied));
            }
            DeniedBy::Paused { .. } => {
                self.paused.insert(key);
                self.queue.hold(key, None, Cause::Limit);
            }
            _ => {
                // Without a time an order for the same names is under way.
                let until = until.or_else(|| now.checked_add(self.options.order_takes.max(A_SECOND)));
                self.queue.hold(key, until, Cause::Limit);
            }
        }
    }

    fn close(&mut self, gate: Gate, until: Option<SystemTime>, cause: Cause, why: Why) {
        self.queue.close(gate, until, cause);
        self.reasons.insert(gate, why);
    }

    /// What holds, in full; `None` when it holds no longer.
    pub(super) fn explain(&self, by: By<K>, cause: Cause, now: SystemTime) -> Option<Why> {
        match (cause, by) {
            (Cause::NotDue, _) => Some(Why::NotDue),
            (Cause::FailingInFlight, _) => Some(Why::FailingInFlight),
            (Cause::Halted(halt), _) => Some(Why::Halted(halt)),
            (Cause::Limit | Cause::Reserve, By::Gate(gate)) => self.reasons.get(&gate).cloned(),
            (Cause::Limit | Cause::Reserve, By::Entry(key)) => {
                let (entry, job) = self.queue.get(key)?;
                let (_, charges) = self.charges(job, now);
                let leave = self.options.reserve.leave_of(entry.lane);
                let reserved = || self.budgets.denial_leaving(&charges, leave, now).map(Why::Reserve);
                self.budgets.denial(&charges, now).map(Why::Limit).or_else(reserved)
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

const A_SECOND: Duration = Duration::from_secs(1);
/// Full buckets are forgotten when room is needed, and fill with time.
const BETWEEN_LOOKS: Duration = Duration::from_secs(10);
