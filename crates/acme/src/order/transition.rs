//! From one state to the next.

use std::time::{Duration, SystemTime};

use fleetcert_dns::challenge::ChallengeRecord;
use fleetcert_schedule::budget::MAX_ORDER_AGE;

use super::failure::not_before;
use super::{Action, End, Event, Failure, Pause, Placed, Retry, State, ZoneFault};
use crate::{AcmeErrorKind, Fault, NewOrder, OrderStatus, ProblemKind, Reading};

/// CAs read from replicas: what was just made may not be found for a moment.
const JUST_MADE: Duration = Duration::from_secs(60);

/// Where the order stands after `event` at time `now`, and what to do next, once that is written down.
///
/// It never panics. A terminal state stays as it is. An event that does not belong to the state means that the
/// shell has lost its place, and is taken as [`Event::Started`].
pub fn step(state: State, event: Event, now: SystemTime) -> (State, Action) {
    match (state, event) {
        (state @ (State::Done { .. } | State::Failed { .. }), _) => (state, Action::Stop),

        (State::Ordering { order }, Event::Placed { url, reading }) => after_reading(
            State::Ordered(Placed { order, url, placed_at: now, records: Vec::new() }),
            reading,
            now,
        ),
        (State::Ordering { order }, Event::Fault(fault)) => not_placed(order, fault, now),
        (state @ State::Ordering { .. }, Event::OutOfTime { retry_after, fault }) => {
            let failure = out_of_time(retry_after, fault, now);
            (state, Action::Suspend(failure))
        }

        // From here to the chain, what the CA says about the order decides.
        (state, Event::Read(reading)) => after_reading(state, reading, now),
        (State::Finalizing(placed), Event::Finalized(reading)) => {
            after_reading(State::Finalized(placed), reading, now)
        }
        (State::Ordered(placed), Event::Challenges { records }) => prove(placed, records, false),
        (State::Publishing { placed, answered }, Event::Challenges { records }) => {
            prove(placed, records, answered)
        }
        (State::Ordered(placed) | State::Publishing { placed, .. }, Event::ChallengeDead { problem }) => {
            end(placed, End::Failed { failure: Failure::invalid(problem, now) })
        }
        (state @ State::Publishing { .. }, Event::Published) => (state, Action::AwaitVisible),
        (State::Publishing { placed, answered: false }, Event::Seen) => {
            (State::Visible(placed), Action::Answer)
        }
        (State::Publishing { placed, answered: true }, Event::Seen)
        | (State::Visible(placed), Event::Answered) => {
            (State::Answered(placed), Action::ReadOrder(Pause::Poll(None)))
        }
        (State::Finalized(placed), Event::Downloaded { chain }) => {
            (State::Downloaded { placed, chain }, Action::Check)
        }
        (State::Finalized(placed) | State::Downloaded { placed, .. }, Event::WrongCertificate { why }) => {
            end(placed, End::Failed { failure: Failure::wrong_certificate(why, now) })
        }
        (State::Downloaded { placed, chain }, Event::Checked) => end(placed, End::Issued { chain }),

        (State::Withdrawing { placed, end }, Event::Withdrawn) => {
            ended(Placed { records: Vec::new(), ..placed }, end)
        }
        (State::Withdrawing { placed, end }, Event::NotWithdrawn { left }) => {
            ended(Placed { records: left, ..placed }, end)
        }

        (state @ (State::Wanted { .. } | State::Downloaded { .. } | State::Withdrawing { .. }), _)
        | (state, Event::Started) => begin(state),
        (state, Event::Fault(fault)) => after_fault(state, fault, now),
        (state, Event::ZoneFault(fault)) => after_zone_fault(state, fault, now),
        (state, Event::OutOfTime { retry_after, fault }) => match state.under_way().cloned() {
            Some(placed) => end(placed, End::Suspended { failure: out_of_time(retry_after, fault, now) }),
            None => begin(state),
        },
        (state, _) => begin(state),
    }
}

/// What to do in a state of which only the journal is known.
fn begin(state: State) -> (State, Action) {
    match state {
        State::Wanted { order } | State::Ordering { order } => {
            (State::Ordering { order }, Action::PlaceOrder)
        }
        // What the zone has is not known. The records of a challenge that the CA is looking at must be there again.
        State::Answered(placed) if !placed.records.is_empty() => {
            (State::Publishing { placed, answered: true }, Action::ReadOrder(Pause::None))
        }
        State::Answered(placed) => (State::Ordered(placed), Action::ReadOrder(Pause::None)),
        State::Visible(placed) => {
            (State::Publishing { placed, answered: false }, Action::ReadOrder(Pause::None))
        }
        State::Downloaded { .. } => (state, Action::Check),
        State::Withdrawing { .. } => (state, Action::Withdraw),
        State::Done { .. } | State::Failed { .. } => (state, Action::Stop),
        State::Ordered(_) | State::Publishing { .. } | State::Finalizing(_) | State::Finalized(_) => {
            (state, Action::ReadOrder(Pause::None))
        }
    }
}

/// newOrder was not answered with an order.
fn not_placed(order: NewOrder, fault: Fault, now: SystemTime) -> (State, Action) {
    if order.replaces.is_some() && refuses_replaces(&fault) {
        return (State::Ordering { order: NewOrder { replaces: None, ..order } }, Action::PlaceOrder);
    }
    let lost = matches!(
        fault.kind,
        AcmeErrorKind::Unreachable | AcmeErrorKind::Unavailable | AcmeErrorKind::Protocol
    );
    let passes = fault.passes();
    let failure = Failure::of_fault(fault, now);
    match (lost, passes) {
        // There may be an order: the CA gives it back when it is asked for again.
        (true, _) => (State::Ordering { order }, Action::Suspend(failure)),
        (false, true) => (State::Wanted { order }, Action::Suspend(failure)),
        (false, false) => (State::Failed { order, url: None, records: Vec::new(), failure }, Action::Stop),
    }
}

/// Whether this may be because of `replaces` (RFC 9773 section 5): the predecessor was replaced by an order that we
/// lost, or the CA does not know it, or another account got it, or the CA stumbles over it (Pebble 2.10 answers 500
/// for some serial numbers). Without it the order costs more of the limits, and succeeds.
fn refuses_replaces(fault: &Fault) -> bool {
    if fault.status == Some(500) {
        return fault.problem.as_ref().is_some_and(|problem| problem.kind == ProblemKind::ServerInternal);
    }
    let refused = matches!(fault.kind, AcmeErrorKind::Refused | AcmeErrorKind::NotFound);
    let about_it = fault.problem.as_ref().is_none_or(|problem| {
        matches!(
            problem.kind,
            ProblemKind::AlreadyReplaced
                | ProblemKind::Malformed
                | ProblemKind::Unauthorized
                | ProblemKind::Other(_)
        )
    });
    refused && about_it
}

fn after_reading(state: State, reading: Reading, now: SystemTime) -> (State, Action) {
    let Some(placed) = state.under_way().cloned() else { return begin(state) };
    match (reading.status, state) {
        (OrderStatus::Invalid, _) => {
            end(placed, End::Failed { failure: Failure::invalid(reading.problem, now) })
        }
        (OrderStatus::Valid, _) => (State::Finalized(placed), Action::Download),
        // It has the CSR, so it waits for the certificate, whatever it says in between.
        (OrderStatus::Processing, _) | (OrderStatus::Ready | OrderStatus::Pending, State::Finalized(_)) => {
            wait(State::Finalized(placed), reading.retry_after, now)
        }
        (OrderStatus::Ready, _) => (State::Finalizing(placed), Action::Finalize),
        (OrderStatus::Pending, State::Answered(_)) => wait(State::Answered(placed), reading.retry_after, now),
        (OrderStatus::Pending, State::Publishing { answered, .. }) => {
            (State::Publishing { placed, answered }, Action::ReadChallenges)
        }
        (OrderStatus::Pending, _) => (State::Ordered(placed), Action::ReadChallenges),
    }
}

/// What the zone must show, now that it is known which names are not proved yet.
fn prove(placed: Placed, mut records: Vec<ChallengeRecord>, answered: bool) -> (State, Action) {
    if records.is_empty() {
        // Every name is proved; the order will be ready in a moment.
        return (State::Answered(placed), Action::ReadOrder(Pause::Poll(None)));
    }
    let same = |a: &ChallengeRecord, b: &ChallengeRecord| {
        (&a.zone, &a.name, &a.value) == (&b.zone, &b.name, &b.value)
    };
    let answered = answered && records.iter().all(|new| placed.records.iter().any(|old| same(old, new)));
    // What may be in the zone stays known until it is withdrawn.
    let old = placed
        .records
        .into_iter()
        .filter(|old| !records.iter().any(|new| same(old, new)))
        .collect::<Vec<_>>();
    records.extend(old);
    (State::Publishing { placed: Placed { records, ..placed }, answered }, Action::Publish)
}

/// The CA did not do what was asked of a placed order.
fn after_fault(state: State, fault: Fault, now: SystemTime) -> (State, Action) {
    let Some(placed) = state.under_way().cloned() else { return begin(state) };
    match state {
        // The certificate is paid for: nothing but time ends this.
        State::Finalized(_) => wait(state, fault.retry_after, now),
        // The CA may have taken the CSR, or has moved on: the order tells.
        State::Finalizing(_) if fault.kind == AcmeErrorKind::OrderNotReady => {
            wait(state, fault.retry_after, now)
        }
        // Some names may be answered and some not, and a second answer may be refused: the challenges tell.
        State::Visible(_) => wait(State::Publishing { placed, answered: false }, fault.retry_after, now),
        _ if fault.passes() => wait(state, fault.retry_after, now),
        _ if fault.kind == AcmeErrorKind::NotFound && !is_older(&placed, JUST_MADE, now) => {
            wait(state, None, now)
        }
        _ if fault.kind == AcmeErrorKind::NotFound => {
            end(placed, End::Failed { failure: Failure::order_gone(now) })
        }
        _ => end(placed, End::Failed { failure: Failure::of_fault(fault, now) }),
    }
}

fn after_zone_fault(state: State, fault: ZoneFault, now: SystemTime) -> (State, Action) {
    let Some(placed) = state.under_way().cloned() else { return begin(state) };
    let mends = fault.retry_after.is_some();
    let failure = Failure::of_zone(fault, now);
    // The order at the CA stays good for a later try.
    end(placed, if mends { End::Suspended { failure } } else { End::Failed { failure } })
}

/// Reads the order again after a while, unless the CA has had its time.
fn wait(state: State, retry_after: Option<Duration>, now: SystemTime) -> (State, Action) {
    match state.under_way() {
        Some(placed) if is_older(placed, MAX_ORDER_AGE, now) => {
            let failure =
                Failure::slow(Retry::Backoff, "the CA has not come to an end with the order in a day", now);
            end(placed.clone(), End::Failed { failure })
        }
        _ => (state, Action::ReadOrder(Pause::Poll(retry_after))),
    }
}

fn out_of_time(retry_after: Option<Duration>, fault: Option<Fault>, now: SystemTime) -> Failure {
    match fault {
        Some(fault) => Failure::of_fault(fault, now),
        None => Failure::slow(
            not_before(retry_after, now),
            "the CA takes longer with the order than there was time",
            now,
        ),
    }
}

fn end(placed: Placed, end: End) -> (State, Action) {
    if placed.records.is_empty() {
        ended(placed, end)
    } else {
        (State::Withdrawing { placed, end }, Action::Withdraw)
    }
}

fn ended(placed: Placed, end: End) -> (State, Action) {
    match end {
        End::Issued { chain } => (State::Done { placed, chain }, Action::Stop),
        End::Failed { failure } => {
            let Placed { order, url, records, .. } = placed;
            (State::Failed { order, url: Some(url), records, failure }, Action::Stop)
        }
        End::Suspended { failure } => (State::Ordered(placed), Action::Suspend(failure)),
    }
}

fn is_older(placed: &Placed, age: Duration, now: SystemTime) -> bool {
    now.duration_since(placed.placed_at).is_ok_and(|since| since > age)
}
