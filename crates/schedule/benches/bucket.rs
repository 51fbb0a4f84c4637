//! One decision of one bucket, beside the crate `governor`.
//! `cargo bench -p fleetcert-schedule --bench bucket`.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a measurement reads the clock and prints"
)]

use std::hint::black_box;
use std::num::NonZeroU32;
use std::time::{Duration, Instant, SystemTime};

use fleetcert_schedule::budget::{Bucket, Limit};
use governor::clock::FakeRelativeClock;
use governor::middleware::StateInformationMiddleware;
use governor::{Quota, RateLimiter};

const DECISIONS: u32 = 10_000;
const ROUNDS: usize = 501;

fn main() {
    println!("{DECISIONS} decisions, the clock given; nanoseconds each, median of {ROUNDS} rounds\n");
    println!("{:<34}{:>12}{:>12}", "", "all granted", "all denied");
    let mut rows = [
        ("fleetcert Bucket::spend", [vec![], vec![]]),
        ("governor check", [vec![], vec![]]),
        ("governor check, with what is left", [vec![], vec![]]),
    ];
    // In turns, so that what else goes on at the machine meets all of them.
    for _ in 0..ROUNDS {
        for (column, burst) in [DECISIONS * 2, 1].into_iter().enumerate() {
            rows[0].1[column].push(ours(burst));
            rows[1].1[column].push(governors(burst));
            rows[2].1[column].push(governors_with_state(burst));
        }
    }
    let rows = rows.map(|(what, columns)| (what, columns.map(median)));
    for (what, [granted, denied]) in rows {
        println!("{what:<34}{granted:>12.2}{denied:>12.2}");
    }
    let ratio = |other: usize, column: usize| rows[0].1[column] / rows[other].1[column];
    println!("{:<34}{:>12.2}{:>12.2}", "ours by governor's", ratio(1, 0), ratio(1, 1));
    println!("{:<34}{:>12.2}{:>12.2}", "ours by governor's, with left", ratio(2, 0), ratio(2, 1));
}

const PERIOD: Duration = Duration::from_secs(3600);

fn ours(burst: u32) -> f64 {
    let limit = Limit::new(burst, 1, PERIOD).expect("a limit");
    let now = SystemTime::UNIX_EPOCH + PERIOD * 400_000;
    let mut bucket = if burst == 1 { Bucket::FULL.spend(&limit, now, 1).bucket } else { Bucket::FULL };
    timed(|| {
        let decision = black_box(&bucket).spend(&limit, black_box(now), 1);
        bucket = decision.bucket;
        let _ = black_box(decision);
    })
}

fn governors(burst: u32) -> f64 {
    let limiter = RateLimiter::direct_with_clock(quota(burst), FakeRelativeClock::default());
    if burst == 1 {
        let _ = limiter.check();
    }
    timed(|| {
        let _ = black_box(limiter.check());
    })
}

fn governors_with_state(burst: u32) -> f64 {
    let limiter = RateLimiter::direct_with_clock(quota(burst), FakeRelativeClock::default())
        .with_middleware::<StateInformationMiddleware>();
    if burst == 1 {
        let _ = limiter.check();
    }
    timed(|| {
        let _ = black_box(limiter.check().map(|state| state.remaining_burst_capacity()));
    })
}

fn quota(burst: u32) -> Quota {
    let quota = Quota::with_period(PERIOD).expect("a period");
    quota.allow_burst(NonZeroU32::new(burst).expect("not zero"))
}

fn timed(mut decide: impl FnMut()) -> f64 {
    let started = Instant::now();
    (0..DECISIONS).for_each(|_| decide());
    started.elapsed().as_nanos() as f64 / f64::from(DECISIONS)
}

fn median(mut rounds: Vec<f64>) -> f64 {
    rounds.sort_unstable_by(f64::total_cmp);
    rounds[rounds.len() / 2]
}
