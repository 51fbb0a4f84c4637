mod decisions;
mod ends;
mod interleavings;
mod standing;

use std::time::{Duration, SystemTime};

use super::*;
use crate::Window;
use crate::budget::{
    Account, BucketKey, DeniedBy, Limit, LimitKind, Limits, NameSet, Outcome, Refusal, Rule,
};
use crate::queue::PerLane;

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);

fn start() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)
}

fn after(seconds: u64) -> SystemTime {
    start() + Duration::from_secs(seconds)
}

fn account(number: u32) -> Account {
    Account::new(&format!("https://ca.example/acct/{number}")).unwrap()
}

fn names(name: &str) -> NameSet {
    NameSet::new(&[name.parse().unwrap()]).unwrap()
}

/// A new device of `example.com`, in the lane.
fn device(number: u32, lane: Lane) -> Want {
    Want {
        names: names(&format!("d{number}.example.com")),
        account: account(1),
        last_issued: None,
        ari_window: None,
        lane,
        tenant: Tenant(0),
        deadline: after(3600),
        not_before: None,
    }
}

/// The same, which had its certificate a week ago.
fn renewal(number: u32, lane: Lane) -> Want {
    Want { last_issued: Some(start() - 7 * DAY), ..device(number, lane) }
}

/// Five orders of an account and one more in 36 seconds; four certificates of a domain and one more in 700 seconds.
fn small() -> SchedulerOptions {
    let limit = |burst, seconds| Rule::Limited(Limit::new(burst, 1, Duration::from_secs(seconds)).unwrap());
    let limits = Limits::lets_encrypt_production()
        .with_rule(LimitKind::NewOrdersPerAccount, limit(5, 36))
        .with_rule(LimitKind::CertificatesPerDomain, limit(4, 700));
    SchedulerOptions { reserve: Reserve::NONE, ..SchedulerOptions::new(limits) }
}

fn scheduler(options: SchedulerOptions) -> Scheduler<u32> {
    Scheduler::new(options)
}

/// Starts all that can go now.
fn start_all(scheduler: &mut Scheduler<u32>, now: SystemTime) -> Vec<u32> {
    let mut keys = Vec::new();
    while let Next::Start(one) = scheduler.next(now) {
        keys.push(one.key);
    }
    keys
}

fn wait(scheduler: &mut Scheduler<u32>, now: SystemTime) -> (Option<SystemTime>, Why) {
    match scheduler.next(now) {
        Next::Wait { until, why } => (until, why),
        other => panic!("{other:?}"),
    }
}
