//! The driver of orders: performs the actions of the state machine.

mod chain_preference;
mod journal;
mod observer;
mod pace;
mod run;

pub use chain_preference::ChainPreference;
pub use journal::{Entry, Journal, JournalError, MemoryJournal};
pub use observer::{NoObserver, Observer, Step};

use std::sync::Arc;
use std::time::Duration;

use fleetcert_ambient::Ambient;
use fleetcert_dns::challenge::Challenges;
use fleetcert_names::DomainName;
use fleetcert_x509::{Chain, Roots, VerifiedCsr};

use crate::order::{Action, Event, Failure, FailureKind, OrderState, Retry, step};
use crate::{Authority, Fault};
use run::Run;

/// Drives orders at one CA, with one way to publish records. The crate's first page shows one at work.
#[derive(Clone, Debug)]
pub struct Driver {
    /// CA, with an account.
    pub authority: Arc<dyn Authority>,
    /// Publisher of the challenge records.
    pub challenges: Challenges,
    /// Time, and waits between readings.
    pub ambient: Ambient,
    /// Time limits and poll intervals.
    pub options: DriverOptions,
}

/// Time limits and poll intervals of a [`Driver`].
///
/// ```
/// use fleetcert_acme::DriverOptions;
/// use std::time::Duration;
///
/// let patience = Duration::from_secs(60);
/// let options = DriverOptions { patience, ..DriverOptions::default() };
/// assert_eq!(options.first_look, Duration::from_millis(5));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriverOptions {
    /// Time that one [`drive`](Driver::drive) waits for the CA, from its start; then the order is suspended.
    /// Publishing and waiting for visibility have their own limits. Default: 5 minutes.
    pub patience: Duration,
    /// Time before the first look at an order with a new status, where the CA names none. At least 1 ms. Default: 5 ms.
    pub first_look: Duration,
    /// Poll interval after the first look; it doubles. At least 10 ms. Default: 100 ms.
    pub first_poll: Duration,
    /// Longest poll interval. Default: 5 seconds.
    pub longest_poll: Duration,
    /// Life of a challenge record; a sweep withdraws older ones. Default: an hour.
    pub record_life: Duration,
    /// Preferred chain, where the CA offers several. Default: the CA's default.
    pub chain: ChainPreference,
}

impl Default for DriverOptions {
    fn default() -> Self {
        Self {
            patience: Duration::from_secs(300),
            first_look: Duration::from_millis(5),
            first_poll: Duration::from_millis(100),
            longest_poll: Duration::from_secs(5),
            record_life: Duration::from_secs(3600),
            chain: ChainPreference::CaDefault,
        }
    }
}

/// Inputs of an order besides its [`OrderState`].
#[derive(Clone, Copy, Debug)]
pub struct Job<'a> {
    /// Zone of the challenge records. Every identifier of the order is in it.
    pub zone: &'a DomainName,
    /// CSR; the same one each time that the order is driven.
    pub csr: &'a VerifiedCsr,
    /// Roots to which the chain must lead; `None` if the CA's are not known here.
    pub roots: Option<&'a Roots>,
    /// Expected life of the certificate. One that lives longer by more than a day is wrong. `None` accepts any.
    pub lifetime: Option<Duration>,
}

impl<'a> Job<'a> {
    /// Returns a job without expectations of roots and lifetime.
    pub fn new(zone: &'a DomainName, csr: &'a VerifiedCsr) -> Self {
        Self { zone, csr, roots: None, lifetime: None }
    }
}

/// Result of driving an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A certificate, checked: key, identifiers, validity and signatures. The state is `Done`.
    Issued {
        /// Chain, leaf first.
        chain: Chain,
        /// State of the order.
        state: OrderState,
    },
    /// No certificate, now or later. The state is `Failed`. To try again, start from [`OrderState::Wanted`].
    Failed {
        /// Reason, and when to try again. A certificate that is not the one that was ordered is in its
        /// [`chain`](Failure::chain).
        failure: Failure,
        /// Fault of the CA behind the failure, if this drive met it.
        fault: Option<Fault>,
        /// State of the order.
        state: OrderState,
    },
    /// No certificate yet: drive the same order again later, with this state. It costs nothing of the CA's limits.
    Suspended {
        /// Reason, and when to try again.
        failure: Failure,
        /// Fault of the CA behind the failure, if this drive met it.
        fault: Option<Fault>,
        /// State of the order: `Wanted`, `Ordering` or `Ordered`.
        state: OrderState,
    },
}

impl Driver {
    /// Returns a driver with default options.
    pub fn new(authority: impl Authority + 'static, challenges: Challenges, ambient: Ambient) -> Self {
        Self { authority: Arc::new(authority), challenges, ambient, options: DriverOptions::default() }
    }

    /// Drives an order from its last journal entry: from [`OrderState::Wanted`], or from any state after a crash or a
    /// pause.
    ///
    /// Each state is recorded before its step is taken. The challenges are answered when the servers show the records
    /// of all identifiers, which stay in the zone until all are validated. The chain is checked against the CSR. The
    /// records are withdrawn on success and on failure.
    ///
    /// **Cancellation.** When the call is dropped, the journal has the order's state, and its records are orphans of
    /// [`challenges`](Self::challenges): its next sweep withdraws them, or the next drive adopts them.
    ///
    /// # Errors
    /// The failure of the journal. The step that could not be recorded was not taken.
    pub async fn drive(
        &self,
        job: &Job<'_>,
        state: OrderState,
        journal: &dyn Journal,
        observer: &dyn Observer,
    ) -> Result<Outcome, JournalError> {
        let mut run = Run::new(self, *job, observer, &state);
        let mut state = state;
        let mut event = Event::Started;
        let mut last_fault = None;
        loop {
            let fault = event.fault().cloned();
            last_fault = fault.clone().or(last_fault);
            let (next, action) = step(state.clone(), event, self.ambient.now());
            if next != state {
                tracing::debug!(url = next.url(), ?action, "order changes state");
                let entry = Entry { state: next, fault };
                journal.record(&entry).await?;
                state = entry.state;
            }
            event = match action {
                Action::Stop => return Ok(ended(state, last_fault, self.ambient.now())),
                Action::Suspend(failure) => {
                    let fault = behind(&failure, last_fault);
                    return Ok(Outcome::Suspended { failure, fault, state });
                }
                action => run.perform(action, &state).await,
            };
        }
    }
}

fn ended(state: OrderState, last_fault: Option<Fault>, now: std::time::SystemTime) -> Outcome {
    match &state {
        OrderState::Done { chain, .. } => match Chain::from_pem(chain.as_bytes()) {
            Ok(chain) => Outcome::Issued { chain, state },
            // Only a journal that was changed from outside holds a chain that was never checked.
            Err(error) => {
                let failure = Failure::wrong_certificate(error.to_string(), Some(chain.clone()), None, now);
                Outcome::Failed { failure, fault: None, state }
            }
        },
        OrderState::Failed { failure, .. } => {
            let failure = failure.clone();
            Outcome::Failed { fault: behind(&failure, last_fault), failure, state }
        }
        // `step` stops in terminal states only; any other would go on later.
        _ => Outcome::Suspended {
            failure: Failure::slow(Retry::Backoff, "the order stopped before its end", now),
            fault: None,
            state,
        },
    }
}

/// The fault that the failure is about.
fn behind(failure: &Failure, last_fault: Option<Fault>) -> Option<Fault> {
    last_fault.filter(|fault| failure.kind == FailureKind::Ca(fault.kind))
}
