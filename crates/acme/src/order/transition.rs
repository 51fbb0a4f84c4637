//! The transitions from one state to the next.

use std::time::{Duration, SystemTime};

use fleetcert_dns::challenge::ChallengeRecord;
use fleetcert_schedule::budget::MAX_ORDER_AGE;

use super::failure::not_before;
use super::{Action, End, Event, Failure, OrderState, Pause, Placed, Retry, ZoneFault};
use crate::{AcmeErrorKind, Fault, NewOrder, OrderStatus, ProblemKind, Reading};

/// Age up to which an order that is not found may still appear: CAs read from replicas.
const REPLICATION_DELAY: Duration = Duration::from_secs(60);
/// Longest wait before a placed order is read again, unless a limit is reached or the CA is unavailable. CAs have
/// named a day for orders that were ready after seconds.
const MAX_POLL_WAIT: Duration = Duration::from_secs(120);
/// Longest time by which a certificate may begin ahead of our clock and still be waited for.
const MAX_CLOCK_LAG: Duration = Duration::from_secs(86_400);

/// Returns the state of the order after `event` at time `now`, and the action to take once the state is written down.
///
/// It never panics. A terminal state stays as it is. An event that does not belong to the state means that the driver
/// has lost track, and counts as [`Event::Started`].
pub fn step(state: OrderState, event: Event, now: SystemTime) -> (OrderState, Action) {
    match (state, event) {
        (state @ (OrderState::Done { .. } | OrderState::Failed { .. }), _) => (state, Action::Stop),

        (OrderState::Ordering { order }, Event::Placed { url, reading }) => after_reading(
            OrderState::Ordered(Placed { order, url, placed_at: now, records: Vec::new() }),
            reading,
            now,
        ),
        (OrderState::Ordering { order }, Event::Fault(fault)) => not_placed(order, fault, now),
        (state @ OrderState::Ordering { .. }, Event::OutOfTime { retry_after, fault }) => {
            let failure = out_of_time(retry_after, fault, now);
            (state, Action::Suspend(failure))
        }

        // From here to the chain, the CA's reading of the order decides.
        (state, Event::Read(reading)) => after_reading(state, reading, now),
        (OrderState::Finalizing(placed), Event::Finalized(reading)) => {
            after_reading(OrderState::Finalized(placed), reading, now)
        }
        (OrderState::Ordered(placed), Event::Challenges { records }) => prove(placed, records, false),
        (OrderState::Publishing { placed, answered }, Event::Challenges { records }) => {
            prove(placed, records, answered)
        }
        (
            OrderState::Ordered(placed)
            | OrderState::Publishing { placed, .. }
            | OrderState::Visible(placed)
            | OrderState::Answered(placed),
            Event::ChallengeFailed { problem },
        ) => end(placed, End::Failed { failure: Failure::invalid(problem, now) }),
        (state @ OrderState::Publishing { .. }, Event::Published) => (state, Action::AwaitVisible),
        (OrderState::Publishing { placed, answered: false }, Event::Seen) => {
            (OrderState::Visible(placed), Action::Answer)
        }
        (OrderState::Publishing { placed, answered: true }, Event::Seen) => {
            (OrderState::Answered(placed), Action::ReadOrder(Pause::Poll(None)))
        }
        (OrderState::Visible(placed), Event::Answered { valid }) => {
            let pause = if valid { Pause::None } else { Pause::Poll(None) };
            (OrderState::Answered(placed), Action::ReadOrder(pause))
        }
        (OrderState::Finalizing(placed), Event::CsrRefused(fault)) => {
            end(placed, End::Failed { failure: Failure::of_fault(fault, now) })
        }
        (OrderState::Finalized(placed), Event::Downloaded { chain }) => {
            (OrderState::Downloaded { placed, chain }, Action::Check)
        }
        (OrderState::Downloaded { placed, chain }, Event::WrongCertificate { why, valid_from }) => {
            wrong_certificate(placed, chain, why, valid_from, now)
        }
        (OrderState::Downloaded { placed, chain }, Event::Checked) => end(placed, End::Issued { chain }),

        (OrderState::Withdrawing { placed, end }, Event::Withdrawn) => {
            ended(Placed { records: Vec::new(), ..placed }, end)
        }
        (OrderState::Withdrawing { placed, end }, Event::NotWithdrawn { left }) => {
            ended(Placed { records: left, ..placed }, end)
        }

        (
            state @ (OrderState::Wanted { .. }
            | OrderState::Downloaded { .. }
            | OrderState::Withdrawing { .. }),
            _,
        )
        | (state, Event::Started) => begin(state),
        (state, Event::OrderGone) => match state.under_way() {
            Some(placed) if is_older(placed, REPLICATION_DELAY, now) => {
                end(placed.clone(), End::Failed { failure: Failure::order_gone(now) })
            }
            _ => wait(state, None, None, now),
        },
        (state, Event::Fault(fault)) => after_fault(state, fault, now),
        (state, Event::ZoneFault(fault)) => after_zone_fault(state, fault, now),
        (state, Event::OutOfTime { retry_after, fault }) => {
            suspend(state, || out_of_time(retry_after, fault, now))
        }
        (state, _) => begin(state),
    }
}

/// Returns the first step in a state of which only the journal is known.
fn begin(state: OrderState) -> (OrderState, Action) {
    match state {
        OrderState::Wanted { order } | OrderState::Ordering { order } => {
            (OrderState::Ordering { order }, Action::PlaceOrder)
        }
        // The content of the zone is not known. The records of a challenge that the CA is validating must be there.
        OrderState::Answered(placed) if !placed.records.is_empty() => {
            (OrderState::Publishing { placed, answered: true }, Action::ReadOrder(Pause::None))
        }
        OrderState::Answered(placed) => (OrderState::Ordered(placed), Action::ReadOrder(Pause::None)),
        OrderState::Visible(placed) => {
            (OrderState::Publishing { placed, answered: false }, Action::ReadOrder(Pause::None))
        }
        OrderState::Downloaded { .. } => (state, Action::Check),
        OrderState::Withdrawing { .. } => (state, Action::Withdraw),
        OrderState::Done { .. } | OrderState::Failed { .. } => (state, Action::Stop),
        OrderState::Ordered(_)
        | OrderState::Publishing { .. }
        | OrderState::Finalizing(_)
        | OrderState::Finalized(_) => (state, Action::ReadOrder(Pause::None)),
    }
}

/// Returns the step after a newOrder that was not answered with an order.
fn not_placed(order: NewOrder, fault: Fault, now: SystemTime) -> (OrderState, Action) {
    if order.replaces.is_some() && refuses_replaces(&fault) {
        return (OrderState::Ordering { order: NewOrder { replaces: None, ..order } }, Action::PlaceOrder);
    }
    let kind = fault.kind;
    let passes = fault.passes();
    let failure = Failure::of_fault(fault, now);
    match kind {
        // There may be an order: the CA returns it when it is ordered again.
        AcmeErrorKind::Unreachable | AcmeErrorKind::Unavailable | AcmeErrorKind::Protocol => {
            (OrderState::Ordering { order }, Action::Suspend(failure))
        }
        // No fault of this order.
        AcmeErrorKind::Account => (OrderState::Wanted { order }, Action::Suspend(failure)),
        _ if passes => (OrderState::Wanted { order }, Action::Suspend(failure)),
        _ => (OrderState::Failed { order, url: None, records: Vec::new(), failure }, Action::Stop),
    }
}

/// Returns whether `replaces` may be the reason (RFC 9773 section 5): an order that we lost replaced the predecessor,
/// or the CA does not know it, or another account got it, or the CA fails on it (Pebble 2.10 answers 500 for some
/// serial numbers). Without it the order costs more of the limits, and succeeds.
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

fn after_reading(state: OrderState, reading: Reading, now: SystemTime) -> (OrderState, Action) {
    let Some(placed) = state.under_way().cloned() else { return begin(state) };
    let retry_after = reading.retry_after.map(|wait| wait.min(MAX_POLL_WAIT));
    match (reading.status, state) {
        (OrderStatus::Invalid, _) => {
            end(placed, End::Failed { failure: Failure::invalid(reading.problem, now) })
        }
        (OrderStatus::Valid, _) => (OrderState::Finalized(placed), Action::Download),
        // The CA has the CSR, so it is the certificate that is awaited, whatever status a replica shows.
        (OrderStatus::Processing, _)
        | (OrderStatus::Ready | OrderStatus::Pending, OrderState::Finalized(_)) => {
            wait(OrderState::Finalized(placed), retry_after, None, now)
        }
        (OrderStatus::Ready, _) => (OrderState::Finalizing(placed), Action::Finalize),
        (OrderStatus::Pending, OrderState::Answered(_)) => {
            wait(OrderState::Answered(placed), retry_after, None, now)
        }
        (OrderStatus::Pending, OrderState::Publishing { answered, .. }) => {
            (OrderState::Publishing { placed, answered }, Action::ReadChallenges)
        }
        (OrderStatus::Pending, _) => (OrderState::Ordered(placed), Action::ReadChallenges),
    }
}

/// Publishes what the zone must show for the identifiers that are not validated yet.
fn prove(placed: Placed, mut records: Vec<ChallengeRecord>, answered: bool) -> (OrderState, Action) {
    if records.is_empty() {
        // Every identifier is validated; the order becomes ready in a moment.
        return (OrderState::Answered(placed), Action::ReadOrder(Pause::Poll(None)));
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
    (OrderState::Publishing { placed: Placed { records, ..placed }, answered }, Action::Publish)
}

/// Returns the step after a request about a placed order that the CA did not carry out. No fault ends the order: its
/// next reading tells where it stands.
fn after_fault(state: OrderState, fault: Fault, now: SystemTime) -> (OrderState, Action) {
    if fault.kind == AcmeErrorKind::Account {
        return suspend(state, || Failure::of_fault(fault, now));
    }
    let obeyed = matches!(fault.kind, AcmeErrorKind::RateLimited | AcmeErrorKind::Unavailable);
    let retry_after = fault.retry_after.map(|wait| if obeyed { wait } else { wait.min(MAX_POLL_WAIT) });
    match state {
        // Some challenges may be answered and some not, and a second answer may be refused: the challenges tell.
        OrderState::Visible(placed) => {
            wait(OrderState::Publishing { placed, answered: false }, retry_after, Some(&fault), now)
        }
        _ => wait(state, retry_after, Some(&fault), now),
    }
}

/// The zone fails; the order at the CA stays good for a later try.
fn after_zone_fault(state: OrderState, fault: ZoneFault, now: SystemTime) -> (OrderState, Action) {
    suspend(state, || Failure::of_zone(fault, now))
}

fn wrong_certificate(
    placed: Placed,
    chain: String,
    why: String,
    valid_from: Option<SystemTime>,
    now: SystemTime,
) -> (OrderState, Action) {
    let soon = |from: &SystemTime| {
        from.duration_since(now).is_ok_and(|ahead| !ahead.is_zero() && ahead <= MAX_CLOCK_LAG)
    };
    let valid_from = valid_from.filter(soon);
    let failure = Failure::wrong_certificate(why, Some(chain), valid_from, now);
    let end_of = if valid_from.is_some() { End::Suspended { failure } } else { End::Failed { failure } };
    end(placed, end_of)
}

/// Reads the order again after a while, unless it has expired.
fn wait(
    state: OrderState,
    retry_after: Option<Duration>,
    fault: Option<&Fault>,
    now: SystemTime,
) -> (OrderState, Action) {
    match state.under_way() {
        Some(placed) if is_older(placed, MAX_ORDER_AGE, now) => {
            let why = fault.map(|fault| format!(": {fault}")).unwrap_or_default();
            let message = format!("the CA did not finish the order within a day{why}");
            let failure = Failure::slow(Retry::Backoff, message, now);
            end(placed.clone(), End::Failed { failure })
        }
        Some(_) => (state, Action::ReadOrder(Pause::Poll(retry_after))),
        None => begin(state),
    }
}

fn out_of_time(retry_after: Option<Duration>, fault: Option<Fault>, now: SystemTime) -> Failure {
    match fault {
        Some(fault) => Failure::of_fault(fault, now),
        None => Failure::slow(
            not_before(retry_after, now),
            "the CA needs more time for the order than the time limit of this attempt",
            now,
        ),
    }
}

/// Suspends a placed order.
fn suspend(state: OrderState, failure: impl FnOnce() -> Failure) -> (OrderState, Action) {
    match state.under_way().cloned() {
        Some(placed) => {
            let failure = failure();
            end(placed, End::Suspended { failure })
        }
        None => begin(state),
    }
}

fn end(placed: Placed, end: End) -> (OrderState, Action) {
    if placed.records.is_empty() {
        ended(placed, end)
    } else {
        (OrderState::Withdrawing { placed, end }, Action::Withdraw)
    }
}

fn ended(placed: Placed, end: End) -> (OrderState, Action) {
    match end {
        End::Issued { chain } => (OrderState::Done { placed, chain }, Action::Stop),
        End::Failed { failure } => {
            let Placed { order, url, records, .. } = placed;
            (OrderState::Failed { order, url: Some(url), records, failure }, Action::Stop)
        }
        End::Suspended { failure } => (OrderState::Ordered(placed), Action::Suspend(failure)),
    }
}

fn is_older(placed: &Placed, age: Duration, now: SystemTime) -> bool {
    now.duration_since(placed.placed_at).is_ok_and(|since| since > age)
}
