//! A queue and budgets together, as the engine and the simulation use them.

use super::*;
use crate::budget::{HELD_TOKEN_RETRY, Reservation};

pub(super) const DAY: Duration = Duration::from_secs(86_400);

/// An order to dispatch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Job {
    pub(super) names: IdentifierSet,
    pub(super) account: Account,
    pub(super) last_issued: Option<SystemTime>,
    pub(super) window: Option<(SystemTime, SystemTime)>,
    pub(super) lane: Lane,
    pub(super) tenant: Tenant,
    pub(super) deadline: SystemTime,
    pub(super) due: SystemTime,
    pub(super) since: SystemTime,
}

/// An order that was started.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) key: u32,
    pub(super) kind: OrderKind,
    pub(super) charges: Charges,
}

#[derive(Debug)]
pub(super) enum Next {
    Started(Started),
    Wait { until: Option<SystemTime>, reason: HoldReason },
    Empty,
}

#[derive(Debug)]
pub(super) struct Dispatcher {
    pub(super) queue: OrderQueue<u32>,
    pub(super) budgets: Budgets,
    pub(super) reserve: Reserve,
    pub(super) jobs: BTreeMap<u32, Job>,
    reservations: BTreeMap<u32, Reservation>,
}

impl Dispatcher {
    pub(super) fn new(limits: Limits, reserve: Reserve, options: &OrderQueueOptions) -> Self {
        Self {
            queue: OrderQueue::new(options),
            budgets: Budgets::new(limits, 1_000_000),
            reserve,
            jobs: BTreeMap::new(),
            reservations: BTreeMap::new(),
        }
    }

    pub(super) fn charges(&self, job: &Job, now: SystemTime) -> (OrderKind, Charges) {
        let kind = OrderKind::at(job.window, job.last_issued, now);
        (kind, Charges::order(self.budgets.limits(), kind, &job.account, &job.names))
    }

    pub(super) fn want(&mut self, key: u32, job: &Job, now: SystemTime) -> Result<(), NotInserted> {
        assert!(!self.queue.is_in_flight(&key));
        let (_, charges) = self.charges(job, now);
        let order = WaitingOrder {
            name: key,
            version: (),
            is_placed: false,
            lane: job.lane,
            expiring_from: None,
            pool: pool_of(&charges),
            tenant: job.tenant,
            deadline: job.deadline,
            since: job.since,
            due: job.due,
        };
        self.jobs.remove(&key);
        self.queue.put(order, now)?;
        self.jobs.insert(key, job.clone());
        Ok(())
    }

    pub(super) fn next(&mut self, now: SystemTime) -> Next {
        loop {
            let candidate = match self.queue.next(now) {
                NextOrder::Candidate(candidate) => candidate,
                NextOrder::Wait { until, reason } => return Next::Wait { until, reason },
                NextOrder::Empty => return Next::Empty,
            };
            let key = candidate.name;
            let job = &self.jobs[&key];
            let (kind, charges) = self.charges(job, now);
            if !self.queue.confirm(&candidate, job.lane, pool_of(&charges)) {
                continue;
            }
            let leave = self.reserve.leave_of(job.lane);
            if let Some(denial) = self.budgets.shared_denial(&charges, leave, now) {
                let starting = self.queue.starting(candidate.pool);
                self.queue.close(&candidate, &denial, starting, now);
                continue;
            }
            match self.budgets.reserve_leaving(&charges, leave, now) {
                Ok(reservation) => {
                    assert!(self.queue.start(&candidate));
                    self.queue.reserved(&key);
                    self.reservations.insert(key, reservation);
                    return Next::Started(Started { key, kind, charges });
                }
                Err(denied) => {
                    self.queue.hold(&key, denied.retry_at().unwrap_or(now + HELD_TOKEN_RETRY));
                }
            }
        }
    }

    pub(super) fn ordered(&mut self, key: u32, now: SystemTime) {
        self.budgets.ordered(self.reservations.get_mut(&key).unwrap(), now);
    }

    pub(super) fn finish(&mut self, key: u32, outcome: &Outcome, now: SystemTime) -> Job {
        let reservation = self.reservations.remove(&key).unwrap();
        self.budgets.commit(reservation, outcome, now);
        assert!(self.queue.end(&key, None, now));
        if *outcome != Outcome::Done {
            self.queue.reopen_pools();
        }
        self.jobs.remove(&key).unwrap()
    }

    /// The request was not sent: the order waits again in its old place.
    pub(super) fn put_back(&mut self, key: u32, due: SystemTime, now: SystemTime) {
        let reservation = self.reservations.remove(&key).unwrap();
        self.budgets.release(reservation, now);
        assert!(self.queue.end(&key, Some(due), now));
        self.queue.reopen_pools();
    }

    /// The CA refused the request for this bucket.
    pub(super) fn refuse(&mut self, key: u32, bucket: &BucketKey, refusal: Refusal, now: SystemTime) {
        let reservation = self.reservations.remove(&key).unwrap();
        self.budgets.release(reservation, now);
        self.budgets.correct(bucket, refusal, now).unwrap();
        assert!(self.queue.end(&key, Some(now), now));
        self.queue.reopen_pools();
    }

    pub(super) fn start_all(&mut self, now: SystemTime) -> Vec<u32> {
        let mut keys = Vec::new();
        while let Next::Started(one) = self.next(now) {
            keys.push(one.key);
        }
        keys
    }

    /// Returns what holds everything that waits.
    pub(super) fn wait(&mut self, now: SystemTime) -> (Option<SystemTime>, HoldReason) {
        match self.next(now) {
            Next::Wait { until, reason } => (until, reason),
            other => panic!("{other:?}"),
        }
    }
}
