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

use fleetcert_schedule::Moment;
use fleetcert_schedule::budget::{Bucket, Decision, Limit};
use governor::clock::{Clock, FakeRelativeClock};
use governor::middleware::StateInformationMiddleware;
use governor::nanos::Nanos;
use governor::{Quota, RateLimiter};

const DECISIONS: u32 = 10_000;
const ROUNDS: usize = 501;

fn main() {
    println!("{DECISIONS} decisions; nanoseconds each, median of {ROUNDS} rounds\n");
    println!("{:<44}{:>12}{:>12}", "", "all granted", "all denied");
    let mut rows = [
        ("governor check, clock given", [vec![], vec![]]),
        ("fleetcert try_spend, clock given", [vec![], vec![]]),
        ("governor check, clock read", [vec![], vec![]]),
        ("fleetcert try_spend, clock read", [vec![], vec![]]),
        ("governor check and what is left", [vec![], vec![]]),
        ("fleetcert spend and what is left", [vec![], vec![]]),
        ("fleetcert spend and all details", [vec![], vec![]]),
        ("fleetcert try_spend, a SystemTime given", [vec![], vec![]]),
    ];
    // In turns, so that other load on the machine affects all of them.
    for _ in 0..ROUNDS {
        for (column, burst) in [DECISIONS * 2, 1].into_iter().enumerate() {
            let time = SystemTime::UNIX_EPOCH + PERIOD * 400_000;
            // In the form in which the bucket counts, as governor's clock gives it.
            let moment = Moment::of(time);
            let given = || black_box(moment);
            rows[0].1[column].push(governors(burst, FakeRelativeClock::default()));
            rows[1].1[column].push(ours_plain(burst, given));
            rows[2].1[column].push(governors(burst, Monotonic(Instant::now())));
            rows[3].1[column].push(ours_plain(burst, SystemTime::now));
            rows[4].1[column].push(governors_with_state(burst));
            rows[5].1[column].push(ours(burst, given, |decision| {
                black_box(decision.allowed.then(|| decision.remaining()));
            }));
            rows[6].1[column].push(ours(burst, given, |decision| {
                black_box((decision.allowed, decision.remaining(), decision.retry_in()));
            }));
            rows[7].1[column].push(ours_plain(burst, || black_box(time)));
        }
    }
    let rows = rows.map(|(what, columns)| (what, columns.map(median)));
    for (what, [granted, denied]) in rows {
        println!("{what:<44}{granted:>12.2}{denied:>12.2}");
    }
    let ratio = |one: usize, other: usize, column: usize| rows[one].1[column] / rows[other].1[column];
    for (what, one, other) in [
        ("try_spend by check, clock given", 1, 0),
        ("try_spend by check, clock read", 3, 2),
        ("what is left, both", 5, 4),
    ] {
        println!("{what:<44}{:>12.2}{:>12.2}", ratio(one, other, 0), ratio(one, other, 1));
    }
}

const PERIOD: Duration = Duration::from_secs(3600);

fn ours<M: Into<Moment>>(burst: u32, clock: impl Fn() -> M, ask: impl Fn(&Decision)) -> f64 {
    let (limit, mut place) = limit_and_bucket(burst, clock());
    timed(|| {
        // The bucket is in memory, as governor's is, and is written when a token was taken.
        let place = black_box(&mut place);
        let decision = place.spend(black_box(&limit), clock(), 1);
        if decision.allowed {
            *place = decision.bucket;
        }
        ask(&decision);
    })
}

fn ours_plain<M: Into<Moment>>(burst: u32, clock: impl Fn() -> M) -> f64 {
    let (limit, mut place) = limit_and_bucket(burst, clock());
    timed(|| {
        let place = black_box(&mut place);
        let taken = place.try_spend(black_box(&limit), clock(), 1);
        if let Some(after) = taken {
            *place = after;
        }
        black_box(taken.is_some());
    })
}

fn limit_and_bucket(burst: u32, now: impl Into<Moment>) -> (Limit, Bucket) {
    let limit = Limit::new(burst, 1, PERIOD).expect("a limit");
    let bucket = if burst == 1 { Bucket::FULL.spend(&limit, now, 1).bucket } else { Bucket::FULL };
    (limit, bucket)
}

fn governors<C: Clock>(burst: u32, clock: C) -> f64 {
    let limiter = RateLimiter::direct_with_clock(quota(burst), clock);
    if burst == 1 {
        let _ = limiter.check();
    }
    timed(|| {
        black_box(limiter.check().is_ok());
    })
}

#[derive(Clone, Debug)]
struct Monotonic(Instant);

impl Clock for Monotonic {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.0.elapsed().into()
    }
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
