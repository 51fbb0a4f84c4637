use proptest::prelude::*;

use super::*;

const DAY: Duration = Duration::from_secs(24 * 3600);
const MINUTE: Duration = Duration::from_secs(60);

fn day(number: u32) -> SystemTime {
    SystemTime::UNIX_EPOCH + DAY * (20_000 + number)
}

fn ninety_days() -> Validity {
    Validity::new(day(0), day(90))
}

/// Runs `events` one after the other, with the longest waits, and returns the actions.
fn actions(state: PlanState, events: &[PlanEvent], now: SystemTime) -> Vec<PlanAction> {
    events
        .iter()
        .scan(state, |state, event| {
            let (next, action) = plan(state.clone(), *event, now, u64::MAX);
            *state = next;
            Some(action)
        })
        .collect()
}

fn issued(due: bool, renew_at: Option<SystemTime>) -> PlanEvent {
    PlanEvent::Issued { due, renew_at, poll_after: DAY }
}

#[test]
fn new_device_goes_from_nothing_to_installed() {
    let events = [
        PlanEvent::Woke,
        PlanEvent::Stored,
        PlanEvent::Queued { poll_after: MINUTE },
        PlanEvent::Woke,
        issued(false, Some(day(60))),
        PlanEvent::Installed(ninety_days()),
        PlanEvent::Woke,
    ];
    let expected = [
        PlanAction::MakeRequest,
        PlanAction::Submit,
        PlanAction::Wait(MINUTE),
        PlanAction::Ask,
        PlanAction::Install,
        PlanAction::Wait(DAY),
        PlanAction::Ask,
    ];
    assert_eq!(actions(PlanState::at_start(false, None), &events, day(0)), expected);
}

#[test]
fn stored_request_is_sent_again_after_a_restart() {
    let events = [PlanEvent::Woke, issued(false, None)];
    assert_eq!(
        actions(PlanState::at_start(true, None), &events, day(0)),
        [PlanAction::Submit, PlanAction::Install]
    );
}

#[test]
fn server_says_when_to_renew() {
    let held = PlanState::at_start(false, Some(ninety_days()));
    let after = |event, now| plan(held.clone(), event, now, 0).1;
    assert_eq!(after(issued(true, None), day(1)), PlanAction::MakeRequest);
    assert_eq!(after(issued(false, Some(day(60))), day(1)), PlanAction::Wait(DAY));
    let soon = Some(day(60) + MINUTE);
    assert_eq!(after(issued(false, soon), day(60)), PlanAction::Wait(MINUTE), "asks when it becomes due");
    assert_eq!(
        after(issued(false, Some(day(80))), day(70)),
        PlanAction::Wait(DAY),
        "its word beats our clock"
    );
    assert_eq!(after(issued(false, None), day(59)), PlanAction::Wait(DAY));
    assert_eq!(after(issued(false, None), day(60)), PlanAction::MakeRequest);
}

#[test]
fn clock_outside_the_validity_renews_nothing() {
    let held = PlanState::at_start(false, Some(ninety_days()));
    for now in [SystemTime::UNIX_EPOCH, day(91), day(5000)] {
        assert_eq!(plan(held.clone(), issued(false, None), now, 0).1, PlanAction::Wait(DAY));
        assert_eq!(plan(held.clone(), PlanEvent::Nothing, now, 0).1, PlanAction::Wait(UNKNOWN_POLL));
        assert_eq!(
            plan(held.clone(), issued(true, None), now, 0).1,
            PlanAction::MakeRequest,
            "the server knows"
        );
    }
}

#[test]
fn short_lifetime_is_renewed_at_its_half() {
    let six_days = Validity::new(day(0), day(6));
    assert!(!is_past_renewal(six_days, day(3) - MINUTE));
    assert!(is_past_renewal(six_days, day(3)));
}

#[test]
fn failures_wait_longer_each_time_and_obey_the_server() {
    let failure = PlanEvent::Failure { retry_after: None };
    let waits = actions(PlanState::at_start(true, None), &[failure; 12], day(0));
    assert_eq!(waits[..3], [5, 10, 20].map(|s| PlanAction::Wait(Duration::from_secs(s))));
    assert_eq!(waits[11], PlanAction::Wait(BACKOFF.delay(12)));
    let told = PlanEvent::Failure { retry_after: Some(MINUTE * 90) };
    assert_eq!(
        actions(PlanState::at_start(true, None), &[told, PlanEvent::Woke], day(0))[0],
        PlanAction::Wait(MINUTE * 90)
    );
}

#[test]
fn request_that_was_given_up_is_replaced_after_a_wait() {
    let failed = PlanEvent::Failed { retried: false, poll_after: MINUTE };
    let retried = PlanEvent::Failed { retried: true, poll_after: MINUTE };
    let state = PlanState { request: RequestProgress::Accepted, ..PlanState::at_start(true, None) };
    let seen = actions(state, &[retried, PlanEvent::Woke, failed, PlanEvent::Woke], day(0));
    assert_eq!(
        seen,
        [PlanAction::Wait(MINUTE), PlanAction::Ask, PlanAction::Wait(MINUTE), PlanAction::MakeRequest]
    );
}

#[test]
fn server_that_lost_the_request_gets_it_again() {
    let state = PlanState { request: RequestProgress::Accepted, ..PlanState::at_start(true, None) };
    for lost in [PlanEvent::Nothing, PlanEvent::NotOurs] {
        let seen = actions(state.clone(), &[lost, PlanEvent::Woke], day(0));
        assert_eq!(seen, [PlanAction::Wait(BACKOFF.delay(1)), PlanAction::Submit]);
    }
}

/// A full disk, a reload that fails, a chain of another root: the server answers well every time.
#[test]
fn installation_that_always_fails_backs_off_to_an_hour() {
    for failure in [PlanEvent::InstallFailure, PlanEvent::NotOurs] {
        let mut state = PlanState { request: RequestProgress::Accepted, ..PlanState::at_start(true, None) };
        let mut waits = Vec::new();
        for event in [PlanEvent::Woke, issued(false, None), failure].repeat(12) {
            let (next, action) = plan(state, event, day(0), u64::MAX);
            state = next;
            if let PlanAction::Wait(wait) = action {
                waits.push(wait);
            }
        }
        assert_eq!(waits[..4], [5, 10, 20, 40].map(Duration::from_secs));
        assert_eq!(waits.last(), Some(&BACKOFF.delay(12)));
        let (state, _) = plan(state, PlanEvent::Installed(ninety_days()), day(0), 0);
        assert_eq!((state.failures, state.install_failures), (0, 0));
    }
}

#[test]
fn waits_after_failures_are_spread() {
    let failure = PlanEvent::Failure { retry_after: None };
    let wait = |random| plan(PlanState::at_start(true, None), failure, day(0), random).1;
    assert_eq!(wait(0), PlanAction::Wait(BACKOFF.delay(1) / 2));
    assert_eq!(wait(u64::MAX), PlanAction::Wait(BACKOFF.delay(1)));
}

fn any_event() -> impl Strategy<Value = PlanEvent> {
    let wait = || prop_oneof![Just(0), 0..u64::MAX].prop_map(Duration::from_secs);
    let time = || {
        proptest::option::of((0..1u64 << 40).prop_map(|s| SystemTime::UNIX_EPOCH + Duration::from_secs(s)))
    };
    prop_oneof![
        Just(PlanEvent::Woke),
        Just(PlanEvent::Stored),
        Just(PlanEvent::Nothing),
        Just(PlanEvent::NotOurs),
        wait().prop_map(|poll_after| PlanEvent::Queued { poll_after }),
        (any::<bool>(), time(), wait()).prop_map(|(due, renew_at, poll_after)| PlanEvent::Issued {
            due,
            renew_at,
            poll_after
        }),
        (any::<bool>(), wait()).prop_map(|(retried, poll_after)| PlanEvent::Failed { retried, poll_after }),
        proptest::option::of(wait()).prop_map(|retry_after| PlanEvent::Failure { retry_after }),
        Just(PlanEvent::InstallFailure),
        Just(PlanEvent::Installed(ninety_days())),
    ]
}

proptest! {
    /// For all answers of a server and all clocks: no panic, no busy loop, no endless silence.
    #[test]
    fn every_wait_is_bounded(events in proptest::collection::vec(any_event(), 1..50), at in 0..1u64 << 40) {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(at);
        for action in actions(PlanState::at_start(false, None), &events, now) {
            if let PlanAction::Wait(wait) = action {
                prop_assert!((MIN_WAIT..=MAX_WAIT).contains(&wait));
            }
        }
    }
}

#[test]
fn status_of_the_server_is_an_event_and_a_foreign_chain_is_not_ours() {
    let at = 1_800_000_000;
    let status =
        CertificateStatus::Issued { chain: "ours".to_owned(), renew_at: Some(at), due: true, poll_after: 60 };
    let event = PlanEvent::of_status(&status, |chain| chain == "ours");
    let renew_at = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(at));
    assert_eq!(event, PlanEvent::Issued { due: true, renew_at, poll_after: MINUTE });
    assert_eq!(PlanEvent::of_status(&status, |_| false), PlanEvent::NotOurs);
    assert_eq!(PlanEvent::of_status(&CertificateStatus::None, |_| false), PlanEvent::Nothing);
}
