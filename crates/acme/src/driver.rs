//! The shell of the order: it does what the state machine says.

mod journal;
mod observer;
mod pace;
mod run;

pub use journal::{Entry, Journal, JournalError, MemoryJournal};
pub use observer::{NoObserver, Observer, Step};

use std::sync::Arc;
use std::time::Duration;

use fleetcert_ambient::Clock;
use fleetcert_dns::challenge::Challenges;
use fleetcert_names::DomainName;
use fleetcert_x509::{Chain, Roots, VerifiedCsr};

use crate::order::{Action, Event, Failure, FailureKind, Retry, State, step};
use crate::{Authority, Fault};
use run::Run;

/// Drives orders: at one CA, with one way to publish records. A clone is the same one.
#[derive(Clone, Debug)]
pub struct Driver {
    /// The CA, with an account.
    pub authority: Arc<dyn Authority>,
    /// How challenge records are published, seen and withdrawn.
    pub challenges: Challenges,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// How patient it is.
    pub options: DriverOptions,
}

/// How patient a [`Driver`] is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriverOptions {
    /// How long one [`drive`](Driver::drive) waits for the CA, measured from its begin; then the order is suspended.
    /// Publishing, and waiting for visibility, have limits of their own. Default: 5 minutes.
    pub patience: Duration,
    /// The first pause before an order is read again, where the CA names none; it doubles. Default: 50 ms.
    pub first_poll: Duration,
    /// What the doubling stops at. Default: 5 seconds.
    pub longest_poll: Duration,
    /// After this anybody may withdraw a challenge record of a driver that is no more. Default: an hour.
    pub record_life: Duration,
}

impl Default for DriverOptions {
    fn default() -> Self {
        Self {
            patience: Duration::from_secs(300),
            first_poll: Duration::from_millis(50),
            longest_poll: Duration::from_secs(5),
            record_life: Duration::from_secs(3600),
        }
    }
}

/// What an order needs to know besides its [`State`].
#[derive(Clone, Copy, Debug)]
pub struct Job<'a> {
    /// The zone that the challenge records go to. Every name of the order is in it.
    pub zone: &'a DomainName,
    /// The CSR; the same one each time that the order is driven.
    pub csr: &'a VerifiedCsr,
    /// The roots to which the chain must lead; `None` where the CA's are not known here.
    pub roots: Option<&'a Roots>,
    /// How long the certificate should live, by the CA's profile. One that lives longer by more than a day is a wrong
    /// one. `None` where it is not known.
    pub lifetime: Option<Duration>,
}

/// How driving an order ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With a certificate, which was checked: key, names, validity and signatures. The state is `Done`.
    Issued {
        /// The chain, leaf first.
        chain: Chain,
        /// Where the order stands.
        state: State,
    },
    /// Without, and this order will never have one. The state is `Failed`. For another try begin with
    /// [`State::Wanted`].
    Failed {
        /// Why, and when to try again.
        failure: Failure,
        /// Fault of the CA behind the failure, if this drive met it.
        fault: Option<Fault>,
        /// Where the order stands.
        state: State,
    },
    /// Not yet: drive the same order again later, with this state. It costs nothing of the CA's limits.
    Suspended {
        /// Why not now, and when to try again.
        failure: Failure,
        /// Fault of the CA behind the failure, if this drive met it.
        fault: Option<Fault>,
        /// Where the order stands: `Wanted`, `Ordering` or `Ordered`.
        state: State,
    },
}

impl Driver {
    /// Drives an order from where its journal says that it stands: from [`State::Wanted`], or from any other state
    /// after a crash or a pause.
    ///
    /// Each state is recorded before its step is taken. The challenges are answered when the servers show the
    /// records of all names. The chain is checked against the CSR. The records are withdrawn, whatever happens.
    ///
    /// **Cancellation.** When the call is dropped, the order is where the journal says, and its records are orphans
    /// of [`challenges`](Self::challenges): they are withdrawn by its next sweep, or held again by the next drive.
    ///
    /// # Errors
    /// What the journal failed with. The step that could not be recorded was not taken.
    pub async fn drive(
        &self,
        job: &Job<'_>,
        state: State,
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
            let (next, action) = step(state.clone(), event, self.clock.now());
            if next != state {
                tracing::debug!(url = next.url(), ?action, "an order goes on");
                let entry = Entry { state: next, fault };
                journal.record(&entry).await?;
                state = entry.state;
            }
            event = match action {
                Action::Stop => return Ok(ended(state, last_fault, self.clock.now())),
                Action::Suspend(failure) => {
                    let fault = behind(&failure, last_fault);
                    return Ok(Outcome::Suspended { failure, fault, state });
                }
                action => run.perform(action, &state).await,
            };
        }
    }
}

fn ended(state: State, last_fault: Option<Fault>, now: std::time::SystemTime) -> Outcome {
    match &state {
        State::Done { chain, .. } => match Chain::from_pem(chain.as_bytes()) {
            Ok(chain) => Outcome::Issued { chain, state },
            // Only a journal that was changed from outside holds a chain that was never checked.
            Err(error) => {
                let failure = Failure::wrong_certificate(error.to_string(), now);
                Outcome::Failed { failure, fault: None, state }
            }
        },
        State::Failed { failure, .. } => {
            let failure = failure.clone();
            Outcome::Failed { fault: behind(&failure, last_fault), failure, state }
        }
        // `step` stops in terminal states only; any other would go on later.
        _ => Outcome::Suspended {
            failure: Failure::slow(Retry::Backoff, "the order stopped on its way", now),
            fault: None,
            state,
        },
    }
}

/// The fault that the failure is about.
fn behind(failure: &Failure, last_fault: Option<Fault>) -> Option<Fault> {
    last_fault.filter(|fault| failure.kind == FailureKind::Ca(fault.kind))
}
