//! A fleet in virtual time on the real engine.
//!
//! Thousands of devices live through months against one control server: its workers, store rows, journal, budgets and
//! queue are those that a program runs ([`Engine`](fleetcert_engine::Engine) over [`MemoryStore`]), and each device
//! decides by the agent's own [`plan`](fleetcert_agent::plan). Only the edges are simulated: tokio's paused clock is the
//! time, the zone is in memory, devices are known without signatures, and the CA is a set of books with the test CA's
//! own rate limiter, which shares no code with the budgets.
//!
//! `cargo test --release -p fleetcert-tests --test engine_fleet -- --nocapture` prints the report.
//!
//! [`MemoryStore`]: fleetcert_store::MemoryStore

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::unimplemented,
    reason = "a test stops at its first fault"
)]

mod ca;
mod control_server;
mod device;
mod report;
mod signer;
mod world;

use std::time::Duration;

use fleetcert_testkit::fleet::{Scenario, Span};

use report::Report;

/// Devices and days with optimisation, which the test command uses, and without.
const SIZE: (u32, u32) = if cfg!(debug_assertions) { (40, 35) } else { (5000, 120) };

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

fn live_through(scenario: Scenario) -> Report {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O needs nothing of the machine");
    runtime.block_on(world::live_through(scenario))
}

#[test]
fn engine_keeps_a_fleet_certified_through_outages_sleepers_hostile_devices_and_a_mass_revocation() {
    let (devices, days) = SIZE;
    let mut scenario = Scenario::year(devices, days, 1);
    // More outages where there is most to do: in the rollout, and while the first certificates are renewed.
    scenario.zone_outages.push(Span { after: 30 * Duration::from_secs(60), length: 2 * HOUR });
    scenario.control_outages.push(Span { after: 26 * HOUR, length: HOUR });
    scenario.ca_outages.push(Span { after: 25 * DAY, length: 6 * HOUR });
    let report = live_through(scenario);
    println!("{report}");
    assert_eq!(report.rate_limited, 0, "refused for a rate limit");
    assert_eq!(report.expired_reachable, 0, "expired on a reachable device");
    assert_eq!(report.without_certificate, 0, "reachable at the end, without a valid certificate");
    assert_eq!(report.still_revoked, 0, "revoked, reachable, and not replaced");
    assert_eq!(report.challenge_records_left, 0, "challenge records left in the zone");
    assert!(report.certificates > u64::from(devices) * u64::from(days) / 40, "the fleet renews");
    assert!(report.unanswered > 0, "the outage of the CA was felt");
    assert!(report.unanswered < 2000, "a CA that is away is left alone: {} requests", report.unanswered);
    assert!(report.zone_refusals > 0, "the outage of the zone was felt");
    assert!(report.revoked > 0, "certificates were revoked");
    let (asked, admitted) = report.hostile;
    assert!(asked > 10_000 && admitted < asked / 10, "{asked} hostile requests, {admitted} admitted");
}
