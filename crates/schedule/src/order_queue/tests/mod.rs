mod dispatch;
mod dispatcher;
mod interleavings;
mod queue;

use std::time::Duration;

use fleetcert_names::IdentifierSet;

use super::*;
use crate::budget::{
    Account, BucketKey, Budgets, DeniedBy, Limit, LimitKind, Limits, OrderKind, Outcome, Refusal, Rule,
    SharedDenial,
};
use crate::queue::PerLane;
use dispatcher::{DAY, Dispatcher, Job, Next as Dispatched};

const HOUR: Duration = Duration::from_secs(3600);

fn start() -> SystemTime {
    SystemTime::UNIX_EPOCH + HOUR * 500_000
}

fn after(seconds: u64) -> SystemTime {
    start() + Duration::from_secs(seconds)
}

fn account(number: u32) -> Account {
    Account::new(&format!("https://ca.example/acct/{number}")).unwrap()
}

fn names(name: &str) -> IdentifierSet {
    name.parse().unwrap()
}

/// A first certificate for a device of `example.com`.
fn device(number: u32, lane: Lane) -> Job {
    Job {
        names: names(&format!("d{number}.example.com")),
        account: account(1),
        last_issued: None,
        window: None,
        lane,
        tenant: Tenant(0),
        deadline: after(3600),
        due: start(),
        since: start(),
    }
}

/// The same for a device that got its certificate a week ago.
fn renewal(number: u32, lane: Lane) -> Job {
    Job { last_issued: Some(start() - 7 * DAY), ..device(number, lane) }
}

/// Five orders of an account and one more in 36 seconds; four certificates of a domain and one more in 700 seconds.
fn small() -> Limits {
    let limit = |burst, seconds| Rule::Limited(Limit::new(burst, 1, Duration::from_secs(seconds)).unwrap());
    Limits::lets_encrypt_production()
        .with_rule(LimitKind::NewOrdersPerAccount, limit(5, 36))
        .with_rule(LimitKind::CertificatesPerDomain, limit(4, 700))
}

fn options() -> OrderQueueOptions {
    OrderQueueOptions { in_flight: 50, failing_in_flight: 5, ..OrderQueueOptions::default() }
}

fn dispatcher(limits: Limits, reserve: Reserve) -> Dispatcher {
    Dispatcher::new(limits, reserve, &options())
}

fn limit_of(reason: &HoldReason) -> LimitKind {
    match reason {
        HoldReason::Limit { denied, .. } => match denied.by() {
            DeniedBy::Limit { key, .. } => key.kind(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}
