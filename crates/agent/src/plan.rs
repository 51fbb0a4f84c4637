//! What a device does next, as a pure function.
//!
//! ```
//! use fleetcert_agent::plan::{Action, Event, State, plan};
//! use std::time::{Duration, SystemTime};
//!
//! let (now, minute) = (SystemTime::UNIX_EPOCH, Duration::from_secs(60));
//! let (state, action) = plan(State::at_start(false, None), Event::Woke, now);
//! assert_eq!(action, Action::MakeRequest);
//! let (state, action) = plan(state, Event::Stored, now);
//! assert_eq!(action, Action::Submit);
//! let (_, action) = plan(state, Event::Queued { poll_after: minute }, now);
//! assert_eq!(action, Action::Wait(minute));
//! ```

use std::time::{Duration, SystemTime};

use fleetcert_x509::Validity;

/// What the agent knows between two steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// How far the request under way has come.
    pub request: Request,
    /// The validity of the certificate in use.
    pub certificate: Option<Validity>,
    /// Faults in a row; each doubles the wait.
    pub faults: u32,
    /// When the server wants to be asked again once nothing is under way.
    pub poll_after: Duration,
}

/// How far a certificate request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// None is under way.
    None,
    /// Key and CSR are stored here; whether the server has the CSR is not known.
    Stored,
    /// The server has taken the CSR.
    Accepted,
    /// The server has given the request up; the next one needs a new key and CSR.
    GivenUp,
}

/// What has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The agent has started, or the wait is over.
    Woke,
    /// Key and CSR have been made and stored.
    Stored,
    /// The server knows of no request and no certificate.
    Nothing,
    /// The server has the request in its queue.
    Queued {
        /// When to ask again.
        poll_after: Duration,
    },
    /// The server has a certificate.
    Issued {
        /// Whether the server wants a new request.
        due: bool,
        /// When it will want one.
        renew_at: Option<SystemTime>,
        /// When to ask again.
        poll_after: Duration,
    },
    /// The order failed.
    Failed {
        /// Whether the server tries again by itself.
        retried: bool,
        /// When to ask again.
        poll_after: Duration,
    },
    /// The server's certificate is not for the key of the request under way: it has not seen the request.
    NotOurs,
    /// The pair was installed.
    Installed(Validity),
    /// A step failed: no network, a full disk, an overloaded server.
    Fault {
        /// The wait that the server asked for.
        retry_after: Option<Duration>,
    },
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Make a key and a CSR and store them.
    MakeRequest,
    /// Send the stored CSR.
    Submit,
    /// Ask how it stands.
    Ask,
    /// Check the chain that the server gave and install it.
    Install,
    /// Do nothing for so long.
    Wait(Duration),
}

/// No wait is shorter, whatever a server says.
const SHORTEST: Duration = Duration::from_secs(1);
/// No wait is longer: a server that was wrong once must not silence a device for ever.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// The wait after the first fault.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// The wait after many faults.
const LAST_PAUSE: Duration = Duration::from_secs(3600);
/// When to ask a server that knows nothing of the certificate in use.
const UNKNOWN_POLL: Duration = Duration::from_secs(3600);

impl State {
    /// The state after a start: whether a request is stored, and the certificate in use.
    pub fn at_start(request_stored: bool, certificate: Option<Validity>) -> Self {
        let request = if request_stored { Request::Stored } else { Request::None };
        Self { request, certificate, faults: 0, poll_after: SHORTEST }
    }

    fn answered(&mut self, poll_after: Duration) {
        self.faults = 0;
        self.poll_after = poll_after.clamp(SHORTEST, LONGEST);
    }

    fn pause(&mut self, at_least: Duration) -> Action {
        let doubled = FIRST_PAUSE.saturating_mul(1 << self.faults.min(16)).min(LAST_PAUSE);
        self.faults = self.faults.saturating_add(1);
        Action::Wait(doubled.max(at_least.min(LONGEST)))
    }
}

/// The next state and what to do, after `event` at `now`.
///
/// The server decides when to renew, because a device's clock cannot be trusted. Only where the server names no
/// time does the device's clock decide, and then only while it lies inside the validity of the certificate in
/// use: a clock in 1970 or 2038 renews nothing.
pub fn plan(mut state: State, event: Event, now: SystemTime) -> (State, Action) {
    let action = match event {
        Event::Woke => next(&state),
        Event::Stored => {
            state.request = Request::Stored;
            Action::Submit
        }
        Event::Nothing => after_nothing(&mut state, now),
        Event::Queued { poll_after } => {
            state.answered(poll_after);
            if state.request != Request::None {
                state.request = Request::Accepted;
            }
            Action::Wait(state.poll_after)
        }
        Event::Issued { due, renew_at, poll_after } => {
            state.answered(poll_after);
            after_issued(&state, due, renew_at, now)
        }
        Event::Failed { retried: true, poll_after } => {
            state.answered(poll_after);
            Action::Wait(state.poll_after)
        }
        Event::Failed { retried: false, poll_after } => {
            state.request = Request::GivenUp;
            state.pause(poll_after)
        }
        Event::NotOurs => {
            state.request = Request::Stored;
            state.pause(Duration::ZERO)
        }
        Event::Installed(validity) => {
            state.request = Request::None;
            state.certificate = Some(validity);
            state.faults = 0;
            Action::Wait(state.poll_after)
        }
        Event::Fault { retry_after } => state.pause(retry_after.unwrap_or_default()),
    };
    (state, action)
}

fn next(state: &State) -> Action {
    match state.request {
        Request::None if state.certificate.is_some() => Action::Ask,
        Request::None | Request::GivenUp => Action::MakeRequest,
        Request::Stored => Action::Submit,
        Request::Accepted => Action::Ask,
    }
}

fn after_nothing(state: &mut State, now: SystemTime) -> Action {
    match (state.request, state.certificate) {
        // It had the request and lost it: send it again, but not in a loop.
        (Request::Accepted | Request::Stored, _) => {
            state.request = Request::Stored;
            state.pause(Duration::ZERO)
        }
        (Request::None, Some(validity)) if !is_past_renewal(validity, now) => {
            state.answered(UNKNOWN_POLL);
            Action::Wait(state.poll_after)
        }
        (Request::None | Request::GivenUp, _) => Action::MakeRequest,
    }
}

fn after_issued(state: &State, due: bool, renew_at: Option<SystemTime>, now: SystemTime) -> Action {
    if state.request != Request::None {
        return Action::Install;
    }
    let Some(validity) = state.certificate else { return Action::MakeRequest };
    if due || (renew_at.is_none() && is_past_renewal(validity, now)) {
        return Action::MakeRequest;
    }
    let until = renew_at.and_then(|at| at.duration_since(now).ok()).unwrap_or(LONGEST);
    Action::Wait(state.poll_after.min(until.max(SHORTEST)))
}

/// Whether the last third of the life (the last half of a short one) has begun, and the clock can be right.
fn is_past_renewal(validity: Validity, now: SystemTime) -> bool {
    validity.contains(now) && now >= validity.renewal_point()
}

#[cfg(test)]
mod tests;
