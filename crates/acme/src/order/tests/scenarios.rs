//! Orders with one fault or one turn each.

use super::*;

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
