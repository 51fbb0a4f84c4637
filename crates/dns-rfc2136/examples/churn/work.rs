//! Tasks that add values, remove them, and look what is left.

use std::collections::BTreeSet;
use std::fmt;
use std::io::{IsTerminal, stderr};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

use fleetcert_ambient::{Clock, SystemClock};
use fleetcert_dns::{BackendError, Change, DnsBackend, DnsBackendExt, Ttl, TxtValue};
use fleetcert_names::DomainName;
use futures_util::future::{join_all, pending, select, try_join_all};

/// Between two lines of progress.
const SHOWN_EACH: Duration = Duration::from_millis(100);

/// What is to be done, and by which tasks: one for each backend.
#[derive(Debug)]
pub(crate) struct Work {
    zone: DomainName,
    changes: u32,
    backends: Vec<Arc<dyn DnsBackend>>,
}

/// What happens to the values.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Phase {
    Add,
    Remove,
}

/// What came of a phase.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) took: Duration,
    /// How long each change waited that was made.
    pub(crate) waits: Vec<Duration>,
    pub(crate) failed: u32,
}

impl Work {
    pub(crate) fn new(zone: DomainName, changes: u32, backends: Vec<Arc<dyn DnsBackend>>) -> Self {
        Self { zone, changes, backends }
    }

    /// Adds one value and removes it.
    pub(crate) async fn try_one(&self) -> Result<(), BackendError> {
        for phase in [Phase::Add, Phase::Remove] {
            self.backends[0].apply(&self.zone, &[self.change(phase, 0)]).await?;
        }
        Ok(())
    }

    /// Lets every task do its share.
    pub(crate) async fn run(&self, phase: Phase) -> Outcome {
        let done = Arc::new(AtomicU32::new(0));
        let began = SystemClock.now();
        let shares: Vec<_> = (0u32..)
            .zip(&self.backends)
            .map(|(task, backend)| {
                let changes = self.numbers(task).map(|number| self.change(phase, number)).collect();
                tokio::spawn(share(backend.clone(), self.zone.clone(), changes, done.clone()))
            })
            .collect();
        let mut all = Outcome::default();
        let work = async {
            for outcome in join_all(shares).await {
                let outcome = outcome.expect("a share neither panics nor is aborted");
                all.waits.extend(outcome.waits);
                all.failed += outcome.failed;
            }
            all.took = since(began);
        };
        // The progress ends with the work.
        select(pin!(work), pin!(show(phase, &done, self.changes))).await;
        if stderr().is_terminal() {
            eprint!("\r{:40}\r", "");
        }
        all
    }

    /// How many of the values the server still has.
    pub(crate) async fn left(&self) -> Result<usize, BackendError> {
        let tasks = (0u32..).zip(&self.backends).map(|(task, backend)| async move {
            let mut left = 0;
            for number in self.numbers(task) {
                let texts: BTreeSet<TxtValue> = backend.texts(&self.zone, &self.name(number)).await?;
                left += usize::from(texts.contains(&value(number)));
            }
            Ok(left)
        });
        Ok(try_join_all(tasks).await?.into_iter().sum())
    }

    /// The values of one task.
    fn numbers(&self, task: u32) -> impl Iterator<Item = u32> + use<> {
        (task..self.changes).step_by(self.backends.len())
    }

    fn change(&self, phase: Phase, number: u32) -> Change {
        let (name, value) = (self.name(number), value(number));
        match phase {
            Phase::Add => Change::AddTxt { name, value, ttl: Ttl::CHALLENGE },
            Phase::Remove => Change::RemoveTxt { name, value },
        }
    }

    fn name(&self, number: u32) -> DomainName {
        let name = format!("_acme-challenge.d{number}.churn.{}", self.zone);
        name.parse().expect("a zone's name leaves room for some labels")
    }
}

/// As long as a dns-01 value, and the same in the next run.
fn value(number: u32) -> TxtValue {
    format!("{number:_>43}").parse().expect("43 characters are a text")
}

/// One task: one change after the other.
async fn share(
    backend: Arc<dyn DnsBackend>,
    zone: DomainName,
    changes: Vec<Change>,
    done: Arc<AtomicU32>,
) -> Outcome {
    let mut outcome = Outcome::default();
    for change in changes {
        let began = SystemClock.now();
        match backend.apply(&zone, &[change]).await {
            Ok(()) => outcome.waits.push(since(began)),
            Err(error) => {
                if outcome.failed == 0 {
                    eprintln!("\r{error}");
                }
                outcome.failed += 1;
            }
        }
        done.fetch_add(1, Relaxed);
    }
    outcome
}

async fn show(phase: Phase, done: &AtomicU32, of: u32) {
    if !stderr().is_terminal() {
        return pending().await;
    }
    loop {
        eprint!("\r{phase} {:>7} of {of}", done.load(Relaxed));
        SystemClock.sleep(SHOWN_EACH).await;
    }
}

fn since(began: SystemTime) -> Duration {
    SystemClock.now().duration_since(began).unwrap_or_default()
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Add => "added",
            Self::Remove => "removed",
        })
    }
}
