//! Years of small fleets, with a CA that refuses orders beyond its limits.

#![allow(clippy::unwrap_used, clippy::panic)] // tests may panic

mod over_acme;

use std::num::NonZeroU16;
use std::time::Duration;

use fleetcert_planner::{Fleet, Growth, Profile, Reserve, Rollout, Zones};
use fleetcert_schedule::Margin;
use fleetcert_schedule::budget::{Limit, LimitKind, Limits, Rule};
use fleetcert_testkit::fleet::{
    ACCOUNT, Books, Habits, Incident, Reason, Report, Returning, Scenario, Span, What, Zone, simulate,
};

use over_acme::OverAcme;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// Returns the size of a fleet: smaller without the optimization of a release build.
const fn scaled(release: u32, debug: u32) -> u32 {
    if cfg!(debug_assertions) { debug } else { release }
}

fn run(scenario: &Scenario) -> Report {
    let mut ca = Books::new(scenario.ca_limits(), scenario, ACCOUNT, false);
    simulate(scenario, scenario.limits(), &mut ca, |_| ())
}

fn quiet(devices: u32, days: u32, seed: u64) -> Scenario {
    let habits = Habits { reinstall_in_a_loop: 0, hostile: 0, ..Scenario::year(1, 1, 1).habits };
    Scenario { habits, ..Scenario::year(devices, days, seed) }
}

#[test]
fn year_with_all_outages_has_no_refusal_and_no_expiry() {
    for (seed, profile) in [(1, Profile::TlsServer), (2, Profile::Classic)] {
        let report = run(&Scenario { profile, ..Scenario::year(scaled(20_000, 1500), 365, seed) });
        assert_eq!((report.rate_limited, report.expired_reachable), (0, 0), "seed {seed}: {report:?}");
        assert!(report.expired_away > 0 && report.unanswered > 0 && report.replaced_after_incident > 0);
        assert!(report.most_for_one_name_in_a_week <= 4, "seed {seed}");
        let (sent, let_in) = report.hostile;
        assert!(sent > 3_600_000 && let_in < sent / 10, "{sent} {let_in}");
    }
}

#[test]
fn fleet_with_six_day_certificates_has_no_expiry_in_a_month() {
    let report = run(&Scenario { profile: Profile::ShortLived, ..quiet(scaled(5000, 500), 30, 3) });
    assert_eq!((report.rate_limited, report.expired_reachable), (0, 0), "{report:?}");
    // 80 hours to the middle of the lifetime, and at least 15 after an outage of six hours and a probe.
    assert!(report.least_left_at_renewal.unwrap() > 60 * HOUR, "{:?}", report.least_left_at_renewal);
}

#[test]
fn outage_of_a_week_leaves_ten_days() {
    let outage = vec![Span { after: 60 * DAY, length: 7 * DAY }];
    let scenario = Scenario { ca_outages: outage, ..quiet(scaled(20_000, 2000), 120, 4) };
    let with_margin = run(&scenario);
    assert_eq!((with_margin.rate_limited, with_margin.expired_reachable), (0, 0));
    let left = with_margin.least_left_at_renewal.unwrap();
    assert!(left >= 10 * DAY, "{left:?}");
    // The CA's window alone does not do it: 15 days less seven.
    let without = run(&Scenario { margin: None, ..scenario });
    assert!(without.least_left_at_renewal.unwrap() < 9 * DAY, "{:?}", without.least_left_at_renewal);
    assert_eq!(Margin::default().outage, 7 * DAY);
}

#[test]
fn returning_devices_delay_no_other_device() {
    let scenario = quiet(scaled(40_000, 4000), 240, 5);
    let returning = Returning { devices: scaled(5000, 1000), after: 216 * DAY };
    let (alone, crowded) =
        (run(&scenario), run(&Scenario { returning: Some(returning), ..scenario.clone() }));
    assert_eq!((crowded.rate_limited, crowded.expired_reachable), (0, 0));
    assert!(crowded.waits.of(Reason::Return).worst > 2 * HOUR, "the crowd itself waits for its tokens");
    for reason in [Reason::New, Reason::Renewal, Reason::Revoked, Reason::Lost] {
        let (before, after) = (alone.waits.of(reason), crowded.waits.of(reason));
        assert!(after.p50 <= before.p50 + before.p50 / 20 + Duration::from_secs(1), "{reason:?}");
        assert!(after.p99 <= before.p99 + before.p99 / 20 + Duration::from_secs(1), "{reason:?}");
    }
}

#[test]
fn first_fleet_has_its_certificates_when_planned() {
    for (zone, zones, devices, days) in [
        (Zone::PublicSuffix, Zones::PublicSuffix, scaled(30_000, 5000), 20),
        (Zone::Domains(3), Zones::Domains(NonZeroU16::new(3).unwrap()), 600, 150),
    ] {
        let outages = Vec::new();
        let scenario = Scenario {
            zone,
            growth_per_mille: 0,
            tenants: 1,
            ca_outages: outages.clone(),
            zone_outages: outages.clone(),
            control_outages: outages,
            ..quiet(devices, days, 6)
        };
        let report = run(&scenario);
        let fleet = Fleet::new(devices, Profile::TlsServer).with_zones(zones);
        // The lane of new devices leaves a tenth of each bucket once, which is no share of the refill.
        let limits = Limits::lets_encrypt_production();
        let plan = Rollout::plan(fleet, Growth(0), &limits, Reserve::NONE, scenario.start);
        assert_eq!(report.rate_limited, 0);
        for (milestone, reached) in plan.milestones().into_iter().zip(report.rollout) {
            let (planned, took) = (milestone.after, reached.unwrap().duration_since(scenario.start).unwrap());
            let difference = took.abs_diff(planned);
            // An order itself takes up to fifteen seconds, and the reserve is a tenth of the burst.
            let reserve = match zone {
                Zone::PublicSuffix => HOUR,
                Zone::Domains(_) => 5 * Duration::from_secs(12_096),
            };
            assert!(difference <= planned / 20 + reserve, "{zone:?}: {took:?} and not {planned:?}");
        }
    }
}

#[test]
fn same_seed_gives_the_same_year() {
    let year = |seed| {
        let report = run(&quiet(300, 90, seed));
        (report.to_json().to_string(), report.days)
    };
    assert_eq!(year(7), year(7));
    assert_ne!(year(7).0, year(8).0);
}

/// The CA is independent of the mirror: a control server with wrong limits is refused, and corrects itself.
#[test]
fn control_server_with_wrong_limits_is_refused_and_corrects_itself() {
    let scenario = Scenario { growth_per_mille: 0, ..quiet(1000, 20, 9) };
    let believed = Limit::new(600, 600, 3 * HOUR).unwrap();
    let limits = scenario.limits().with_rule(LimitKind::NewOrdersPerAccount, Rule::Limited(believed));
    let mut ca = Books::new(scenario.ca_limits(), &scenario, ACCOUNT, false);
    let report = simulate(&scenario, limits, &mut ca, |_| ());
    assert!((1..100).contains(&report.rate_limited), "{}", report.rate_limited);
    assert_eq!(ca.limiter().counts().all_refused(), report.rate_limited);
    assert_eq!(report.first, 1000);
}

/// `cargo test --release` runs it with 2,000 devices.
#[test]
fn fleet_over_acme_leaves_the_same_ledger() {
    let scenario = Scenario {
        // Inside the CA's windows, so that orders name their predecessors.
        margin: None,
        incidents: vec![Incident { after: 45 * DAY, per_mille: 100 }],
        ..quiet(scaled(2000, 40), 60, 10)
    };
    let mut books = Books::new(scenario.ca_limits(), &scenario, ACCOUNT, true);
    let by_books = simulate(&scenario, scenario.limits(), &mut books, |_| ());
    let mut acme = OverAcme::start(scenario.ca_limits(), &scenario);
    let by_acme = simulate(&scenario, scenario.limits(), &mut acme, |_| ());
    let mut expected = books.ledger().to_vec();
    expected.sort_by_key(|entry| (entry.at, entry.device));
    assert!(expected.iter().any(|entry| entry.what == What::Order { replaces: true }));
    assert!(expected.len() > 2 * scenario.devices as usize);
    let ledger = acme.ledger();
    let differs = ledger.iter().zip(&expected).find(|(by_acme, by_books)| by_acme != by_books);
    assert_eq!((differs, ledger.len()), (None, expected.len()));
    assert_eq!((acme.rate_limited(), by_acme.issued), (0, by_books.issued));
    assert_eq!(by_acme.to_json(), by_books.to_json());
}
