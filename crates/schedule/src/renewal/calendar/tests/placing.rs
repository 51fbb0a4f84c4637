//! One certificate.

use std::time::{Duration, SystemTime};

use proptest::prelude::*;

use super::super::{Calendar, smear_from};
use crate::{Window, window_without_ari};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

fn start() -> SystemTime {
    SystemTime::UNIX_EPOCH + DAY * 20_000
}

fn planned(calendar: &Calendar, at: SystemTime) -> u32 {
    calendar.planned.count(super::super::hour_of(at))
}

#[test]
fn renewal_in_an_empty_calendar_is_at_the_random_time() {
    let window = Window::new(start(), start() + HOUR * 4).unwrap();
    let mut calendar = Calendar::new(1);
    let at = calendar.place(window, start() - DAY, start() - DAY * 9, 1 << 63);
    assert_eq!(at, start() + HOUR * 2);
    assert_eq!(planned(&calendar, at), 1);
    calendar.remove(at);
    assert_eq!(planned(&calendar, at), 0);
    // Removing once more does not underflow.
    calendar.remove(at);
    assert_eq!(planned(&calendar, at), 0);
}

#[test]
fn window_that_has_ended_means_now() {
    // Let's Encrypt answers so when a certificate was revoked.
    let window = Window::new(start() - HOUR, start() - HOUR / 2).unwrap();
    let mut calendar = Calendar::new(1);
    assert_eq!(calendar.place(window, start() - DAY, start(), 7), start());
    assert_eq!(planned(&calendar, start()), 1);
}

#[test]
fn half_way_to_the_windows_end() {
    let window = window_without_ari(start(), start() + DAY * 45).unwrap();
    let half = Duration::from_secs((30 * 24 * 3600 + 38_880) / 2);
    assert_eq!(smear_from(start(), window), start() + half);
    let short = window_without_ari(start(), start() + HOUR * 160).unwrap();
    assert_eq!(smear_from(start(), short), short.start());
    let just_short = window_without_ari(start(), start() + DAY * 10 - HOUR).unwrap();
    assert_eq!(smear_from(start(), just_short), just_short.start());
    // Issued after the window: a clock is wrong.
    assert_eq!(smear_from(start() + DAY * 50, window), window.start());
}

fn any_time() -> impl Strategy<Value = SystemTime> {
    (-10_000_000_000i64..300_000_000_000, 0u32..1_000_000_000).prop_map(|(seconds, nanos)| {
        let away = Duration::from_secs(seconds.unsigned_abs());
        let epoch = SystemTime::UNIX_EPOCH;
        if seconds < 0 { epoch - away } else { epoch + away + Duration::from_nanos(nanos.into()) }
    })
}

proptest! {
    #[test]
    fn renewal_is_never_outside_its_bounds(
        opens in any_time(),
        length in 1u64..100_000_000_000_000_000,
        before in 0u64..40_000_000,
        waited in 0u64..80_000_000,
        random: u64,
        count in 0usize..50,
    ) {
        let window = Window::new(opens, opens + Duration::from_nanos(length)).unwrap();
        let earliest = opens - Duration::from_secs(before);
        let now = earliest - Duration::from_secs(40_000_000) + Duration::from_secs(waited);
        let mut calendar = Calendar::new(1);
        for i in 0..=count as u64 {
            let random = random.wrapping_mul(i * 2 + 1);
            let at = calendar.place(window, earliest, now, random);
            if now < window.end() {
                prop_assert!(earliest.max(now) <= at && at < window.end());
            } else {
                prop_assert_eq!(at, now);
            }
        }
    }

    #[test]
    fn extreme_times_do_not_overflow(start in any_time(), end in any_time(), earliest in any_time(), now in any_time(), random: u64) {
        if let Some(window) = Window::new(start, end) {
            let mut calendar = Calendar::new(1);
            for _ in 0..3 {
                let at = calendar.place(window, earliest, now, random);
                prop_assert!(at >= now && (at < end || at == now));
                prop_assert!(at >= earliest.min(start));
            }
        }
    }

    #[test]
    fn removing_undoes_adding(moments in prop::collection::vec(any_time(), 1..100)) {
        let mut calendar = Calendar::new(1);
        moments.iter().for_each(|at| calendar.add(*at));
        prop_assert!(planned(&calendar, moments[0]) >= 1);
        moments.iter().for_each(|at| calendar.remove(*at));
        prop_assert!(moments.iter().all(|at| planned(&calendar, *at) == 0));
    }
}
