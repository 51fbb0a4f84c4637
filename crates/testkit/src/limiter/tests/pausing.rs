//! Names that fail and fail.

use super::*;
use crate::limiter::Limit;

/// Lets the name fail `times` times at one time.
fn fail(limiter: &mut Limiter, name: &HostName, times: u32, now: SystemTime) {
    for _ in 0..times {
        limiter.validation_failed(ALICE, name, now);
    }
}

#[test]
fn a_name_is_paused_beyond_1152_failures() {
    let (mut limiter, now) = (limiter(), start());
    let set = names(["a.example.com", "b.example.com"]);
    fail(&mut limiter, &host(&set, 0), 1152, now);
    assert!(!limiter.is_paused(ALICE, &host(&set, 0)));
    fail(&mut limiter, &host(&set, 0), 1, now);
    assert!(limiter.is_paused(ALICE, &host(&set, 0)));

    let refused = limiter.new_order(&by(ALICE, &set), now + 400 * DAY).unwrap_err();
    assert!(refused.paused);
    assert_eq!((refused.limit, refused.retry_after), (Limit::ConsecutiveFailures, None));
    assert_eq!(refused.retry_after_seconds(), None);
    // It comes before everything else, and another account or name is not concerned.
    limiter.new_order(&replacing(ALICE, &set), now).unwrap_err();
    limiter.new_order(&by(BOB, &set), now).unwrap();
    limiter.new_order(&by(ALICE, &rest(&set)), now).unwrap();
    assert_eq!(limiter.counts().paused, 1);
}

/// The days until a pause by failures per day are those that Let's Encrypt tells; one is refilled each day.
#[test]
fn the_days_until_a_pause() {
    for (per_day, days) in [(2, 1152), (5, 288), (10, 128), (20, 61), (120, 10)] {
        let (mut limiter, mut now) = (limiter(), start());
        let name = &host(&names(["a.example.com"]), 0);
        let mut failures = 0;
        while !limiter.is_paused(ALICE, name) {
            limiter.validation_failed(ALICE, name, now);
            now += DAY / per_day;
            failures += 1;
        }
        assert!(
            (days - 1..=days + 1).contains(&(failures / per_day)),
            "{per_day} a day: {failures} failures"
        );
    }
    let (mut limiter, mut now) = (limiter(), start());
    let name = &host(&names(["a.example.com"]), 0);
    for _ in 0..3000 {
        limiter.validation_failed(ALICE, name, now);
        now += DAY;
    }
    assert!(!limiter.is_paused(ALICE, name), "one a day is never paused");
}

#[test]
fn a_success_begins_anew() {
    let (mut limiter, now) = (limiter(), start());
    let name = &host(&names(["a.example.com"]), 0);
    fail(&mut limiter, name, 1152, now);
    limiter.validated(ALICE, name);
    fail(&mut limiter, name, 1152, now);
    assert!(!limiter.is_paused(ALICE, name));
    fail(&mut limiter, name, 1, now);
    limiter.validated(ALICE, name);
    assert!(limiter.is_paused(ALICE, name), "what is paused stays paused");
}

#[test]
fn unpaused_it_has_two_weeks() {
    let (mut limiter, now) = (limiter(), start());
    let set = names(["a.example.com"]);
    fail(&mut limiter, &host(&set, 0), 1153, now);
    assert_eq!((limiter.unpause(BOB), limiter.unpause(ALICE), limiter.unpause(ALICE)), (0, 1, 0));
    fail(&mut limiter, &host(&set, 0), 10, now + 14 * DAY - seconds(1));
    assert!(!limiter.is_paused(ALICE, &host(&set, 0)));
    fail(&mut limiter, &host(&set, 0), 20, now + 14 * DAY);
    assert!(limiter.is_paused(ALICE, &host(&set, 0)));
    assert_eq!(limiter.counts().paused, 2);
}

#[test]
fn one_visit_unpauses_fifty_thousand() {
    let mut limits = CaLimits::production();
    limits.consecutive_failures.burst = 1;
    let (mut limiter, now) = (Limiter::new(limits), start());
    for number in 0..50_010 {
        fail(&mut limiter, &host(&device(number), 0), 2, now);
    }
    assert_eq!((limiter.unpause(ALICE), limiter.unpause(ALICE)), (50_000, 10));
}
