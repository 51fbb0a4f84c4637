//! Tasks that add values, remove them, and check what remains.

use std::io::{IsTerminal, stderr};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

use fleetcert_ambient::{Clock, SystemClock};
use fleetcert_dns::{BackendError, Change, DnsBackend, DnsBackendExt, Ttl, TxtValue};
use fleetcert_names::DomainName;
use futures_util::future::{join_all, pending, select, try_join_all};

/// Interval between two lines of progress.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// The values, and the backends: one for each task.
#[derive(Debug)]
pub(crate) struct Work {
    zone: DomainName,
    values: u32,
    at_once: usize,
    backends: Vec<Arc<dyn DnsBackend>>,
}

/// The outcome of a run.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) took: Duration,
    /// Wait of each call that was answered.
    pub(crate) waits: Vec<Duration>,
    pub(crate) made: u32,
    pub(crate) failed: u32,
}

impl Work {
    pub(crate) fn new(
        zone: DomainName,
        values: u32,
        at_once: usize,
        backends: Vec<Arc<dyn DnsBackend>>,
    ) -> Self {
        Self { zone, values, at_once, backends }
    }

    /// Adds one value and removes it.
    pub(crate) async fn try_one(&self) -> Result<(), BackendError> {
        for changes in [self.additions(&[0]), self.removals(&[0])] {
            self.backends[0].apply(&self.zone, &changes).await?;
        }
        Ok(())
    }

    /// Runs every task to its end.
    pub(crate) async fn run(&self) -> Outcome {
        let done = Arc::new(AtomicU32::new(0));
        let began = SystemClock.now();
        let shares: Vec<_> = (0u32..)
            .zip(&self.backends)
            .map(|(task, backend)| {
                let orders = self.orders(task);
                let lists = orders.iter().flat_map(|order| [self.additions(order), self.removals(order)]);
                tokio::spawn(run_task(backend.clone(), self.zone.clone(), lists.collect(), done.clone()))
            })
            .collect();
        let mut all = Outcome::default();
        let work = async {
            for outcome in join_all(shares).await {
                let outcome = outcome.expect("a task neither panics nor is aborted");
                all.waits.extend(outcome.waits);
                all.made += outcome.made;
                all.failed += outcome.failed;
            }
            all.took = since(began);
        };
        // The progress ends with the work.
        select(pin!(work), pin!(show(&done, 2 * self.values))).await;
        if stderr().is_terminal() {
            eprint!("\r{:40}\r", "");
        }
        all
    }

    /// Returns the number of values that the server still has.
    pub(crate) async fn left(&self) -> Result<usize, BackendError> {
        let tasks = (0u32..).zip(&self.backends).map(|(task, backend)| async move {
            let mut left = 0;
            for order in self.orders(task) {
                let texts = backend.texts(&self.zone, &self.name(&order)).await?;
                left += order.iter().filter(|number| texts.contains(&value(**number))).count();
            }
            Ok(left)
        });
        Ok(try_join_all(tasks).await?.into_iter().sum())
    }

    /// Returns the values of one task, grouped by order.
    fn orders(&self, task: u32) -> Vec<Vec<u32>> {
        let numbers: Vec<u32> = (task..self.values).step_by(self.backends.len()).collect();
        numbers.chunks(self.at_once).map(<[u32]>::to_vec).collect()
    }

    fn additions(&self, order: &[u32]) -> Vec<Change> {
        let name = self.name(order);
        let add =
            |number: &u32| Change::AddTxt { name: name.clone(), value: value(*number), ttl: Ttl::CHALLENGE };
        order.iter().map(add).collect()
    }

    fn removals(&self, order: &[u32]) -> Vec<Change> {
        let name = self.name(order);
        order.iter().map(|number| Change::RemoveTxt { name: name.clone(), value: value(*number) }).collect()
    }

    /// Returns the one name of an order's values.
    fn name(&self, order: &[u32]) -> DomainName {
        let first = order.first().copied().unwrap_or_default();
        let name = format!("_acme-challenge.churn-{first}.{}", self.zone);
        name.parse().expect("a zone's name leaves space for two labels")
    }
}

/// Returns a value of the length of a dns-01 value, equal in each run.
fn value(number: u32) -> TxtValue {
    format!("{number:_>43}").parse().expect("43 characters are a text")
}

/// Runs one task: one call after another.
async fn run_task(
    backend: Arc<dyn DnsBackend>,
    zone: DomainName,
    lists: Vec<Vec<Change>>,
    done: Arc<AtomicU32>,
) -> Outcome {
    let mut outcome = Outcome::default();
    for list in lists {
        let count = u32::try_from(list.len()).expect("a task has fewer values than there are");
        let began = SystemClock.now();
        match backend.apply(&zone, &list).await {
            Ok(()) => {
                outcome.waits.push(since(began));
                outcome.made += count;
            }
            Err(error) => {
                if outcome.failed == 0 {
                    eprintln!("\r{error}");
                }
                outcome.failed += count;
            }
        }
        done.fetch_add(count, Relaxed);
    }
    outcome
}

async fn show(done: &AtomicU32, of: u32) {
    if !stderr().is_terminal() {
        return pending().await;
    }
    loop {
        eprint!("\r{:>8} of {of} changes", done.load(Relaxed));
        SystemClock.sleep(PROGRESS_INTERVAL).await;
    }
}

fn since(began: SystemTime) -> Duration {
    SystemClock.now().duration_since(began).unwrap_or_default()
}
