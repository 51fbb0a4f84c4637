use std::time::{Duration, SystemTime};

use proptest::prelude::*;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + DAY * 20_000
}

fn breaker() -> Breaker {
    Breaker::new(BreakerRule::default())
}

/// Opens it at `now`.
fn opened() -> Breaker {
    let mut breaker = breaker();
    for i in 0..5 {
        breaker.failure(Failure::Failed, &format!("d{i}"), now());
    }
    assert_eq!(breaker.decide(now()), Admission::Stop { until: now() + MINUTE });
    breaker
}

#[test]
fn half_of_the_names_must_fail() {
    let mut breaker = breaker();
    for i in 0..20 {
        breaker.success(&format!("good{i}"), now());
    }
    for i in 0..19 {
        breaker.failure(Failure::Failed, &format!("d{i}"), now());
    }
    assert_eq!(breaker.decide(now()), Admission::Go);
    breaker.failure(Failure::Failed, "d19", now());
    assert!(matches!(breaker.decide(now()), Admission::Stop { .. }));
}

#[test]
fn result_older_than_the_window_does_not_count() {
    let mut breaker = breaker();
    for i in 0..20 {
        breaker.failure(Failure::Failed, &format!("d{i}"), now() + MINUTE * 4 * i);
    }
    assert_eq!(breaker.decide(now() + MINUTE * 80), Admission::Go);
}

#[test]
fn unreachable_needs_no_names_but_no_success_between() {
    let mut breaker = breaker();
    for _ in 0..10 {
        breaker.failure(Failure::Unreachable, "d1", now());
        breaker.failure(Failure::Unreachable, "d1", now());
        breaker.success("d2", now());
    }
    assert_eq!(breaker.decide(now()), Admission::Go);
    for _ in 0..3 {
        breaker.failure(Failure::Unreachable, "d1", now());
    }
    assert_eq!(breaker.decide(now()), Admission::Stop { until: now() + MINUTE });
}

#[test]
fn busy_opens_at_once_for_its_time() {
    let until = |busy| {
        let mut breaker = breaker();
        breaker.failure(Failure::Busy(busy), "d1", now());
        match breaker.decide(now()) {
            Admission::Stop { until } => until.duration_since(now()).unwrap(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(until(Some(MINUTE * 7)), MINUTE * 7);
    assert_eq!(until(None), MINUTE);
    assert_eq!(until(Some(Duration::ZERO)), MINUTE);
    assert_eq!(until(Some(Duration::MAX)), DAY);

    let mut open = opened();
    open.failure(Failure::Busy(Some(MINUTE * 5)), "d1", now());
    open.failure(Failure::Busy(None), "d1", now());
    assert_eq!(open.decide(now()), Admission::Stop { until: now() + MINUTE * 5 });
}

#[test]
fn probes_back_off_up_to_an_hour() {
    let (mut breaker, mut at) = (opened(), now());
    let mut minutes = Vec::new();
    for _ in 0..40 {
        let Admission::Stop { until } = breaker.decide(at) else { panic!("{:?}", breaker.decide(at)) };
        minutes.push(until.duration_since(at).unwrap().as_secs() / 60);
        at = until;
        assert_eq!(breaker.decide(at), Admission::Probe);
        breaker.probe_started(at);
        assert_eq!(breaker.decide(at), Admission::Stop { until: at + MINUTE * 10 });
        breaker.probe_failed(Failure::Failed, at);
    }
    assert_eq!(minutes[..8], [1, 2, 4, 8, 16, 32, 60, 60]);
    assert_eq!(minutes[39], 60);
    breaker.probe_succeeded();
    assert_eq!(breaker.decide(at), Admission::Go);
    for i in 0..5 {
        breaker.failure(Failure::Failed, &format!("d{i}"), at);
    }
    assert_eq!(breaker.decide(at), Admission::Stop { until: at + MINUTE }, "the window starts again");
}

#[test]
fn only_a_probe_closes_the_breaker() {
    let mut breaker = opened();
    // Work that was in flight.
    breaker.success("d1", now());
    assert!(matches!(breaker.decide(now()), Admission::Stop { .. }));
    let at = now() + MINUTE;
    breaker.probe_started(at);
    breaker.success("d1", at);
    breaker.failure(Failure::Failed, "d2", at);
    assert_eq!(breaker.decide(at), Admission::Stop { until: at + MINUTE * 10 });
    assert_eq!(breaker.decide(at + MINUTE * 10), Admission::Probe, "the probe had no result");
}

#[test]
fn results_of_probes_that_nobody_asked_for() {
    let mut breaker = breaker();
    breaker.probe_started(now());
    breaker.probe_failed(Failure::Failed, now());
    assert_eq!(breaker.decide(now()), Admission::Go);
}

#[test]
fn clock_set_back_keeps_no_breaker_open() {
    let breaker = opened();
    assert_eq!(breaker.decide(now() - DAY * 365), Admission::Probe);
}

#[test]
fn both_together() {
    let stop = |minutes: u32| Admission::Stop { until: now() + MINUTE * minutes };
    assert_eq!(stop(1).and(stop(2)), stop(2));
    assert_eq!(Admission::Probe.and(stop(1)), stop(1));
    assert_eq!(stop(1).and(Admission::Go), stop(1));
    assert_eq!(Admission::Go.and(Admission::Probe), Admission::Probe);
    assert_eq!(Admission::Go.and(Admission::Go), Admission::Go);
}

#[test]
fn numbers_that_make_no_sense() {
    let rule = BreakerRule {
        names: 0,
        unreachable: 0,
        window: Duration::ZERO,
        first_wait: Duration::MAX,
        longest_wait: Duration::MAX,
        probe_within: Duration::MAX,
    };
    let mut breaker = Breaker::new(rule);
    breaker.failure(Failure::Busy(None), "d1", now());
    breaker.probe_failed(Failure::Failed, now());
    breaker.probe_started(now());
    assert_eq!(breaker.decide(now()), Admission::Probe, "no time is so late");
}

proptest! {
    /// Four names of hostile devices fail or succeed at will; all others succeed.
    #[test]
    fn few_names_never_open_the_breaker(
        steps in prop::collection::vec((0u8..4, any::<bool>(), 0u32..1000, any::<bool>()), 1..500),
    ) {
        let (mut breaker, mut at) = (breaker(), now());
        for (i, (name, failed, pause, other)) in steps.into_iter().enumerate() {
            at += Duration::from_secs(pause.into());
            if failed {
                breaker.failure(Failure::Failed, &format!("hostile{name}"), at);
            } else {
                breaker.success(&format!("hostile{name}"), at);
            }
            if other {
                breaker.success(&format!("good{i}"), at);
            }
            prop_assert_eq!(breaker.decide(at), Admission::Go);
        }
    }

    #[test]
    fn breaker_opens_although_few_names_succeed(names in prop::collection::vec(0u8..3, 0..500)) {
        let mut breaker = breaker();
        for (i, name) in names.iter().enumerate() {
            breaker.success(&format!("noisy{name}"), now());
            if i % 50 == 0 {
                breaker.failure(Failure::Failed, &format!("d{i}"), now());
            }
        }
        for i in 0..5 {
            breaker.failure(Failure::Failed, &format!("e{i}"), now());
        }
        prop_assert_eq!(breaker.decide(now()), Admission::Stop { until: now() + MINUTE });
    }

    #[test]
    fn stop_always_ends(steps in prop::collection::vec((0u8..6, 0u32..10_000, any::<u32>()), 1..200)) {
        let (mut breaker, mut at) = (breaker(), now());
        for (step, pause, number) in steps {
            at += Duration::from_secs(pause.into());
            let name = format!("d{}", number % 100);
            match step {
                0 => breaker.success(&name, at),
                1 => breaker.failure(Failure::Failed, &name, at),
                2 => breaker.failure(Failure::Busy(Some(Duration::from_secs(number.into()))), &name, at),
                3 => breaker.failure(Failure::Unreachable, &name, at),
                4 => breaker.probe_started(at),
                _ => breaker.probe_failed(Failure::Failed, at),
            }
            if let Admission::Stop { until } = breaker.decide(at) {
                prop_assert!(at < until && until <= at + DAY);
                prop_assert_eq!(breaker.decide(until), Admission::Probe);
            }
        }
    }
}
