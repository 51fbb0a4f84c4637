use std::time::{Duration, SystemTime};

use fleetcert_dns::challenge::ChallengeRecord;
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
    }
}

fn states() -> Vec<State> {
    let none = || placed(&[]);
    let one = || placed(&[record("v")]);
    let chain = || "PEM".to_owned();
    vec![
        State::Wanted { order: order() },
        State::Ordering { order: order() },
        State::Ordering { order: NewOrder { replaces: None, ..order() } },
        State::Ordered(none()),
        State::Ordered(one()),
        State::Publishing { placed: one(), answered: false },
        State::Publishing { placed: one(), answered: true },
        State::Visible(one()),
        State::Answered(none()),
        State::Answered(one()),
        State::Finalizing(none()),
        State::Finalizing(one()),
        State::Finalized(none()),
        State::Finalized(one()),
        State::Downloaded { placed: none(), chain: chain() },
        State::Downloaded { placed: one(), chain: chain() },
        State::Withdrawing { placed: one(), end: End::Issued { chain: chain() } },
        State::Withdrawing { placed: one(), end: End::Failed { failure: failure() } },
        State::Withdrawing { placed: one(), end: End::Suspended { failure: failure() } },
        State::Done { placed: none(), chain: chain() },
        State::Failed { order: order(), url: None, records: Vec::new(), failure: failure() },
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
        Event::ChallengeDead { problem: None },
        Event::Published,
        Event::Seen,
        Event::Answered,
        Event::Downloaded { chain: "PEM".into() },
        Event::Checked,
        Event::WrongCertificate { why: "other key".into() },
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

/// What must hold of every step, whatever the event.
fn check(before: &State, event: &Event, after: &State, action: &Action) {
    let context = format!("{before:?}\n + {event:?}\n = {after:?}\n   {action:?}");
    if before.is_terminal() {
        assert_eq!((after, action), (before, &Action::Stop), "{context}");
    }
    let fits = match action {
        Action::PlaceOrder => matches!(after, State::Ordering { .. }),
        Action::ReadOrder(_) => after.url().is_some() && !after.is_terminal(),
        Action::ReadChallenges => matches!(after, State::Ordered(_) | State::Publishing { .. }),
        Action::Publish | Action::AwaitVisible => {
            matches!(after, State::Publishing { .. }) && !after.records().is_empty()
        }
        Action::Answer => matches!(after, State::Visible(_)),
        Action::Finalize => matches!(after, State::Finalizing(_)),
        Action::Download => matches!(after, State::Finalized(_)),
        Action::Check => matches!(after, State::Downloaded { .. }),
        Action::Withdraw => matches!(after, State::Withdrawing { .. }) && !after.records().is_empty(),
        Action::Suspend(_) => {
            matches!(after, State::Wanted { .. } | State::Ordering { .. } | State::Ordered(_))
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
    // A certificate is not forgotten at all, unless it is the wrong one.
    let chain = matches!(
        before,
        State::Downloaded { .. } | State::Done { .. } | State::Withdrawing { end: End::Issued { .. }, .. }
    );
    let wrong = matches!(event, Event::WrongCertificate { .. });
    assert!(!chain || wrong || serde_json::to_string(after).unwrap().contains("PEM"), "{context}");
}

#[test]
fn every_state_with_every_event() {
    for state in states() {
        for event in events() {
            let (next, action) = step(state.clone(), event.clone(), NOW);
            check(&state, &event, &next, &action);
        }
    }
}

#[test]
fn every_state_survives_its_journal() {
    for state in states() {
        let json = serde_json::to_string(&state).unwrap();
        assert_eq!(serde_json::from_str::<State>(&json).unwrap(), state, "{json}");
    }
}

/// After a crash: what is done first, and in which state.
#[test]
fn resume_begins_by_reading() {
    let now = Action::ReadOrder(Pause::None);
    let one = || placed(&[record("v")]);
    for state in states() {
        let (next, action) = step(state.clone(), Event::Started, NOW);
        let expected = match &state {
            State::Wanted { order } => (State::Ordering { order: order.clone() }, Action::PlaceOrder),
            State::Ordering { .. } => (state.clone(), Action::PlaceOrder),
            State::Visible(_) => (State::Publishing { placed: one(), answered: false }, now.clone()),
            State::Answered(placed) if placed.records.is_empty() => {
                (State::Ordered(placed.clone()), now.clone())
            }
            State::Answered(_) => (State::Publishing { placed: one(), answered: true }, now.clone()),
            State::Downloaded { .. } => (state.clone(), Action::Check),
            State::Withdrawing { .. } => (state.clone(), Action::Withdraw),
            State::Done { .. } | State::Failed { .. } => (state.clone(), Action::Stop),
            _ => (state.clone(), now.clone()),
        };
        assert_eq!((next, action), expected, "{state:?}");
    }
}

/// Follows the events from `state` and gives where it ends.
fn follow(state: State, events: impl IntoIterator<Item = Event>) -> (State, Action) {
    let mut state = (state, Action::Stop);
    for event in events {
        let before = state.0.clone();
        state = step(state.0, event.clone(), NOW);
        check(&before, &event, &state.0, &state.1);
    }
    state
}

#[test]
fn the_whole_way() {
    let pending = || reading(OrderStatus::Pending);
    let way = [
        (Event::Started, Action::PlaceOrder),
        (Event::Placed { url: URL.into(), reading: pending() }, Action::ReadChallenges),
        (Event::Challenges { records: vec![record("v")] }, Action::Publish),
        (Event::Published, Action::AwaitVisible),
        (Event::Seen, Action::Answer),
        (Event::Answered, Action::ReadOrder(Pause::Poll(None))),
        (Event::Read(pending()), Action::ReadOrder(Pause::Poll(None))),
        (Event::Read(reading(OrderStatus::Ready)), Action::Finalize),
        (
            Event::Finalized(Reading {
                retry_after: Some(Duration::from_secs(3)),
                ..reading(OrderStatus::Processing)
            }),
            Action::ReadOrder(Pause::Poll(Some(Duration::from_secs(3)))),
        ),
        (Event::Read(reading(OrderStatus::Valid)), Action::Download),
        (Event::Downloaded { chain: "PEM".into() }, Action::Check),
        (Event::Checked, Action::Withdraw),
        (Event::Withdrawn, Action::Stop),
    ];
    let mut state = State::Wanted { order: order() };
    for (event, expected) in way {
        let (next, action) = step(state, event, NOW);
        assert_eq!(action, expected);
        state = next;
    }
    assert_eq!(state, State::Done { placed: placed(&[]), chain: "PEM".into() });
}

#[test]
fn names_that_are_proved_already_need_no_record() {
    let (state, action) = follow(
        State::Wanted { order: order() },
        [Event::Started, Event::Placed { url: URL.into(), reading: reading(OrderStatus::Ready) }],
    );
    assert_eq!((state, action), (State::Finalizing(placed(&[])), Action::Finalize));

    let (state, action) = follow(State::Ordered(placed(&[])), [Event::Challenges { records: Vec::new() }]);
    assert_eq!((state, action), (State::Answered(placed(&[])), Action::ReadOrder(Pause::Poll(None))));
}

#[test]
fn an_answered_challenge_is_not_answered_again_after_a_crash() {
    let again = |records: Vec<ChallengeRecord>| {
        let events = [
            Event::Started,
            Event::Read(reading(OrderStatus::Pending)),
            Event::Challenges { records },
            Event::Published,
            Event::Seen,
        ];
        follow(State::Answered(placed(&[record("v")])), events).1
    };
    assert_eq!(again(vec![record("v")]), Action::ReadOrder(Pause::Poll(None)));
    assert_eq!(again(vec![record("other")]), Action::Answer, "but a challenge that it never had is");
}

#[test]
fn a_lost_answer_to_finalize_is_looked_up() {
    let lost = || Event::Fault(fault(AcmeErrorKind::Unreachable, None));
    let start = || State::Finalizing(placed(&[]));
    assert_eq!(follow(start(), [lost()]), (start(), Action::ReadOrder(Pause::Poll(None))));
    for (status, action) in [
        (OrderStatus::Ready, Action::Finalize),
        (OrderStatus::Processing, Action::ReadOrder(Pause::Poll(None))),
        (OrderStatus::Valid, Action::Download),
    ] {
        assert_eq!(follow(start(), [lost(), Event::Read(reading(status))]).1, action);
    }
}

#[test]
fn a_refused_replaces_is_dropped_once() {
    for kind in [ProblemKind::AlreadyReplaced, ProblemKind::Malformed, ProblemKind::Unauthorized] {
        let refusal = || Event::Fault(fault(AcmeErrorKind::Refused, Some(kind.clone())));
        let (state, action) = follow(State::Ordering { order: order() }, [refusal()]);
        assert_eq!(state, State::Ordering { order: NewOrder { replaces: None, ..order() } });
        assert_eq!(action, Action::PlaceOrder);
        assert!(step(state, refusal(), NOW).0.is_terminal(), "without it, the refusal is for the order");
    }
    let stumbled = |status| {
        let fault = fault(AcmeErrorKind::Unavailable, Some(ProblemKind::ServerInternal));
        Event::Fault(Fault { status: Some(status), ..fault })
    };
    let after = |status| follow(State::Ordering { order: order() }, [stumbled(status)]).0;
    assert_eq!(after(500), State::Ordering { order: NewOrder { replaces: None, ..order() } });
    assert_eq!(after(503), State::Ordering { order: order() }, "a CA that is away says nothing about it");
    let limited = Event::Fault(fault(AcmeErrorKind::RateLimited, Some(ProblemKind::RateLimited)));
    assert_eq!(follow(State::Ordering { order: order() }, [limited]).0, State::Wanted { order: order() });
}

#[test]
fn an_order_that_may_have_been_placed_is_asked_for_again() {
    for kind in [AcmeErrorKind::Unreachable, AcmeErrorKind::Unavailable, AcmeErrorKind::Protocol] {
        let (state, action) = follow(State::Ordering { order: order() }, [Event::Fault(fault(kind, None))]);
        assert_eq!(state, State::Ordering { order: order() });
        assert!(matches!(action, Action::Suspend(_)));
    }
}

#[test]
fn what_can_be_done_about_a_failure() {
    let retry = |fault: Fault| match follow(State::Ordering { order: order() }, [Event::Fault(fault)]) {
        (_, Action::Suspend(failure)) | (State::Failed { failure, .. }, _) => failure.retry,
        other => panic!("{other:?}"),
    };
    let limited = Fault {
        retry_after: Some(Duration::from_secs(36)),
        ..fault(AcmeErrorKind::RateLimited, Some(ProblemKind::RateLimited))
    };
    assert_eq!(retry(limited), Retry::NotBefore(NOW + Duration::from_secs(36)));
    assert_eq!(retry(fault(AcmeErrorKind::Unavailable, None)), Retry::Backoff);
    assert_eq!(retry(fault(AcmeErrorKind::Paused, Some(ProblemKind::RateLimited))), Retry::Operator);
    assert_eq!(retry(fault(AcmeErrorKind::Account, None)), Retry::Operator);
    assert_eq!(retry(fault(AcmeErrorKind::Refused, Some(ProblemKind::RejectedIdentifier))), Retry::Operator);
}

#[test]
fn a_zone_that_lags_suspends_and_the_order_stays_good() {
    let lags = Event::ZoneFault(ZoneFault { why: "not there".into(), retry_after: Some(Duration::ZERO) });
    let publishing = State::Publishing { placed: placed(&[record("v")]), answered: false };
    let (state, action) = follow(publishing, [lags, Event::Withdrawn]);
    assert_eq!(state, State::Ordered(placed(&[])));
    let Action::Suspend(failure) = action else { panic!("{action:?}") };
    assert_eq!((failure.kind, failure.retry), (FailureKind::Zone, Retry::Backoff));
}

#[test]
fn an_order_that_is_not_found_was_just_made_or_is_gone() {
    let gone = || Event::Fault(fault(AcmeErrorKind::NotFound, None));
    let state = || State::Ordered(placed(&[]));
    assert_eq!(step(state(), gone(), NOW).1, Action::ReadOrder(Pause::Poll(None)));
    let (state, _) = step(state(), gone(), NOW + Duration::from_secs(61));
    let State::Failed { failure, .. } = state else { panic!("{state:?}") };
    assert_eq!((failure.kind, failure.retry), (FailureKind::OrderGone, Retry::Backoff));
}

#[test]
fn an_order_without_end_is_given_up_after_a_day() {
    let day = Duration::from_secs(86_400);
    for (state, status) in [
        (State::Answered(placed(&[])), OrderStatus::Pending),
        (State::Finalized(placed(&[])), OrderStatus::Processing),
    ] {
        let at = |now| step(state.clone(), Event::Read(reading(status)), now).0;
        assert_eq!(at(NOW + day), state);
        assert!(at(NOW + day + Duration::from_secs(1)).is_terminal());
    }
}

#[test]
fn records_that_stay_are_named_at_the_end() {
    let withdrawing =
        State::Withdrawing { placed: placed(&[record("v")]), end: End::Failed { failure: failure() } };
    let (state, _) = follow(withdrawing, [Event::NotWithdrawn { left: vec![record("v")] }]);
    assert_eq!(state.records(), [record("v")]);
    assert!(state.is_terminal());
}

proptest! {
    #[test]
    fn no_sequence_of_events_breaks_a_rule(
        indices in proptest::collection::vec((0usize..1000, 0u64..200_000), 0..60)
    ) {
        let events = events();
        let mut state = State::Wanted { order: order() };
        for (index, seconds) in indices {
            let event = events[index % events.len()].clone();
            let (next, action) = step(state.clone(), event.clone(), NOW + Duration::from_secs(seconds));
            check(&state, &event, &next, &action);
            state = next;
        }
    }
}
