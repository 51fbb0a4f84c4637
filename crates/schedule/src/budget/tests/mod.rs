mod arithmetic;
mod ca;
mod leave;
mod ledger;
mod nodes;
mod orders;
mod published;

use std::time::{Duration, SystemTime};

use fleetcert_names::{HostName, IdentifierSet};

use super::*;

const DAY: Duration = Duration::from_secs(86_400);
const WEEK: Duration = Duration::from_secs(7 * 86_400);

fn start() -> SystemTime {
    SystemTime::UNIX_EPOCH + DAY * 20_000
}

fn account() -> Account {
    Account::new("https://acme-v02.api.letsencrypt.org/acme/acct/1").unwrap()
}

fn host(text: &str) -> HostName {
    text.parse().unwrap()
}

fn set(names: &[&str]) -> IdentifierSet {
    names.join(",").parse().unwrap()
}

/// The charges of a new order for one name.
fn new_order(budgets: &Budgets, name: &str) -> Charges {
    Charges::order(budgets.limits(), OrderKind::New, &account(), &set(&[name]))
}

fn production() -> Budgets {
    Budgets::new(Limits::lets_encrypt_production(), 100_000)
}
