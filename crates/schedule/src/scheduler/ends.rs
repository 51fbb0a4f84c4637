//! How an order goes on, and how it ends.

use std::hash::Hash;
use std::time::SystemTime;

use super::{Job, Running, Scheduler, Want, WantError};
use crate::budget::{BucketKey, Charges, Correction, Outcome, Refusal, Reservation};
use crate::queue::{Entry, Gate, Lane, Pool};

impl<K: Copy + Ord + Hash> Scheduler<K> {
    /// The CA has accepted the request for the order: what it took then begins to come back. `false` when no such
    /// order is under way.
    pub fn ordered(&mut self, key: K, now: SystemTime) -> bool {
        let Some(running) = self.running.get_mut(&key) else { return false };
        self.budgets.ordered(&mut running.reservation, now);
        true
    }

    /// The order has ended, and is no longer wanted. What was wanted is given back, for those that want it again.
    pub fn finished(&mut self, key: K, outcome: &Outcome, now: SystemTime) -> Option<Want> {
        let running = self.end(key)?;
        let touched: Vec<_> = running.reservation.keys().cloned().collect();
        self.budgets.commit(running.reservation, outcome, now);
        self.look_again_at(&touched, matches!(outcome, Outcome::NotIssued { .. }));
        Some(want_of(&running.entry, &running.job))
    }

    /// The CA has refused the request (HTTP 429) for this bucket: the mirror is corrected, and the order waits
    /// again, in its old place. `None` when no such order is under way.
    pub fn refused(
        &mut self,
        key: K,
        bucket: &BucketKey,
        refusal: Refusal,
        now: SystemTime,
    ) -> Option<Option<Correction>> {
        let Running { reservation, entry, job } = self.end(key)?;
        let touched: Vec<_> = reservation.keys().cloned().collect();
        self.budgets.release(reservation, now);
        let correction = self.budgets.correct(bucket, refusal, now);
        self.look_again_at(&touched, true);
        // Where there was no room for the correction, only the order itself can keep the time.
        let not_before = if correction.is_none() { now.checked_add(refusal.retry_after) } else { None };
        self.put_in(key, entry, job, not_before, now);
        Some(correction)
    }

    /// The request was not sent, or for sure had no effect: the order waits again, in its old place. `false` when
    /// no such order is under way.
    pub fn put_back(&mut self, key: K, not_before: Option<SystemTime>, now: SystemTime) -> bool {
        let Some(Running { reservation, entry, job }) = self.end(key) else { return false };
        let touched: Vec<_> = reservation.keys().cloned().collect();
        self.budgets.release(reservation, now);
        self.look_again_at(&touched, true);
        self.put_in(key, entry, job, not_before, now);
        true
    }

    /// Takes up an order that was under way before a crash. Its charges come from its journal, and its tokens are
    /// held in the rows that were restored into the budgets. `ordered` says whether
    /// [`ordered`](Self::ordered) had been called.
    ///
    /// # Errors
    /// [`WantError::UnderWay`] when it is under way already, [`WantError::Full`] when there is no room.
    pub fn take_up(
        &mut self,
        key: K,
        want: &Want,
        charges: Charges,
        ordered: bool,
        now: SystemTime,
    ) -> Result<(), WantError> {
        if self.running.contains_key(&key) {
            return Err(WantError::UnderWay);
        }
        self.leave_queue(key);
        if self.queue.len() + self.running.len() >= self.options.capacity {
            return Err(WantError::Full);
        }
        let Want { lane, tenant, deadline, .. } = *want;
        let entry = Entry { lane, pool: Pool(0), tenant, deadline, since: now };
        let reservation = Reservation::resume(charges, ordered);
        self.begin(key, Running { reservation, entry, job: Job::of(want) });
        Ok(())
    }

    fn end(&mut self, key: K) -> Option<Running> {
        let running = self.running.remove(&key)?;
        if running.entry.lane == Lane::Failing {
            self.failing -= 1;
            self.queue.open(Gate::Lane(Lane::Failing));
        }
        Some(running)
    }

    /// Opens the gates before which tokens of these buckets may have become free: those that waited for no more
    /// than that and, if any were given back, all.
    fn look_again_at(&mut self, buckets: &[BucketKey], given_back: bool) {
        for bucket in buckets {
            for pool in self.pools.drawing_on(bucket).collect::<Vec<_>>() {
                let lanes = Lane::ALL.into_iter().map(|lane| Gate::PoolLane(pool, lane));
                for gate in lanes.chain([Gate::Pool(pool)]) {
                    if self.queue.closed(gate).is_some_and(|(until, _)| given_back || until.is_none()) {
                        self.open(gate);
                    }
                }
            }
        }
    }
}

fn want_of(entry: &Entry, job: &Job) -> Want {
    Want {
        names: job.names(),
        account: job.account.clone(),
        last_issued: job.last_issued(),
        ari_window: job.window(),
        lane: entry.lane,
        tenant: entry.tenant,
        deadline: entry.deadline,
        not_before: None,
    }
}
