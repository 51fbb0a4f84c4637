mod scenarios;

use std::time::{Duration, SystemTime};

use fleetcert_dns::challenge::ChallengeRecord;
use fleetcert_schedule::budget::MAX_ORDER_AGE;
use proptest::prelude::*;

use super::*;
use crate::{AcmeErrorKind, Fault, NewOrder, OrderStatus, Problem, ProblemKind, Reading};

const NOW: SystemTime = SystemTime::UNIX_EPOCH;
const URL: &str = "https://ca.test/order/1";

fn order() -> NewOrder {
    NewOrder {
        replaces: Some("aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE".parse().unwrap()),
        ..NewOrder::new("a.fleet.test".parse().unwrap())
    }
}

fn record(value: &str) -> ChallengeRecord {
    ChallengeRecord {
        zone: "fleet.test".parse().unwrap(),
        name: "_acme-challenge.a.fleet.test".parse().unwrap(),
        value: value.parse().unwrap(),
        owner: URL.parse().unwrap(),
        expires: NOW + Duration::from_secs(3600),
    }
}

fn placed(records: &[ChallengeRecord]) -> Placed {
    Placed { order: order(), url: URL.into(), placed_at: NOW, records: records.to_vec() }
}

fn reading(status: OrderStatus) -> Reading {
    Reading { status, retry_after: None, problem: None }
}

fn fault(kind: AcmeErrorKind, problem: Option<ProblemKind>) -> Fault {
    let problem =
        problem.map(|kind| Problem { kind, detail: "d".into(), identifier: None, subproblems: Vec::new() });
    Fault { status: Some(400), problem, ..Fault::new(kind, "") }
}

fn failure() -> Failure {
    Failure {
        kind: FailureKind::Ca(AcmeErrorKind::RateLimited),
        retry: Retry::Backoff,
        problem: None,
        message: "m".into(),
        at: NOW,
        chain: None,
    }
}

fn states() -> Vec<OrderState> {
    let none = || placed(&[]);
    let one = || placed(&[record("v")]);
    let chain = || "PEM".to_owned();
    vec![
        OrderState::Wanted { order: order() },
        OrderState::Ordering { order: order() },
        OrderState::Ordering { order: NewOrder { replaces: None, ..order() } },
        OrderState::Ordered(none()),
        OrderState::Ordered(one()),
        OrderState::Publishing { placed: one(), answered: false },
        OrderState::Publishing { placed: one(), answered: true },
        OrderState::Visible(one()),
        OrderState::Answered(none()),
        OrderState::Answered(one()),
        OrderState::Finalizing(none()),
        OrderState::Finalizing(one()),
        OrderState::Finalized(none()),
        OrderState::Finalized(one()),
        OrderState::Downloaded { placed: none(), chain: chain() },
        OrderState::Downloaded { placed: one(), chain: chain() },
        OrderState::Withdrawing { placed: one(), end: End::Issued { chain: chain() } },
        OrderState::Withdrawing { placed: one(), end: End::Failed { failure: failure() } },
        OrderState::Withdrawing { placed: one(), end: End::Suspended { failure: failure() } },
        OrderState::Done { placed: none(), chain: chain() },
        OrderState::Failed { order: order(), url: None, records: Vec::new(), failure: failure() },
    ]
}

const STATUSES: [OrderStatus; 5] = [
    OrderStatus::Pending,
    OrderStatus::Ready,
    OrderStatus::Processing,
    OrderStatus::Valid,
    OrderStatus::Invalid,
];

const KINDS: [AcmeErrorKind; 11] = [
    AcmeErrorKind::Unreachable,
    AcmeErrorKind::Unavailable,
    AcmeErrorKind::RateLimited,
    AcmeErrorKind::Paused,
    AcmeErrorKind::BadNonce,
    AcmeErrorKind::Account,
    AcmeErrorKind::NotFound,
    AcmeErrorKind::OrderNotReady,
    AcmeErrorKind::Refused,
    AcmeErrorKind::Protocol,
    AcmeErrorKind::InvalidInput,
];

fn events() -> Vec<Event> {
    let mut events = vec![
        Event::Started,
        Event::Challenges { records: Vec::new() },
        Event::Challenges { records: vec![record("v")] },
        Event::Challenges { records: vec![record("w")] },
        Event::ChallengeFailed { problem: None },
        Event::Published,
        Event::Seen,
        Event::Answered { valid: false },
        Event::Answered { valid: true },
        Event::OrderGone,
        Event::CsrRefused(fault(AcmeErrorKind::Refused, Some(ProblemKind::BadCsr))),
        Event::Downloaded { chain: "PEM".into() },
        Event::Checked,
        Event::WrongCertificate { why: "other key".into(), valid_from: None },
        Event::WrongCertificate { why: "ahead".into(), valid_from: Some(NOW + Duration::from_secs(60)) },
        Event::Withdrawn,
        Event::NotWithdrawn { left: vec![record("v")] },
        Event::ZoneFault(ZoneFault { why: "z".into(), retry_after: None }),
        Event::ZoneFault(ZoneFault { why: "z".into(), retry_after: Some(Duration::ZERO) }),
        Event::OutOfTime { retry_after: Some(Duration::from_secs(9)), fault: None },
        Event::OutOfTime {
            retry_after: Some(Duration::MAX),
            fault: Some(fault(AcmeErrorKind::Unavailable, None)),
        },
    ];
    for status in STATUSES {
        events.push(Event::Placed { url: URL.into(), reading: reading(status) });
        events.push(Event::Read(reading(status)));
        events.push(Event::Finalized(reading(status)));
    }
    for kind in KINDS {
        events.push(Event::Fault(fault(kind, None)));
        events.push(Event::Fault(fault(kind, Some(ProblemKind::AlreadyReplaced))));
        events.push(Event::Fault(fault(kind, Some(ProblemKind::RejectedIdentifier))));
    }
    events
}

/// Rules that hold for every step.
fn check(before: &OrderState, event: &Event, after: &OrderState, action: &Action, now: SystemTime) {
    let context = format!("{before:?}\n + {event:?}\n = {after:?}\n   {action:?}");
    if before.is_terminal() {
        assert_eq!((after, action), (before, &Action::Stop), "{context}");
    }
    let fits = match action {
        Action::PlaceOrder => matches!(after, OrderState::Ordering { .. }),
        Action::ReadOrder(_) => after.url().is_some() && !after.is_terminal(),
        Action::ReadChallenges => matches!(after, OrderState::Ordered(_) | OrderState::Publishing { .. }),
        Action::Publish | Action::AwaitVisible => {
            matches!(after, OrderState::Publishing { .. }) && !after.records().is_empty()
        }
        Action::Answer => matches!(after, OrderState::Visible(_)),
        Action::Finalize => matches!(after, OrderState::Finalizing(_)),
        Action::Download => matches!(after, OrderState::Finalized(_)),
        Action::Check => matches!(after, OrderState::Downloaded { .. }),
        Action::Withdraw => matches!(after, OrderState::Withdrawing { .. }) && !after.records().is_empty(),
        Action::Suspend(_) => {
            matches!(after, OrderState::Wanted { .. } | OrderState::Ordering { .. } | OrderState::Ordered(_))
        }
        Action::Stop => after.is_terminal(),
    };
    assert!(fits, "{context}");
    assert_eq!(before.order().identifiers, after.order().identifiers, "{context}");
    if let Some(url) = before.url() {
        assert_eq!(after.url(), Some(url), "{context}");
    }
    // A record is forgotten only when it was withdrawn.
    let withdrawn = matches!(event, Event::Withdrawn | Event::NotWithdrawn { .. });
    assert!(withdrawn || before.records().iter().all(|old| after.records().contains(old)), "{context}");
    // An order that was placed is given up by the CA's own word alone.
    if let (Some(placed), true) = (before.under_way(), is_failure(after)) {
        let expired = now.duration_since(placed.placed_at).is_ok_and(|age| age > MAX_ORDER_AGE);
        let word_of_the_ca = match event {
            Event::Read(reading) | Event::Finalized(reading) => reading.status == OrderStatus::Invalid,
            Event::OrderGone | Event::ChallengeFailed { .. } | Event::CsrRefused(_) => true,
            _ => false,
        };
        assert!(expired || word_of_the_ca, "{context}");
    }
    // A certificate is never forgotten; the wrong one is kept with the failure.
    let chain = matches!(
        before,
        OrderState::Downloaded { .. }
            | OrderState::Done { .. }
            | OrderState::Withdrawing { end: End::Issued { .. }, .. }
    );
    let paused = matches!(action, Action::Suspend(failure) if failure.chain.is_some());
    assert!(!chain || paused || serde_json::to_string(after).unwrap().contains("PEM"), "{context}");
}

fn is_failure(state: &OrderState) -> bool {
    matches!(state, OrderState::Failed { .. } | OrderState::Withdrawing { end: End::Failed { .. }, .. })
}

#[test]
fn every_state_keeps_the_rules_at_every_event() {
    for state in states() {
        for event in events() {
            let (next, action) = step(state.clone(), event.clone(), NOW);
            check(&state, &event, &next, &action, NOW);
        }
    }
}

/// Every state that events lead to from the beginning, each event at two times: before the order expires, and after.
#[test]
fn every_reachable_state_keeps_the_rules() {
    let wanted = OrderState::Wanted { order: order() };
    let (events, mut seen, mut open) = (events(), std::collections::HashSet::new(), vec![wanted]);
    while let Some(state) = open.pop() {
        for event in &events {
            for now in [NOW, NOW + MAX_ORDER_AGE + Duration::from_secs(1)] {
                let (next, action) = step(state.clone(), event.clone(), now);
                check(&state, event, &next, &action, now);
                // Failures differ in their texts and times only.
                let key = match &next {
                    OrderState::Failed { .. } => "failed".to_owned(),
                    _ => serde_json::to_string(&next).unwrap(),
                };
                if placed_in_time(&next) && seen.insert(key) {
                    open.push(next);
                }
            }
        }
    }
    assert!(seen.len() > 100, "{} states", seen.len());
}

/// The other half of the states differs in its time alone.
fn placed_in_time(state: &OrderState) -> bool {
    state.under_way().is_none_or(|placed| placed.placed_at == NOW)
}

#[test]
fn every_state_survives_its_journal() {
    for state in states() {
        let json = serde_json::to_string(&state).unwrap();
        assert_eq!(serde_json::from_str::<OrderState>(&json).unwrap(), state, "{json}");
    }
}

/// The first action after a crash, and its state.
#[test]
fn resumed_order_is_read_first() {
    let now = Action::ReadOrder(Pause::None);
    let one = || placed(&[record("v")]);
    for state in states() {
        let (next, action) = step(state.clone(), Event::Started, NOW);
        let expected = match &state {
            OrderState::Wanted { order } => {
                (OrderState::Ordering { order: order.clone() }, Action::PlaceOrder)
            }
            OrderState::Ordering { .. } => (state.clone(), Action::PlaceOrder),
            OrderState::Visible(_) => {
                (OrderState::Publishing { placed: one(), answered: false }, now.clone())
            }
            OrderState::Answered(placed) if placed.records.is_empty() => {
                (OrderState::Ordered(placed.clone()), now.clone())
            }
            OrderState::Answered(_) => {
                (OrderState::Publishing { placed: one(), answered: true }, now.clone())
            }
            OrderState::Downloaded { .. } => (state.clone(), Action::Check),
            OrderState::Withdrawing { .. } => (state.clone(), Action::Withdraw),
            OrderState::Done { .. } | OrderState::Failed { .. } => (state.clone(), Action::Stop),
            _ => (state.clone(), now.clone()),
        };
        assert_eq!((next, action), expected, "{state:?}");
    }
}

/// Follows the events from `state` to the last state and action.
fn follow(state: OrderState, events: impl IntoIterator<Item = Event>) -> (OrderState, Action) {
    let mut state = (state, Action::Stop);
    for event in events {
        let before = state.0.clone();
        state = step(state.0, event.clone(), NOW);
        check(&before, &event, &state.0, &state.1, NOW);
    }
    state
}

proptest! {
    #[test]
    fn no_sequence_of_events_breaks_a_rule(
        indices in proptest::collection::vec((0usize..1000, 0u64..200_000), 0..60)
    ) {
        let events = events();
        let mut state = OrderState::Wanted { order: order() };
        for (index, seconds) in indices {
            let event = events[index % events.len()].clone();
            let now = NOW + Duration::from_secs(seconds);
            let (next, action) = step(state.clone(), event.clone(), now);
            check(&state, &event, &next, &action, now);
            state = next;
        }
    }
}
