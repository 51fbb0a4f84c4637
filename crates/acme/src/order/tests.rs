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

#[test]
fn order_without_faults_ends_with_its_certificate() {
    let pending = || reading(OrderStatus::Pending);
    let steps = [
        (Event::Started, Action::PlaceOrder),
        (Event::Placed { url: URL.into(), reading: pending() }, Action::ReadChallenges),
        (Event::Challenges { records: vec![record("v")] }, Action::Publish),
        (Event::Published, Action::AwaitVisible),
        (Event::Seen, Action::Answer),
        (Event::Answered { valid: false }, Action::ReadOrder(Pause::Poll(None))),
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
    let mut state = OrderState::Wanted { order: order() };
    for (event, expected) in steps {
        let (next, action) = step(state, event, NOW);
        assert_eq!(action, expected);
        state = next;
    }
    assert_eq!(state, OrderState::Done { placed: placed(&[]), chain: "PEM".into() });
}

#[test]
fn validated_identifiers_need_no_record() {
    let (state, action) = follow(
        OrderState::Wanted { order: order() },
        [Event::Started, Event::Placed { url: URL.into(), reading: reading(OrderStatus::Ready) }],
    );
    assert_eq!((state, action), (OrderState::Finalizing(placed(&[])), Action::Finalize));

    let (state, action) =
        follow(OrderState::Ordered(placed(&[])), [Event::Challenges { records: Vec::new() }]);
    assert_eq!((state, action), (OrderState::Answered(placed(&[])), Action::ReadOrder(Pause::Poll(None))));
}

#[test]
fn answered_challenge_is_not_answered_again_after_a_crash() {
    let again = |records: Vec<ChallengeRecord>| {
        let events = [
            Event::Started,
            Event::Read(reading(OrderStatus::Pending)),
            Event::Challenges { records },
            Event::Published,
            Event::Seen,
        ];
        follow(OrderState::Answered(placed(&[record("v")])), events).1
    };
    assert_eq!(again(vec![record("v")]), Action::ReadOrder(Pause::Poll(None)));
    assert_eq!(again(vec![record("other")]), Action::Answer, "but a challenge that it never had is");
}

#[test]
fn lost_answer_to_finalize_is_read_from_the_order() {
    let lost = || Event::Fault(fault(AcmeErrorKind::Unreachable, None));
    let start = || OrderState::Finalizing(placed(&[]));
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
fn refused_replaces_is_dropped_once() {
    for kind in [ProblemKind::AlreadyReplaced, ProblemKind::Malformed, ProblemKind::Unauthorized] {
        let refusal = || Event::Fault(fault(AcmeErrorKind::Refused, Some(kind.clone())));
        let (state, action) = follow(OrderState::Ordering { order: order() }, [refusal()]);
        assert_eq!(state, OrderState::Ordering { order: NewOrder { replaces: None, ..order() } });
        assert_eq!(action, Action::PlaceOrder);
        assert!(step(state, refusal(), NOW).0.is_terminal(), "without it, the refusal is of the order");
    }
    let stumbled = |status| {
        let fault = fault(AcmeErrorKind::Unavailable, Some(ProblemKind::ServerInternal));
        Event::Fault(Fault { status: Some(status), ..fault })
    };
    let after = |status| follow(OrderState::Ordering { order: order() }, [stumbled(status)]).0;
    assert_eq!(after(500), OrderState::Ordering { order: NewOrder { replaces: None, ..order() } });
    assert_eq!(
        after(503),
        OrderState::Ordering { order: order() },
        "an unavailable CA says nothing about it"
    );
    let limited = Event::Fault(fault(AcmeErrorKind::RateLimited, Some(ProblemKind::RateLimited)));
    assert_eq!(
        follow(OrderState::Ordering { order: order() }, [limited]).0,
        OrderState::Wanted { order: order() }
    );
}

#[test]
fn order_that_may_have_been_placed_is_ordered_again() {
    for kind in [AcmeErrorKind::Unreachable, AcmeErrorKind::Unavailable, AcmeErrorKind::Protocol] {
        let (state, action) =
            follow(OrderState::Ordering { order: order() }, [Event::Fault(fault(kind, None))]);
        assert_eq!(state, OrderState::Ordering { order: order() });
        assert!(matches!(action, Action::Suspend(_)));
    }
}

#[test]
fn failure_says_when_to_try_again() {
    let retry = |fault: Fault| match follow(OrderState::Ordering { order: order() }, [Event::Fault(fault)]) {
        (_, Action::Suspend(failure)) | (OrderState::Failed { failure, .. }, _) => failure.retry,
        other => panic!("{other:?}"),
    };
    let limited = Fault {
        retry_after: Some(Duration::from_secs(36)),
        ..fault(AcmeErrorKind::RateLimited, Some(ProblemKind::RateLimited))
    };
    assert_eq!(retry(limited), Retry::NotBefore(NOW + Duration::from_secs(36)));
    assert_eq!(retry(fault(AcmeErrorKind::Unavailable, None)), Retry::Backoff);
    assert_eq!(retry(fault(AcmeErrorKind::Paused, Some(ProblemKind::RateLimited))), Retry::Operator);
    assert_eq!(retry(fault(AcmeErrorKind::Account, None)), Retry::Backoff, "its breaker holds the orders");
    assert_eq!(retry(fault(AcmeErrorKind::Refused, Some(ProblemKind::RejectedIdentifier))), Retry::Operator);
}

#[test]
fn zone_that_fails_suspends_the_order_and_the_order_stays_good() {
    for (retry_after, retry) in [(Some(Duration::ZERO), Retry::Backoff), (None, Retry::Operator)] {
        let fault = Event::ZoneFault(ZoneFault { why: "not there".into(), retry_after });
        let publishing = OrderState::Publishing { placed: placed(&[record("v")]), answered: false };
        let (state, action) = follow(publishing, [fault, Event::Withdrawn]);
        assert_eq!(state, OrderState::Ordered(placed(&[])));
        let Action::Suspend(failure) = action else { panic!("{action:?}") };
        assert_eq!((failure.kind, failure.retry), (FailureKind::Zone, retry));
    }
}

#[test]
fn order_that_is_not_found_is_gone_unless_it_is_new() {
    for state in [OrderState::Ordered(placed(&[])), OrderState::Finalized(placed(&[]))] {
        let early = step(state.clone(), Event::OrderGone, NOW + Duration::from_secs(60)).1;
        assert_eq!(early, Action::ReadOrder(Pause::Poll(None)));
        let (state, _) = step(state, Event::OrderGone, NOW + Duration::from_secs(61));
        let OrderState::Failed { failure, .. } = state else { panic!("{state:?}") };
        assert_eq!((failure.kind, failure.retry), (FailureKind::OrderGone, Retry::Backoff));
    }
}

#[test]
fn no_fault_gives_up_an_order_before_it_expires() {
    let placed_states = states().into_iter().filter(|state| state.under_way().is_some());
    for (state, kind) in placed_states.flat_map(|state| KINDS.map(|kind| (state.clone(), kind))) {
        let fault = || Event::Fault(fault(kind, Some(ProblemKind::Malformed)));
        let day = MAX_ORDER_AGE;
        let (next, action) = step(state.clone(), fault(), NOW + day);
        assert!(!is_failure(&next), "{state:?} {kind:?} {next:?}");
        let suspended = matches!(action, Action::Suspend(_) | Action::Withdraw);
        assert_eq!(suspended, kind == AcmeErrorKind::Account, "{state:?} {kind:?} {action:?}");
        let (next, _) = step(state.clone(), fault(), NOW + day + Duration::from_secs(1));
        assert_eq!(is_failure(&next), kind != AcmeErrorKind::Account, "{state:?} {kind:?} {next:?}");
    }
}

#[test]
fn expired_order_names_its_last_fault() {
    let page = Event::Fault(Fault::new(AcmeErrorKind::Protocol, "no certificate chain"));
    let later = NOW + MAX_ORDER_AGE + Duration::from_secs(1);
    let (state, _) = step(OrderState::Finalized(placed(&[])), page, later);
    let OrderState::Failed { failure, .. } = state else { panic!("{state:?}") };
    assert_eq!(failure.kind, FailureKind::Slow);
    assert!(failure.message.contains("no certificate chain"), "{failure}");
}

#[test]
fn account_that_is_refused_fails_no_order() {
    let refused = || Event::Fault(fault(AcmeErrorKind::Account, Some(ProblemKind::UserActionRequired)));
    let (state, action) = follow(OrderState::Ordering { order: order() }, [refused()]);
    assert_eq!(state, OrderState::Wanted { order: order() });
    assert!(matches!(action, Action::Suspend(_)), "{action:?}");
    let (state, action) =
        follow(OrderState::Finalizing(placed(&[record("v")])), [refused(), Event::Withdrawn]);
    assert_eq!(state, OrderState::Ordered(placed(&[])));
    let Action::Suspend(failure) = action else { panic!("{action:?}") };
    assert_eq!(failure.kind, FailureKind::Ca(AcmeErrorKind::Account));
}

#[test]
fn placed_order_is_read_again_within_minutes() {
    let day = Some(Duration::from_secs(86_400));
    let bounded = Action::ReadOrder(Pause::Poll(Some(Duration::from_secs(120))));
    let asks = |status| Event::Read(Reading { retry_after: day, ..reading(status) });
    for (state, status) in [
        (OrderState::Answered(placed(&[])), OrderStatus::Pending),
        (OrderState::Finalized(placed(&[])), OrderStatus::Processing),
    ] {
        assert_eq!(follow(state, [asks(status)]).1, bounded);
    }
    let fault_asks = |kind| Event::Fault(Fault { retry_after: day, ..fault(kind, None) });
    let after = |kind| follow(OrderState::Finalized(placed(&[])), [fault_asks(kind)]).1;
    assert_eq!(after(AcmeErrorKind::Protocol), bounded, "the page of a proxy");
    // The CA's wish counts for its limits and its load.
    for kind in [AcmeErrorKind::RateLimited, AcmeErrorKind::Unavailable] {
        assert_eq!(after(kind), Action::ReadOrder(Pause::Poll(day)));
    }
    let (_, action) =
        follow(OrderState::Ordering { order: order() }, [fault_asks(AcmeErrorKind::Unavailable)]);
    let Action::Suspend(failure) = action else { panic!("{action:?}") };
    assert_eq!(failure.retry, Retry::NotBefore(NOW + Duration::from_secs(86_400)));
}

#[test]
fn failed_challenge_ends_the_order_in_every_state_of_its_validation() {
    let problem = Problem {
        kind: ProblemKind::Unauthorized,
        detail: "Incorrect TXT record".into(),
        identifier: None,
        subproblems: Vec::new(),
    };
    for state in [
        OrderState::Ordered(placed(&[])),
        OrderState::Publishing { placed: placed(&[]), answered: true },
        OrderState::Visible(placed(&[])),
        OrderState::Answered(placed(&[])),
    ] {
        let (state, _) = follow(state, [Event::ChallengeFailed { problem: Some(problem.clone()) }]);
        let OrderState::Failed { failure, .. } = state else { panic!("{state:?}") };
        assert_eq!((failure.kind, failure.retry), (FailureKind::Invalid, Retry::Backoff));
        assert!(failure.message.contains("Incorrect TXT record"), "{failure}");
    }
}

#[test]
fn challenges_that_are_valid_at_once_need_no_wait() {
    let after = |valid| follow(OrderState::Visible(placed(&[])), [Event::Answered { valid }]).1;
    assert_eq!(after(true), Action::ReadOrder(Pause::None));
    assert_eq!(after(false), Action::ReadOrder(Pause::Poll(None)));
}

#[test]
fn wrong_certificate_is_kept_with_the_failure() {
    let downloaded = || OrderState::Downloaded { placed: placed(&[]), chain: "PEM".into() };
    let wrong = |valid_from| Event::WrongCertificate { why: "w".into(), valid_from };
    for valid_from in [None, Some(NOW), Some(NOW + Duration::from_secs(86_401))] {
        let (state, _) = follow(downloaded(), [wrong(valid_from)]);
        let OrderState::Failed { failure, .. } = state else { panic!("{state:?}") };
        assert_eq!((failure.kind, failure.retry), (FailureKind::WrongCertificate, Retry::Operator));
        assert_eq!(failure.chain.as_deref(), Some("PEM"));
    }
    // Our clock lags: the order waits, and no new one is placed.
    let from = NOW + Duration::from_secs(3600);
    let (state, action) = follow(downloaded(), [wrong(Some(from))]);
    assert_eq!(state, OrderState::Ordered(placed(&[])));
    let Action::Suspend(failure) = action else { panic!("{action:?}") };
    assert_eq!((failure.kind, failure.retry), (FailureKind::WrongCertificate, Retry::NotBefore(from)));
    assert_eq!(failure.chain.as_deref(), Some("PEM"));
}

#[test]
fn order_that_never_ends_is_given_up_after_a_day() {
    let day = Duration::from_secs(86_400);
    for (state, status) in [
        (OrderState::Answered(placed(&[])), OrderStatus::Pending),
        (OrderState::Finalized(placed(&[])), OrderStatus::Processing),
    ] {
        let at = |now| step(state.clone(), Event::Read(reading(status)), now).0;
        assert_eq!(at(NOW + day), state);
        assert!(at(NOW + day + Duration::from_secs(1)).is_terminal());
    }
}

#[test]
fn records_that_are_left_are_named_at_the_end() {
    let withdrawing =
        OrderState::Withdrawing { placed: placed(&[record("v")]), end: End::Failed { failure: failure() } };
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
