//! The durations and rates that follow from Let's Encrypt's published limits: computed by hand, and by the planner.

#![allow(clippy::unwrap_used)] // A test that fails may panic.

use std::time::{Duration, SystemTime};

use fleetcert_planner::{Fleet, Growth, Profile, Reserve, Rollout, SteadyState, Zones};
use fleetcert_schedule::budget::{Limit, LimitKind, Limits, Rule};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);
const WEEK: Duration = Duration::from_secs(7 * 86_400);

fn rollout(devices: u32, limits: &Limits, zones: Zones) -> Rollout {
    let start = SystemTime::UNIX_EPOCH + DAY * 20_782;
    let fleet = Fleet::new(devices, Profile::TlsServer).with_zones(zones);
    Rollout::plan(fleet, Growth::default(), limits, Reserve::NONE, start)
}

fn a_week(count: u32) -> Rule {
    Rule::Limited(Limit::new(count, count, WEEK).unwrap())
}

fn per_domain(count: u32) -> Limits {
    Limits::lets_encrypt_production().with_rule(LimitKind::CertificatesPerDomain, a_week(count))
}

fn both(count: u32) -> Limits {
    per_domain(count).with_rule(LimitKind::NewOrdersPerAccount, a_week(count))
}

/// Formats a duration as in the table: "at once", hours, days or years of 365.25 days. Halves are rounded to the even
/// digit.
fn format_duration(after: Duration, unit: char, digits: usize) -> String {
    if after.is_zero() {
        return "at once".into();
    }
    let unit_length = match unit {
        'h' => HOUR,
        'd' => DAY,
        _ => DAY.mul_f64(365.25),
    };
    let scale = 10_f64.powi(digits as i32);
    let rounded = (after.div_duration_f64(unit_length) * scale).round_ties_even() / scale;
    format!("{rounded:.digits$} {unit}")
}

/// A text, its unit, and its digits.
type Cell = (&'static str, char, usize);
type Row<'a> = (&'a str, &'a Limits, Zones, u64, [Cell; 3]);

#[test]
fn first_certificates_take_the_published_times() {
    let plain = Limits::lets_encrypt_production();
    // Each row: the situation, new devices in a week, and for 1,000, 90,000 and 1,000,000 devices the duration.
    // A cell without text is not checked.
    #[rustfmt::skip]
    let table: [Row<'_>; 10] = [
        ("one domain, defaults", &plain, Zones::ONE, 50, [("133 d", 'd', 0), ("34.5 y", 'y', 1), ("383 y", 'y', 0)]),
        ("each its own domain", &plain, Zones::PublicSuffix, 16_800, [("7 h", 'h', 0), ("37.4 d", 'd', 1), ("417 d", 'd', 0)]),
        ("300", &per_domain(300), Zones::ONE, 300, [("16 d", 'd', 0), ("5.7 y", 'y', 1), ("", 'd', 0)]),
        // 1,000 fit in the burst of the domain: the account's orders hold them back, 300 at once and 100 an hour.
        ("1k", &per_domain(1_000), Zones::ONE, 1_000, [("7 h", 'h', 0), ("1.7 y", 'y', 1), ("19 y", 'y', 0)]),
        ("5k", &per_domain(5_000), Zones::ONE, 5_000, [("7 h", 'h', 0), ("119 d", 'd', 0), ("3.8 y", 'y', 1)]),
        ("10k", &per_domain(10_000), Zones::ONE, 10_000, [("7 h", 'h', 0), ("56 d", 'd', 0), ("1.9 y", 'y', 1)]),
        // With the same tier of orders the burst is whole.
        ("25k twice", &both(25_000), Zones::ONE, 25_000, [("at once", 'd', 0), ("18.2 d", 'd', 1), ("273 d", 'd', 0)]),
        ("50k twice", &both(50_000), Zones::ONE, 50_000, [("at once", 'd', 0), ("5.6 d", 'd', 1), ("133 d", 'd', 0)]),
        ("100k twice", &both(100_000), Zones::ONE, 100_000, [("at once", 'd', 0), ("at once", 'd', 0), ("63 d", 'd', 0)]),
        ("1M twice", &both(1_000_000), Zones::ONE, 1_000_000, [("at once", 'd', 0), ("at once", 'd', 0), ("at once", 'd', 0)]),
    ];
    for (situation, limits, zones, per_week, cells) in table {
        for (devices, (expected, unit, digits)) in [1_000, 90_000, 1_000_000].into_iter().zip(cells) {
            let plan = rollout(devices, limits, zones);
            assert_eq!(plan.room().after, per_week, "{situation}");
            if !expected.is_empty() {
                let after = plan.completion().after;
                assert_eq!(
                    format_duration(after, unit, digits),
                    expected,
                    "{situation}, {devices}: {after:?}"
                );
            }
        }
    }
}

#[test]
fn first_certificates_take_the_computed_times_to_the_second() {
    let plain = Limits::lets_encrypt_production();
    let seconds =
        |devices, limits: &Limits, zones| rollout(devices, limits, zones).completion().after.as_secs();
    assert_eq!(seconds(90_000, &plain, Zones::ONE), (90_000 - 50) * 12_096);
    assert_eq!(seconds(90_000, &plain, Zones::PublicSuffix), (90_000 - 300) * 36);
    assert_eq!(seconds(90_000, &per_domain(300), Zones::ONE), (90_000 - 300) * 2016);
    assert_eq!(
        rollout(90_000, &per_domain(10_000), Zones::ONE).completion().after,
        80_000 * Duration::from_millis(60_480)
    );
    assert_eq!(
        rollout(90_000, &both(25_000), Zones::ONE).completion().after,
        65_000 * Duration::from_millis(24_192)
    );
    // Where the domain has enough, the orders' default is what is left.
    assert_eq!(seconds(90_000, &per_domain(25_000), Zones::ONE), (90_000 - 300) * 36);
}

#[test]
fn steady_state_has_the_published_renewals() {
    // Halves are rounded to the even number: 62.5 an hour is shown as 62, 23,437.5 a day as 23,438.
    let lives = [DAY * 90, DAY * 64, DAY * 45, HOUR * 160];
    let table: [(u32, [f64; 4], [f64; 4]); 3] = [
        (1_000, [17.0, 23.0, 33.0, 300.0], [1.0, 1.0, 1.0, 12.0]),
        (90_000, [1_500.0, 2_109.0, 3_000.0, 27_000.0], [62.0, 88.0, 125.0, 1_125.0]),
        (1_000_000, [16_667.0, 23_438.0, 33_333.0, 300_000.0], [694.0, 977.0, 1_389.0, 12_500.0]),
    ];
    for (devices, a_day, an_hour) in table {
        let steady = lives.map(|life| SteadyState::new(devices, life));
        assert_eq!(steady.map(|steady| steady.renewals_in(DAY).round_ties_even()), a_day, "{devices}");
        assert_eq!(steady.map(|steady| steady.renewals_in(HOUR).round_ties_even()), an_hour, "{devices}");
    }
    let cycles = lives.map(|life| SteadyState::new(1, life).cycle().as_secs_f64() / 86_400.0);
    let rounded = cycles.map(|cycle| (cycle * 100.0).round() / 100.0);
    assert_eq!(rounded, [60.0, 42.67, 30.0, 3.33]);
}

#[test]
fn steady_state_has_the_published_requests() {
    let steady = |devices, life| SteadyState::new(devices, life);
    let (days, hours) = (DAY * 45, HOUR * 160);
    let format_rate = |rate: f64, digits: usize| format!("{rate:.digits$}");
    assert_eq!(format_rate(steady(90_000, hours).renewals_in(SECOND), 2), "0.31");
    assert_eq!(format_rate(steady(1_000_000, hours).renewals_in(SECOND), 1), "3.5");
    assert_eq!(format_rate(steady(90_000, days).requests_in(DAY), 0), "21000");
    assert_eq!(format_rate(steady(90_000, days).requests_in(SECOND), 2), "0.24");
    assert_eq!(format_rate(steady(90_000, hours).requests_in(DAY), 0), "189000");
    assert_eq!(format_rate(steady(90_000, hours).requests_in(SECOND), 1), "2.2");
    assert_eq!(format_rate(steady(1_000_000, days).requests_in(SECOND), 1), "2.7");
    assert_eq!(format_rate(steady(1_000_000, hours).requests_in(SECOND), 1), "24.3");
    assert_eq!(format_rate(steady(90_000, days).window_polls_in(SECOND), 1), "4.2");
    assert_eq!(format_rate(steady(1_000_000, days).window_polls_in(SECOND), 0), "46");
    assert_eq!(format_rate(steady(90_000, days).txt_writes_in(DAY), 0), "6000");
    assert_eq!(format_rate(steady(1_000_000, hours).txt_writes_in(DAY), 0), "600000");
    assert_eq!(format_rate(steady(1, hours).of_one_set_in(WEEK), 1), "2.1");
    assert_eq!(format_rate(steady(1, days).of_one_set_in(WEEK), 2), "0.23");
}

#[test]
fn without_the_exemption_renewals_would_be_late_but_nothing_would_expire() {
    // 90,000 certificates of 45 days want 3,000 renewals a day at two thirds of their life, and the account has
    // 2,400 orders a day. So they cannot be renewed in their windows. At day 37.5 they can: 108,000 certificates
    // can be kept alive by orders alone.
    let expiry = rollout(90_000, &Limits::lets_encrypt_production(), Zones::PublicSuffix).expiry();
    assert!(!expiry.on_time_without_exemption);
    assert_eq!(expiry.kept_without_exemption, 108_000);
    assert_eq!(expiry.without_exemption, 0);
    // In one domain of defaults it would be a catastrophe.
    let expiry = rollout(90_000, &Limits::lets_encrypt_production(), Zones::ONE).expiry();
    assert_eq!(expiry.kept_without_exemption, 321);
    assert_eq!(expiry.without_exemption, 90_000 - 321);
    assert_eq!(expiry.devices, 0);
}

#[test]
fn devices_that_return_after_120_days_are_new_orders() {
    let plan = rollout(90_000, &Limits::lets_encrypt_production(), Zones::PublicSuffix);
    let back = plan.returning(5_000, DAY * 121);
    assert!(back.expired && !back.exempt);
    assert_eq!(back.served_after, 4_700 * Duration::from_secs(36));
    assert_eq!(back.binds, Some(LimitKind::NewOrdersPerAccount));
    let back = plan.returning(5_000, DAY * 120);
    assert!(back.expired && back.exempt && back.served_after.is_zero() && back.binds.is_none());
    assert!(!plan.returning(5_000, DAY * 44).expired);
}

/// 90,000 appliances in one domain: 20 certificates a week when the article was written, 50 in seven days now, and
/// the same names on the public suffix list.
#[test]
fn fleet_of_90_000_needs_86_years_then_and_34_now() {
    let then = per_domain(20);
    let now = Limits::lets_encrypt_production();
    let years =
        |limits: &Limits, zones| format_duration(rollout(90_000, limits, zones).completion().after, 'y', 1);
    assert_eq!(years(&then, Zones::ONE), "86.2 y");
    assert_eq!(years(&now, Zones::ONE), "34.5 y");
    assert_eq!(
        format_duration(rollout(90_000, &now, Zones::PublicSuffix).completion().after, 'd', 1),
        "37.4 d"
    );
    // In the first seven days: 40 then, 100 now.
    assert_eq!(rollout(90_000, &then, Zones::ONE).with_certificate_after(WEEK), 40);
    assert_eq!(rollout(90_000, &now, Zones::ONE).with_certificate_after(WEEK), 100);
    // For this rollout 285 domains have the effect of the list, because each has a burst of its own; for as many new
    // devices as the account can order in the long run it takes 336.
    let plan = rollout(90_000, &now, Zones::ONE);
    let listed = plan.with_zones(Zones::PublicSuffix).complete_after;
    assert_eq!(plan.domains_for(listed), Some(285));
    let domains = |count: u16| plan.with_zones(Zones::Domains(count.try_into().unwrap())).per_week;
    assert_eq!((domains(335), domains(336), domains(1000)), (16_750, 16_800, 16_800));
}

/// The plan is closed arithmetic: a million devices, spread over domains and time, take a fraction of this even without
/// optimization. One run of several is enough, because the machine may be busy.
#[test]
fn million_devices_are_planned_within_two_seconds() {
    let mut times = Vec::new();
    let is_planned_in_time = (0..5).any(|_| {
        let took = time_to_plan_a_million();
        times.push(took);
        took < 2 * SECOND
    });
    assert!(is_planned_in_time, "{times:?}");
}

#[allow(clippy::disallowed_methods)] // It is the time that is tested.
fn time_to_plan_a_million() -> Duration {
    let began = std::time::Instant::now();
    let zones = Zones::Domains(300.try_into().unwrap());
    let fleet = Fleet::new(1_000_000, Profile::Classic).with_zones(zones).smeared(DAY * 60);
    let start = SystemTime::UNIX_EPOCH + DAY * 20_782;
    let reserve = Reserve::percent(10).unwrap();
    let plan = Rollout::plan(fleet, Growth(5_000), &Limits::lets_encrypt_production(), reserve, start);
    std::hint::black_box((
        plan.milestones(),
        plan.phases(),
        plan.room(),
        plan.tiers(),
        plan.advice(DAY * 90),
        plan.domains_for(DAY),
    ));
    began.elapsed()
}
