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

/// Runs `events` one after the other and gives the actions.
fn actions(state: State, events: &[Event], now: SystemTime) -> Vec<Action> {
    events
        .iter()
        .scan(state, |state, event| {
            let (next, action) = plan(state.clone(), *event, now);
            *state = next;
            Some(action)
        })
        .collect()
}

fn issued(due: bool, renew_at: Option<SystemTime>) -> Event {
    Event::Issued { due, renew_at, poll_after: DAY }
}

#[test]
fn a_new_device_goes_from_nothing_to_installed() {
    let events = [
        Event::Woke,
        Event::Stored,
        Event::Queued { poll_after: MINUTE },
        Event::Woke,
        issued(false, Some(day(60))),
        Event::Installed(ninety_days()),
        Event::Woke,
    ];
    let expected = [
        Action::MakeRequest,
        Action::Submit,
        Action::Wait(MINUTE),
        Action::Ask,
        Action::Install,
        Action::Wait(DAY),
        Action::Ask,
    ];
    assert_eq!(actions(State::at_start(false, None), &events, day(0)), expected);
}

#[test]
fn after_a_restart_the_stored_request_is_sent_again() {
    let events = [Event::Woke, issued(false, None)];
    assert_eq!(actions(State::at_start(true, None), &events, day(0)), [Action::Submit, Action::Install]);
}

#[test]
fn the_server_says_when_to_renew() {
    let held = State::at_start(false, Some(ninety_days()));
    let after = |event, now| plan(held.clone(), event, now).1;
    assert_eq!(after(issued(true, None), day(1)), Action::MakeRequest);
    assert_eq!(after(issued(false, Some(day(60))), day(1)), Action::Wait(DAY));
    let soon = Some(day(60) + MINUTE);
    assert_eq!(after(issued(false, soon), day(60)), Action::Wait(MINUTE), "asks when it becomes due");
    assert_eq!(after(issued(false, Some(day(80))), day(70)), Action::Wait(DAY), "its word beats our clock");
    assert_eq!(after(issued(false, None), day(59)), Action::Wait(DAY));
    assert_eq!(after(issued(false, None), day(60)), Action::MakeRequest);
}

#[test]
fn a_clock_that_cannot_be_right_renews_nothing() {
    let held = State::at_start(false, Some(ninety_days()));
    for now in [SystemTime::UNIX_EPOCH, day(91), day(5000)] {
        assert_eq!(plan(held.clone(), issued(false, None), now).1, Action::Wait(DAY));
        assert_eq!(plan(held.clone(), Event::Nothing, now).1, Action::Wait(UNKNOWN_POLL));
        assert_eq!(plan(held.clone(), issued(true, None), now).1, Action::MakeRequest, "the server knows");
    }
}

#[test]
fn a_short_life_is_renewed_at_its_half() {
    let six_days = Validity::new(day(0), day(6));
    assert!(!is_past_renewal(six_days, day(3) - MINUTE));
    assert!(is_past_renewal(six_days, day(3)));
}

#[test]
fn faults_wait_longer_each_time_and_obey_the_server() {
    let fault = Event::Fault { retry_after: None };
    let waits = actions(State::at_start(true, None), &[fault; 12], day(0));
    assert_eq!(waits[..3], [5, 10, 20].map(|s| Action::Wait(Duration::from_secs(s))));
    assert_eq!(waits[11], Action::Wait(LAST_PAUSE));
    let told = Event::Fault { retry_after: Some(MINUTE * 90) };
    assert_eq!(
        actions(State::at_start(true, None), &[told, Event::Woke], day(0))[0],
        Action::Wait(MINUTE * 90)
    );
}

#[test]
fn a_request_that_was_given_up_is_made_anew_after_a_wait() {
    let failed = Event::Failed { retried: false, poll_after: MINUTE };
    let retried = Event::Failed { retried: true, poll_after: MINUTE };
    let state = State { request: Request::Accepted, ..State::at_start(true, None) };
    let seen = actions(state, &[retried, Event::Woke, failed, Event::Woke], day(0));
    assert_eq!(seen, [Action::Wait(MINUTE), Action::Ask, Action::Wait(MINUTE), Action::MakeRequest]);
}

#[test]
fn a_server_that_lost_the_request_gets_it_again() {
    let state = State { request: Request::Accepted, ..State::at_start(true, None) };
    for lost in [Event::Nothing, Event::NotOurs] {
        let seen = actions(state.clone(), &[lost, Event::Woke], day(0));
        assert_eq!(seen, [Action::Wait(FIRST_PAUSE), Action::Submit]);
    }
}

fn any_event() -> impl Strategy<Value = Event> {
    let wait = || prop_oneof![Just(0), 0..u64::MAX].prop_map(Duration::from_secs);
    let time = || {
        proptest::option::of((0..1u64 << 40).prop_map(|s| SystemTime::UNIX_EPOCH + Duration::from_secs(s)))
    };
    prop_oneof![
        Just(Event::Woke),
        Just(Event::Stored),
        Just(Event::Nothing),
        Just(Event::NotOurs),
        wait().prop_map(|poll_after| Event::Queued { poll_after }),
        (any::<bool>(), time(), wait()).prop_map(|(due, renew_at, poll_after)| Event::Issued {
            due,
            renew_at,
            poll_after
        }),
        (any::<bool>(), wait()).prop_map(|(retried, poll_after)| Event::Failed { retried, poll_after }),
        proptest::option::of(wait()).prop_map(|retry_after| Event::Fault { retry_after }),
        Just(Event::Installed(ninety_days())),
    ]
}

proptest! {
    /// Whatever the server says and the clock shows: no panic, no busy loop, no silence for ever.
    #[test]
    fn every_wait_is_bounded(events in proptest::collection::vec(any_event(), 1..50), at in 0..1u64 << 40) {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(at);
        for action in actions(State::at_start(false, None), &events, now) {
            if let Action::Wait(wait) = action {
                prop_assert!((SHORTEST..=LONGEST).contains(&wait));
            }
        }
    }
}
