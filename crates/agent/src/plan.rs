//! The plan: what a device does next, as a pure function. Time and randomness are arguments.
//!
//! ```
//! use fleetcert_agent::plan::{PlanAction, PlanEvent, PlanState, plan};
//! use std::time::{Duration, SystemTime};
//!
//! let (now, minute) = (SystemTime::UNIX_EPOCH, Duration::from_secs(60));
//! let (state, action) =
//!     plan(PlanState::at_start(false, None), PlanEvent::Woke, now, 0);
//! assert_eq!(action, PlanAction::MakeRequest);
//! let (state, action) = plan(state, PlanEvent::Stored, now, 0);
//! assert_eq!(action, PlanAction::Submit);
//! let (_, action) = plan(state, PlanEvent::Queued { poll_after: minute }, now, 0);
//! assert_eq!(action, PlanAction::Wait(minute));
//! ```

use std::time::{Duration, SystemTime};

use fleetcert_ambient::Backoff;
use fleetcert_protocol::CertificateStatus;
use fleetcert_x509::Validity;

/// What the agent knows between two steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanState {
    /// Progress of the request under way.
    pub request: RequestProgress,
    /// Validity of the certificate in use.
    pub certificate: Option<Validity>,
    /// Exchanges that failed in a row; each doubles the wait. An answer of the server resets it.
    pub failures: u32,
    /// Chains of the server in a row that could not be put into use; each doubles the wait. Only an installation
    /// resets it.
    pub install_failures: u32,
    /// Time after which the server wants to be asked again once nothing is under way.
    pub poll_after: Duration,
}

/// Progress of a certificate request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestProgress {
    /// None is under way.
    None,
    /// Key and CSR are stored here; whether the server has the CSR is not known.
    Stored,
    /// The server has taken the CSR.
    Accepted,
    /// The server has given the request up; the next one needs a new key and CSR.
    GivenUp,
}

/// An event between two steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanEvent {
    /// The agent has started, or the wait is over.
    Woke,
    /// Key and CSR have been made and stored.
    Stored,
    /// The server knows of no request and no certificate.
    Nothing,
    /// The server has the request in its queue.
    Queued {
        /// Time after which to ask again.
        poll_after: Duration,
    },
    /// The server has a certificate.
    Issued {
        /// Whether the server wants a new request.
        due: bool,
        /// Time at which it will want one.
        renew_at: Option<SystemTime>,
        /// Time after which to ask again.
        poll_after: Duration,
    },
    /// The order failed.
    Failed {
        /// Whether the server tries again by itself.
        retried: bool,
        /// Time after which to ask again.
        poll_after: Duration,
    },
    /// The server's certificate is not for the key of the request under way: the server has not seen the request.
    NotOurs,
    /// The pair was installed.
    Installed(Validity),
    /// A step failed: no network, a full disk, an overloaded server.
    Failure {
        /// Wait that the server asked for.
        retry_after: Option<Duration>,
    },
    /// The server's chain was not put into use: it failed a check, or the installer failed.
    InstallFailure,
}

/// The next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanAction {
    /// Make a key and a CSR and store them.
    MakeRequest,
    /// Send the stored CSR.
    Submit,
    /// Ask for the status of the request.
    Ask,
    /// Check the chain that the server gave and install it.
    Install,
    /// Wait this long.
    Wait(Duration),
}

/// Minimum wait, for any answer of a server.
const MIN_WAIT: Duration = Duration::from_secs(1);
/// Maximum wait: a server that was wrong once must not silence a device for long.
pub(crate) const MAX_WAIT: Duration = Duration::from_secs(24 * 3600);
/// Waits after failures.
pub(crate) const BACKOFF: Backoff = Backoff::new(Duration::from_secs(5), Duration::from_secs(3600));
/// Poll interval where the server does not know the certificate in use.
const UNKNOWN_POLL: Duration = Duration::from_secs(3600);
/// Poll interval where the answer of the server names none.
const DEFAULT_POLL: Duration = Duration::from_secs(5);

impl PlanEvent {
    /// Returns the event that a status of the server is.
    ///
    /// `is_ours` decides on the chain of an issued certificate: whether it can be the certificate of the stored request.
    /// Without a stored request each chain is ours.
    pub fn of_status(status: &CertificateStatus, is_ours: impl FnOnce(&str) -> bool) -> Self {
        let poll_after = poll_after(status);
        match status {
            CertificateStatus::Queued { .. } => Self::Queued { poll_after },
            CertificateStatus::Issued { chain, renew_at, due, .. } if is_ours(chain) => {
                Self::Issued { due: *due, renew_at: renew_at.and_then(time), poll_after }
            }
            CertificateStatus::Issued { .. } => Self::NotOurs,
            CertificateStatus::Failed { retry_at, .. } => {
                Self::Failed { retried: retry_at.is_some(), poll_after }
            }
            _ => Self::Nothing,
        }
    }
}

/// Returns when the server wants to be asked again.
pub(crate) fn poll_after(status: &CertificateStatus) -> Duration {
    match status {
        CertificateStatus::Queued { poll_after, .. }
        | CertificateStatus::Issued { poll_after, .. }
        | CertificateStatus::Failed { poll_after, .. } => Duration::from_secs(*poll_after),
        _ => DEFAULT_POLL,
    }
}

fn time(seconds: u64) -> Option<SystemTime> {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

impl PlanState {
    /// Returns the state after a start: whether a request is stored, and the certificate in use.
    pub fn at_start(request_stored: bool, certificate: Option<Validity>) -> Self {
        let request = if request_stored { RequestProgress::Stored } else { RequestProgress::None };
        Self { request, certificate, failures: 0, install_failures: 0, poll_after: MIN_WAIT }
    }

    fn answered(&mut self, poll_after: Duration) {
        self.failures = 0;
        self.poll_after = poll_after.clamp(MIN_WAIT, MAX_WAIT);
    }

    /// Waits after a failure: longer after each, and at least as long as the server asks.
    fn back_off(&mut self, at_least: Duration, random: u64) -> PlanAction {
        self.failures = self.failures.saturating_add(1);
        PlanAction::Wait(BACKOFF.jittered(self.failures, random).max(at_least.min(MAX_WAIT)))
    }

    /// Waits after a chain that was not put into use, however well the server answers.
    fn back_off_install(&mut self, random: u64) -> PlanAction {
        self.install_failures = self.install_failures.saturating_add(1);
        PlanAction::Wait(BACKOFF.jittered(self.install_failures, random))
    }
}

/// Returns the next state and the next step, after `event` at `now`. `random` spreads the waits after failures.
///
/// The server decides when to renew, because a device's clock cannot be trusted. Only where the server names no
/// time does the device's clock decide, and then only while it lies inside the validity of the certificate in
/// use: a clock in 1970 or 2038 renews nothing.
pub fn plan(mut state: PlanState, event: PlanEvent, now: SystemTime, random: u64) -> (PlanState, PlanAction) {
    let action = match event {
        PlanEvent::Woke => next(&state),
        PlanEvent::Stored => {
            state.request = RequestProgress::Stored;
            PlanAction::Submit
        }
        PlanEvent::Nothing => after_nothing(&mut state, now, random),
        PlanEvent::Queued { poll_after } => {
            state.answered(poll_after);
            if state.request != RequestProgress::None {
                state.request = RequestProgress::Accepted;
            }
            PlanAction::Wait(state.poll_after)
        }
        PlanEvent::Issued { due, renew_at, poll_after } => {
            state.answered(poll_after);
            after_issued(&state, due, renew_at, now)
        }
        PlanEvent::Failed { retried: true, poll_after } => {
            state.answered(poll_after);
            PlanAction::Wait(state.poll_after)
        }
        PlanEvent::Failed { retried: false, poll_after } => {
            state.request = RequestProgress::GivenUp;
            state.back_off(poll_after, random)
        }
        PlanEvent::NotOurs => {
            state.request = RequestProgress::Stored;
            state.back_off_install(random)
        }
        PlanEvent::Installed(validity) => {
            state.request = RequestProgress::None;
            state.certificate = Some(validity);
            (state.failures, state.install_failures) = (0, 0);
            PlanAction::Wait(state.poll_after)
        }
        PlanEvent::Failure { retry_after } => state.back_off(retry_after.unwrap_or_default(), random),
        PlanEvent::InstallFailure => state.back_off_install(random),
    };
    (state, action)
}

fn next(state: &PlanState) -> PlanAction {
    match state.request {
        RequestProgress::None if state.certificate.is_some() => PlanAction::Ask,
        RequestProgress::None | RequestProgress::GivenUp => PlanAction::MakeRequest,
        RequestProgress::Stored => PlanAction::Submit,
        RequestProgress::Accepted => PlanAction::Ask,
    }
}

fn after_nothing(state: &mut PlanState, now: SystemTime, random: u64) -> PlanAction {
    match (state.request, state.certificate) {
        // It had the request and lost it: send it again, but not in a loop.
        (RequestProgress::Accepted | RequestProgress::Stored, _) => {
            state.request = RequestProgress::Stored;
            state.back_off(Duration::ZERO, random)
        }
        (RequestProgress::None, Some(validity)) if !is_past_renewal(validity, now) => {
            state.answered(UNKNOWN_POLL);
            PlanAction::Wait(state.poll_after)
        }
        (RequestProgress::None | RequestProgress::GivenUp, _) => PlanAction::MakeRequest,
    }
}

fn after_issued(state: &PlanState, due: bool, renew_at: Option<SystemTime>, now: SystemTime) -> PlanAction {
    if state.request != RequestProgress::None {
        return PlanAction::Install;
    }
    let Some(validity) = state.certificate else { return PlanAction::MakeRequest };
    if due || (renew_at.is_none() && is_past_renewal(validity, now)) {
        return PlanAction::MakeRequest;
    }
    let until = renew_at.and_then(|at| at.duration_since(now).ok()).unwrap_or(MAX_WAIT);
    PlanAction::Wait(state.poll_after.min(until.max(MIN_WAIT)))
}

/// Returns whether the last third of the lifetime (the last half of a short one) has begun, and the clock can be
/// right.
fn is_past_renewal(validity: Validity, now: SystemTime) -> bool {
    validity.contains(now) && now >= validity.renewal_point()
}

#[cfg(test)]
mod tests;
