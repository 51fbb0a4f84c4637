use std::num::NonZeroU16;
use std::time::{Duration, SystemTime};

use fleetcert_schedule::budget::{Account, Bucket, Decision, Limit, LimitKind, Limits, Override, Rule};
use proptest::prelude::*;

use super::*;
use crate::load::LOAD_DAYS;
use crate::tiers::PER_DOMAIN_TIERS;

const DAY: Duration = Duration::from_secs(86_400);
const WEEK: Duration = Duration::from_secs(7 * 86_400);

fn start() -> SystemTime {
    SystemTime::UNIX_EPOCH + DAY * 20_782
}

fn plan_of(fleet: Fleet, per_week: u32, limits: &Limits, reserve: u8) -> Rollout {
    Rollout::plan(fleet, Growth(per_week), limits, Reserve::percent(reserve).unwrap(), start())
}

fn production() -> Limits {
    Limits::lets_encrypt_production()
}

fn listed(devices: u32) -> Fleet {
    Fleet::new(devices, Profile::TlsServer).with_zones(Zones::PublicSuffix)
}

fn domains(count: u16) -> Zones {
    Zones::Domains(NonZeroU16::new(count).unwrap())
}

fn with(kind: LimitKind, limit: Limit) -> Limits {
    production().with_rule(kind, Rule::Limited(limit))
}

fn a_week(count: u32) -> Limit {
    Limit::new(count, count, WEEK).unwrap()
}

fn limits_of(domain: (u32, u32, u64), orders: (u32, u32, u64)) -> Limits {
    let limit = |(burst, count, secs)| Limit::new(burst, count, Duration::from_secs(secs)).unwrap();
    with(LimitKind::CertificatesPerDomain, limit(domain))
        .with_rule(LimitKind::NewOrdersPerAccount, Rule::Limited(limit(orders)))
}

fn any_limit() -> impl Strategy<Value = (u32, u32, u64)> {
    (1u32..60, 1u32..60, 60u64..1_000_000)
}

proptest! {
    /// The closed form equals the CA's own arithmetic for a client that asks as early as allowed, device by device and to
    /// the nanosecond; with more domains than orders at once, up to one order for each domain.
    #[test]
    fn planned_time_of_each_device_equals_the_simulated_one(
        domain in any_limit(), orders in any_limit(), zones in 1u16..9, devices in 1u32..200,
    ) {
        let limits = limits_of(domain, orders);
        let rule = |kind| match limits.rule(kind) { Rule::Limited(limit) => limit, _ => unreachable!() };
        let per_domain = rule(LimitKind::CertificatesPerDomain);
        let per_account = rule(LimitKind::NewOrdersPerAccount);
        let plan = plan_of(Fleet::new(devices, Profile::TlsServer).with_zones(domains(zones)), 0, &limits, 0);
        let whole = plan.whole();
        let mut of_domain = vec![Bucket::FULL; zones.into()];
        let mut of_account = Bucket::FULL;
        let mut at = start();
        for device in 1..=u64::from(devices) {
            let zone = &mut of_domain[(device as usize - 1) % usize::from(zones)];
            let mut spend = || {
                let (first, second) = (zone.spend(&per_domain, at, 1), of_account.spend(&per_account, at, 1));
                let allowed = first.allowed && second.allowed;
                if allowed {
                    (*zone, of_account) = (first.bucket, second.bucket);
                } else {
                    let wait = |decision: Decision| match decision.allowed {
                        true => Duration::ZERO,
                        false => decision.retry_in().unwrap(),
                    };
                    at += wait(first).max(wait(second));
                }
                allowed
            };
            while !spend() {}
            let (planned, simulated) = (whole.after(device), at.duration_since(start()).unwrap());
            if u32::from(zones) <= per_account.burst() {
                prop_assert_eq!(planned, simulated, "device {}", device);
            } else {
                let one_each = per_account.emission_interval() * zones.into();
                prop_assert!(planned <= simulated && simulated <= planned + one_each,
                    "device {device}: {planned:?} planned, {simulated:?} simulated");
            }
            prop_assert!(whole.certificates_by(planned) >= device);
            let before = planned.saturating_sub(Duration::from_nanos(1));
            prop_assert!(planned.is_zero() || whole.certificates_by(before) < device);
        }
    }

    #[test]
    fn phases_are_contiguous_and_hold_all_devices(
        domain in any_limit(), orders in any_limit(), zones in 1u16..50, devices in 0u32..1_000_000, reserve in 0u8..100,
    ) {
        let fleet = Fleet::new(devices, Profile::ShortLived).with_zones(domains(zones));
        let plan = plan_of(fleet, 0, &limits_of(domain, orders), reserve);
        let phases = plan.phases();
        prop_assert!(phases.len() <= 3);
        let mut next = 1;
        for phase in &phases {
            prop_assert_eq!(phase.first, next);
            prop_assert!(phase.first <= phase.last && phase.from <= phase.until);
            prop_assert_eq!(phase.limit.is_none(), phase.until.is_zero());
            next = phase.last + 1;
        }
        prop_assert_eq!(next, devices + 1);
        prop_assert_eq!(phases.last().map(|phase| phase.until).unwrap_or_default(), plan.completion().after);
        prop_assert!(plan.milestones().is_sorted_by_key(|milestone| milestone.after));
    }

    #[test]
    fn advice_suffices_and_no_smaller_tier_does(
        devices in 1u32..1_000_000, growth in 0u32..30_000, days in 1u32..200, reserve in 0u8..50, zones in 1u16..20,
    ) {
        let fleet = Fleet::new(devices, Profile::TlsServer).with_zones(domains(zones));
        let plan = plan_of(fleet, growth, &production(), reserve);
        let within = DAY * days;
        match plan.advice(within) {
            Advice::NothingToAskFor => prop_assert!(plan.as_it_is().meets(within)),
            Advice::OutOfReach { .. } => {
                let everything = Ask {
                    per_domain: Some(Tier { kind: LimitKind::CertificatesPerDomainPerAccount, per_week: 2_500_000 }),
                    new_orders: Some(Tier { kind: LimitKind::NewOrdersPerAccount, per_week: 1_000_000 }),
                };
                prop_assert!(!plan.with_ask(&everything).meets(within));
            }
            Advice::Ask { ask, effect } => {
                prop_assert!(!plan.as_it_is().meets(within));
                prop_assert!(effect.meets(within));
                prop_assert_eq!(plan.with_ask(&ask), effect);
                if let Some(tier) = ask.per_domain {
                    prop_assert_eq!(tier.kind == LimitKind::CertificatesPerDomain, zones == 1 && tier.per_week <= 1_000_000);
                    for per_week in PER_DOMAIN_TIERS.into_iter().filter(|smaller| *smaller < tier.per_week) {
                        let smaller = Ask { per_domain: Some(Tier { per_week, ..tier }), ..ask };
                        prop_assert!(!plan.with_ask(&smaller).meets(within));
                    }
                }
                if let Some(tier) = ask.new_orders {
                    prop_assert!(tier.per_week >= 25_000);
                }
            }
        }
    }
}

proptest! {
    // Each case computes hundreds of days by the hour.
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn load_has_every_first_certificate_and_every_renewal(
        devices in 0u32..100_000, growth in 0u32..5_000, reserve in 0u8..60, smear in 0u32..70,
        profile in prop_oneof![Just(Profile::Classic), Just(Profile::TlsServer), Just(Profile::ShortLived)],
    ) {
        let fleet = Fleet::new(devices, profile).with_zones(Zones::PublicSuffix).smeared(DAY * smear);
        let plan = plan_of(fleet, growth, &production(), reserve);
        let days = u32::try_from(plan.load.len()).unwrap();
        let first: u64 = plan.load.iter().map(|day| day.fleet).sum();
        prop_assert_eq!(first, u64::from(plan.with_certificate_after(DAY * days - Duration::from_nanos(1))));
        prop_assert!(days == LOAD_DAYS || first == u64::from(devices), "the load ends before the rollout does");
        // A certificate that is old enough has been renewed, and a device without one renews nothing.
        let longest = if profile == Profile::ShortLived { 5 } else { 62 };
        let until = |day: usize| -> u64 { plan.load[..day].iter().map(|day| day.fleet + day.new).sum() };
        let renewals = |day: usize| -> u64 { plan.load[..day].iter().map(|day| day.renewals).sum() };
        for day in 0..plan.load.len() {
            let due: u64 = until(day.saturating_sub(longest));
            prop_assert!(renewals(day) >= due, "day {day}: {} of {due}", renewals(day));
            prop_assert!(day > 0 || plan.load[day].renewals == 0 || smear > 0);
        }
    }

    #[test]
    fn extreme_fleet_is_planned_without_overflow(
        devices: u32, growth: u32, zones in 1u16.., reserve in 0u8..100,
        burst in 1u32.., count in 1u32.., secs in 5u64..9_000_000_000, life in prop_oneof![0u64..4_000_000, any::<u64>()], smear: u64,
    ) {
        let Ok(limit) = Limit::new(burst, count, Duration::from_secs(secs)) else { return Ok(()) };
        let limits = with(LimitKind::CertificatesPerDomain, limit);
        let fleet = Fleet::new(devices, Profile::Fixed(Duration::from_secs(life)))
            .with_zones(domains(zones))
            .smeared(Duration::from_secs(smear));
        let plan = plan_of(fleet, growth, &limits, reserve);
        prop_assert!(plan.load.len() <= LOAD_DAYS as usize);
        prop_assert_eq!(plan.completion().devices, devices);
        let _ = (plan.phases(), plan.room(), plan.expiry(), plan.steady_state(), plan.returning(growth, DAY * 200));
    }
}

#[test]
fn fleet_without_devices_is_done_at_once() {
    let plan = plan_of(Fleet::new(0, Profile::TlsServer), 0, &production(), 10);
    assert_eq!(plan.completion().at, Some(start()));
    assert!(plan.phases().is_empty());
    assert!(plan.load.iter().all(|day| day.certificates() == 0));
    assert_eq!(plan.advice(Duration::ZERO), Advice::NothingToAskFor);
    assert_eq!(plan.room().waiting, Waiting::Nobody);
    assert_eq!(plan.steady_state().renewals_in(DAY), 0.0);
}

#[test]
fn unknown_limit_does_not_bind_and_is_named() {
    let plan = plan_of(Fleet::new(1_000_000, Profile::TlsServer), 500, &Limits::unknown(), 10);
    assert_eq!(plan.completion().after, Duration::ZERO);
    assert_eq!(plan.room().after, u64::MAX);
    assert_eq!(plan.unknown().len(), 3);
    assert!(plan_of(listed(1), 0, &production(), 0).unknown().is_empty());
}

#[test]
fn slower_limit_binds_after_the_faster_one() {
    // 300 domains have 15,000 at once between them, the account 300; in the long run the account is the faster one.
    let limits = production();
    let fleet = Fleet::new(400_000, Profile::TlsServer).with_zones(domains(300));
    let phases = plan_of(fleet, 0, &limits, 0).phases();
    let binds: Vec<_> = phases.iter().map(|phase| (phase.limit, phase.last)).collect();
    let (orders, domain) = (LimitKind::NewOrdersPerAccount, LimitKind::CertificatesPerDomain);
    // The 137,500th is where both lines meet: 300 + 2,400 a day and 15,000 + 2,142.9 a day after 57.2 days.
    assert_eq!(binds, [(None, 300), (Some(orders), 137_499), (Some(domain), 400_000)]);
}

#[test]
fn fleet_leaves_the_reserve_to_new_devices() {
    let plan = plan_of(listed(90_000), 500, &production(), 10);
    // 270 at once and one in 40 seconds are left for the fleet.
    assert_eq!(plan.completion().after, (90_000 - 270) * Duration::from_secs(40));
    let room = plan.room();
    assert_eq!((room.during, room.after, room.spare), (1_680, 16_800, 16_300));
    assert_eq!(room.waiting, Waiting::Nobody);
}

#[test]
fn growth_beyond_the_reserve_waits_until_the_rollout_ends() {
    let plan = plan_of(listed(90_000), 3_000, &production(), 10);
    let Waiting::Until { most, after, reserve } = plan.room().waiting else { panic!("{:?}", plan.room()) };
    // 5.93 weeks of 3,000 came, 30 at once and 1,680 a week were served; then 16,800 - 3,000 a week more than come.
    let ends = plan.completion().after;
    assert_eq!(most, 3_000 * ends.as_secs() / WEEK.as_secs() - 30 - ends.as_secs() / 360);
    assert_eq!(after.as_secs(), ends.as_secs() + most * WEEK.as_secs() / 13_800);
    assert_eq!(reserve, Reserve::percent(18));
    let enough = plan_of(listed(90_000), 3_000, &production(), 18);
    assert_eq!(enough.room().waiting, Waiting::Nobody);
    // The queue is gone when the plan says so: the days of the load hold as many as have come.
    let days = after.as_secs() / DAY.as_secs() + 1;
    let served: u64 = plan.load.iter().take(days as usize).map(|day| day.new).sum();
    assert!(served.abs_diff(3_000 * days / 7) <= 1, "{served} in {days} days");
}

#[test]
fn growth_beyond_the_limit_never_catches_up() {
    let plan = plan_of(Fleet::new(10, Profile::TlsServer), 51, &production(), 0);
    assert_eq!(plan.room().waiting, Waiting::ForEver { per_week: 1 });
    assert_eq!(
        plan_of(Fleet::new(10, Profile::TlsServer), 50, &production(), 0).room().waiting,
        Waiting::Nobody
    );
    let Advice::Ask { ask, .. } = plan.advice(DAY) else { panic!("the current limits do not suffice") };
    assert_eq!(ask.per_domain.map(|tier| tier.per_week), Some(300));
}

#[test]
fn override_of_the_account_applies_to_its_fleet() {
    let account = Account::new("https://ca.example/acct/1").unwrap();
    let domain: fleetcert_names::DomainName = "example.com".parse().unwrap();
    let mut limits = production();
    limits.set_override(Override::CertificatesPerDomain(domain.clone()), a_week(5_000));
    let fleet = Fleet::new(90_000, Profile::TlsServer);
    assert_eq!(plan_of(fleet.clone(), 0, &limits, 0).room().after, 50);
    let scoped = fleet.ordered_by(account.clone(), domain);
    assert_eq!(plan_of(scoped.clone(), 0, &limits, 0).room().after, 5_000);
    // The account's own takes the place of the domain's.
    limits.set_override(Override::CertificatesPerDomainPerAccount(account), a_week(10_000));
    let plan = plan_of(scoped, 0, &limits, 0);
    assert_eq!(plan.room().after, 10_000);
    assert_eq!(plan.phases().last().unwrap().limit, Some(LimitKind::CertificatesPerDomainPerAccount));
    let Advice::Ask { ask, .. } = plan.advice(DAY * 40) else { panic!("56 days are more than 40") };
    assert_eq!(ask.per_domain.unwrap().kind, LimitKind::CertificatesPerDomainPerAccount);
}

#[test]
fn small_tier_of_new_orders_is_marked_slower_and_never_advised() {
    let plan = plan_of(listed(90_000), 0, &production(), 0);
    let rows = plan.tiers();
    let slower: Vec<_> = rows.iter().filter(|row| row.slower.is_some()).map(|row| row.per_week).collect();
    assert_eq!(slower, [1_000, 5_000, 10_000]);
    let days = |per_week| {
        let row = rows.iter().find(|row| row.per_week == per_week).unwrap();
        row.new_orders.unwrap().complete_after.as_secs() / 86_400
    };
    // 37 days without any. 10,000 a week has a larger burst and takes half as long again.
    assert_eq!((days(1_000), days(10_000), days(25_000)), (623, 56, 18));
    // What the burst alone could do is not advised: it would slow down all that comes later.
    let Advice::Ask { ask, .. } = plan_of(listed(8_000), 0, &production(), 0).advice(DAY) else { panic!() };
    assert_eq!(ask.new_orders.map(|tier| tier.per_week), Some(25_000));
    // Where each name is its own domain, an override for a domain changes nothing.
    assert!(rows.iter().all(|row| row.per_domain.is_none() && row.both.is_none()));
}

#[test]
fn certificates_expire_if_the_exact_set_is_slower_than_the_lifetime() {
    let plan = plan_of(Fleet::new(7, Profile::Fixed(DAY)), 0, &production(), 0);
    assert_eq!(plan.expiry().cause, ExpiryCause::ExactSet);
    assert_eq!(plan.expiry().devices, 7);
    let plan = plan_of(Fleet::new(7, Profile::ShortLived), 0, &production(), 0);
    assert_eq!((plan.expiry().cause, plan.expiry().devices), (ExpiryCause::RenewalsAreExempt, 0));
}

#[test]
fn wave_returns_unless_its_first_renewals_are_spread() {
    let limits = with(LimitKind::CertificatesPerDomain, a_week(100_000))
        .with_rule(LimitKind::NewOrdersPerAccount, Rule::Limited(a_week(100_000)));
    let fleet = Fleet::new(90_000, Profile::TlsServer);
    let wave = plan_of(fleet.clone(), 0, &limits, 0);
    assert_eq!(wave.load[0].fleet, 90_000);
    // The window of 21.6 hours lies around day 30, and the next is wider by as much.
    let peak = |plan: &Rollout| plan.load.iter().map(|day| day.renewals).max().unwrap();
    assert!(peak(&wave) > 40_000, "{}", peak(&wave));
    let smeared = plan_of(fleet.smeared(DAY * 30), 0, &limits, 0);
    let share = smeared.load[5].renewals;
    assert!((2_950..3_050).contains(&share), "{share}");
    // A tenth above the mean, where the windows of two cycles meet.
    assert!(peak(&smeared) < 3_400, "{}", peak(&smeared));
}

#[test]
fn renewal_after_an_announced_change_has_the_new_lifetime() {
    // On 2027-02-10 the lifetime changes from 90 to 64 days: the next renewal is then due after 42.7 days.
    let change = SystemTime::UNIX_EPOCH + Duration::from_secs(1_802_217_600);
    let limits = with(LimitKind::CertificatesPerDomain, a_week(100_000));
    let begin = change - DAY * 30;
    let plan =
        Rollout::plan(Fleet::new(300, Profile::Classic), Growth::default(), &limits, Reserve::NONE, begin);
    let renewed =
        |from: usize, to: usize| -> u64 { plan.load[from..to].iter().map(|day| day.renewals).sum() };
    assert_eq!((renewed(0, 58), renewed(58, 62), renewed(62, 101), renewed(101, 105)), (0, 300, 0, 300));
}

#[test]
fn time_beyond_the_clock_has_no_date() {
    let plan = plan_of(Fleet::new(u32::MAX, Profile::TlsServer), 0, &production(), 99);
    assert!(plan.completion().after > DAY * 365 * 1_000_000);
    let far = SystemTime::UNIX_EPOCH + Duration::from_secs(i64::MAX as u64 - 1);
    let fleet = Fleet::new(100, Profile::TlsServer);
    let plan = Rollout::plan(fleet, Growth::default(), &production(), Reserve::NONE, far);
    assert_eq!(plan.completion().at, None);
}
