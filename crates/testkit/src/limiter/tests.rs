//! The rules, with the figures of Let's Encrypt.

mod answers;
mod orders;
mod overrides;
mod pausing;
mod year;

use std::time::{Duration, SystemTime};

use fleetcert_names::{HostName, IdentifierSet};

use super::{CaLimits, Limiter, OrderFacts};

const ALICE: &str = "https://ca.test/account/alice";
const BOB: &str = "https://ca.test/account/bob";
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// 2027-01-15 08:00:00 UTC.
fn start() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn limiter() -> Limiter {
    Limiter::new(CaLimits { jitter: None, ..CaLimits::production() })
}

fn names<const N: usize>(names: [&str; N]) -> IdentifierSet {
    names.join(",").parse().unwrap()
}

fn host(identifiers: &IdentifierSet, index: usize) -> HostName {
    identifiers.as_slice()[index].base().clone()
}

/// All but the first.
fn rest(identifiers: &IdentifierSet) -> IdentifierSet {
    IdentifierSet::new(identifiers.iter().skip(1).cloned()).unwrap()
}

/// A name under a registered domain of its own.
fn elsewhere(number: u32) -> IdentifierSet {
    format!("www.example{number}.com").parse().unwrap()
}

/// A name under example.com.
fn device(number: u32) -> IdentifierSet {
    format!("device{number}.example.com").parse().unwrap()
}

fn by<'a>(account: &'a str, identifiers: &'a IdentifierSet) -> OrderFacts<'a> {
    OrderFacts { account, identifiers, replaces_in_window: false }
}

fn replacing<'a>(account: &'a str, identifiers: &'a IdentifierSet) -> OrderFacts<'a> {
    OrderFacts { account, identifiers, replaces_in_window: true }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
