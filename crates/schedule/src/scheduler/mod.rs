//! Which order to send next, with the CA's limits, the shares and the deadlines together.
//!
//! [`Scheduler`] is a [queue](crate::queue), the [budgets](crate::budget) of one CA, and the orders under way. It
//! decides and does nothing: whoever drives it sends the orders that it [starts](Next::Start), and tells it how
//! they end.
//!
//! ```
//! use fleetcert_schedule::budget::{Account, Limits, NameSet, Outcome};
//! use fleetcert_schedule::queue::{Lane, Tenant};
//! use fleetcert_schedule::scheduler::{Next, Scheduler, SchedulerOptions, Want};
//! use std::time::{Duration, SystemTime};
//!
//! let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
//! let mut scheduler = Scheduler::new(SchedulerOptions::new(Limits::lets_encrypt_production()));
//! let account = Account::new("https://ca.example/acct/1").expect("visible ASCII");
//! for device in 0..60u64 {
//!     let name = format!("d{device}.fleet.example.com").parse().expect("a host name");
//!     let want = Want {
//!         names: NameSet::new(&[name]).expect("one name"),
//!         account: account.clone(),
//!         last_issued: None,
//!         ari_window: None,
//!         lane: Lane::New,
//!         tenant: Tenant(0),
//!         deadline: now + Duration::from_secs(3600),
//!         not_before: None,
//!     };
//!     scheduler.want(device, &want, now)?;
//! }
//! let mut started = 0;
//! let until = loop {
//!     match scheduler.next(now) {
//!         Next::Start(start) => {
//!             // Here the order is sent, and the certificate comes.
//!             scheduler.finished(start.key, &Outcome::Done, now);
//!             started += 1;
//!         }
//!         Next::Wait { until, .. } => break until,
//!         Next::Empty => break None,
//!     }
//! };
//! // 50 certificates for one domain at once; of these a tenth is kept for what is more urgent than new devices.
//! assert_eq!(started, 45);
//! assert_eq!(until, Some(now + Duration::from_secs(12_096)));
//! # Ok::<(), fleetcert_schedule::scheduler::WantError>(())
//! ```

mod decide;
mod ends;
mod options;
mod pools;
mod standing;
#[cfg(test)]
mod tests;
mod want;
mod why;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;
use std::time::SystemTime;

pub use decide::{Next, Start};
pub use options::{Reserve, SchedulerOptions};
pub use standing::{Hold, Standing};
pub use want::{Want, WantError};
pub use why::{Halt, Why};

use crate::Moment;
use crate::budget::{Budgets, Charges, OrderKind, Reservation};
use crate::queue::{Entry, Gate, Lane, Pool, Queue, QueueOptions, Tenant};
use pools::Pools;
use want::Job;
use why::Cause;

/// The orders that are wanted from one CA, and those under way.
///
/// `K` is the caller's name of an order, such as the number of a device.
#[derive(Debug)]
pub struct Scheduler<K> {
    options: SchedulerOptions,
    queue: Queue<K, Cause, Job>,
    budgets: Budgets,
    pools: Pools,
    running: HashMap<K, Running>,
    failing: usize,
    /// What closed a gate, in full.
    reasons: BTreeMap<Gate, Why>,
    /// When orders that draw on shared buckets will no longer do so.
    exemptions: BTreeSet<(Moment, K)>,
    /// Those with a name that the CA has paused.
    paused: BTreeSet<K>,
}

#[derive(Debug)]
struct Running {
    reservation: Reservation,
    entry: Entry,
    job: Job,
}

impl<K: Copy + Ord + Hash> Scheduler<K> {
    /// A scheduler with full buckets, for which nothing is wanted.
    pub fn new(options: SchedulerOptions) -> Self {
        let queue = Queue::new(QueueOptions {
            capacity: options.capacity,
            max_flows: options.max_flows,
            max_age: options.max_age,
            lane_weights: options.lane_weights,
        });
        let budgets = Budgets::new(options.limits.clone(), options.bucket_capacity);
        Self {
            options,
            queue,
            budgets,
            pools: Pools::default(),
            running: HashMap::new(),
            failing: 0,
            reasons: BTreeMap::new(),
            exemptions: BTreeSet::new(),
            paused: BTreeSet::new(),
        }
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// How many orders are under way.
    pub fn under_way(&self) -> usize {
        self.running.len()
    }

    /// The budgets as they are.
    pub fn budgets(&self) -> &Budgets {
        &self.budgets
    }

    /// Changes the budgets: takes an override, restores rows from a store, lifts a pause. All that was held by a
    /// limit is looked at again.
    pub fn change_budgets<R>(&mut self, change: impl FnOnce(&mut Budgets) -> R) -> R {
        let result = change(&mut self.budgets);
        for gate in self.reasons.keys().copied().collect::<Vec<_>>() {
            self.open(gate);
        }
        for key in std::mem::take(&mut self.paused) {
            self.queue.wake(key);
        }
        result
    }

    /// Gives a tenant another weight than one.
    pub fn set_tenant_weight(&mut self, tenant: Tenant, weight: u32) {
        self.queue.set_tenant_weight(tenant, weight);
    }

    /// Wants an order, or wants it otherwise than before: it keeps the time since which it waits.
    ///
    /// # Errors
    /// [`WantError`]; then nothing is changed.
    pub fn want(&mut self, key: K, want: &Want, now: SystemTime) -> Result<(), WantError> {
        if self.running.contains_key(&key) {
            return Err(WantError::UnderWay);
        }
        let since = self.queue.get(key).map(|(entry, _)| entry.since);
        if since.is_none() && self.queue.len() + self.running.len() >= self.options.capacity {
            return Err(WantError::Full);
        }
        let job = Job::of(want);
        let pool = self.join(&job, now);
        let Want { lane, tenant, deadline, not_before, .. } = *want;
        let entry = Entry { lane, pool, tenant, deadline, since: since.unwrap_or(now) };
        if let Err(error) = self.queue.room_for(key, entry) {
            self.leave_pool(pool);
            return Err(error.into());
        }
        self.leave_queue(key);
        self.enter_queue(key, entry, job, not_before, now);
        Ok(())
    }

    /// Takes back what was wanted and is not under way.
    pub fn forget(&mut self, key: K) -> bool {
        self.leave_queue(key).is_some()
    }

    /// Moves what waits to another lane, or to another deadline.
    pub fn change(&mut self, key: K, lane: Lane, deadline: SystemTime) -> bool {
        let Some((entry, _)) = self.queue.get(key) else { return false };
        self.queue.change(key, Entry { lane, deadline, ..entry })
    }

    /// Starts nothing until a time, or until [`resume`](Self::resume).
    pub fn halt(&mut self, until: Option<SystemTime>, why: Halt) {
        self.reasons.remove(&Gate::All);
        self.queue.close(Gate::All, until, Cause::Halted(why));
    }

    /// Ends a halt.
    pub fn resume(&mut self) {
        self.queue.open(Gate::All);
    }

    fn charges(&self, job: &Job, now: SystemTime) -> (OrderKind, Charges) {
        let kind = job.kind(now, self.options.order_lasts);
        (kind, Charges::order(self.budgets.limits(), kind, &job.account, &job.names()))
    }

    /// The pool of an order, counted as used by it.
    fn join(&mut self, job: &Job, now: SystemTime) -> Pool {
        let (_, charges) = self.charges(job, now);
        self.pools.join(&charges)
    }

    fn leave_pool(&mut self, pool: Pool) {
        if self.pools.leave(pool) {
            self.reasons.remove(&Gate::Pool(pool));
            for lane in Lane::ALL {
                self.reasons.remove(&Gate::PoolLane(pool, lane));
            }
        }
    }

    /// Puts an order that was here before into the queue, whatever the number of flows. There is room for it,
    /// because those under way are counted.
    fn put_in(&mut self, key: K, entry: Entry, job: Job, not_before: Option<SystemTime>, now: SystemTime) {
        let pool = self.join(&job, now);
        self.enter_queue(key, Entry { pool, ..entry }, job, not_before, now);
    }

    fn enter_queue(
        &mut self,
        key: K,
        entry: Entry,
        job: Job,
        not_before: Option<SystemTime>,
        now: SystemTime,
    ) {
        self.expect_exemption(key, &job, now);
        if self.queue.insert_again(key, entry, job).is_err() {
            self.leave_pool(entry.pool);
        } else if not_before.is_some_and(|time| time > now) {
            self.queue.hold(key, not_before, Cause::NotDue);
        }
    }

    /// Takes note of when an order that draws on shared buckets will no longer do so.
    fn expect_exemption(&mut self, key: K, job: &Job, now: SystemTime) {
        if job.kind(now, self.options.order_lasts) == OrderKind::New
            && let Some(at) = job.exempt_from(now)
        {
            self.exemptions.insert((at, key));
        }
    }

    fn leave_queue(&mut self, key: K) -> Option<(Entry, Job)> {
        let (entry, job) = self.queue.remove(key)?;
        self.left(key, &entry, &job);
        Some((entry, job))
    }

    /// Clears up after an entry that has left the queue.
    fn left(&mut self, key: K, entry: &Entry, job: &Job) {
        self.leave_pool(entry.pool);
        self.paused.remove(&key);
        if let Some(window) = job.window() {
            self.exemptions.remove(&(Moment::of(window.start()), key));
        }
    }

    fn open(&mut self, gate: Gate) {
        self.reasons.remove(&gate);
        self.queue.open(gate);
    }
}
