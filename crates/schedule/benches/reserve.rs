//! How long the budget part of an order takes: `cargo bench -p fleetcert-schedule --bench reserve`.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a measurement reads the clock and prints"
)]

use std::hint::black_box;
use std::time::{Duration, Instant, SystemTime};

use fleetcert_names::{HostName, IdentifierSet};
use fleetcert_schedule::budget::{Account, Budgets, Charges, Limit, Limits, OrderKind, Outcome, Override};

const ORDERS: usize = 200_000;
const CHUNK: usize = 100;
const WEEK: Duration = Duration::from_secs(7 * 86_400);

fn main() {
    println!(
        "{ORDERS} names, an order for each, the second one; nanoseconds per order, median of {CHUNK} each"
    );
    println!("{:<30}{:>8}{:>9}{:>9}{:>9}{:>8}", "", "charges", "reserve", "ordered", "commit", "all");
    for (what, kind) in [
        ("new", OrderKind::New),
        ("same set", OrderKind::SameSet),
        ("ARI window, same set", OrderKind::AriWindow { same_set: true }),
    ] {
        row(what, kind, &Outcome::Done);
    }
    row("new, and nobody knows", OrderKind::New, &Outcome::Unknown);
}

fn row(what: &str, kind: OrderKind, outcome: &Outcome) {
    let account = Account::new("https://acme-v02.api.letsencrypt.org/acme/acct/1234567890").expect("a URL");
    let mut limits = Limits::lets_encrypt_production();
    let tier = Limit::new(1_000_000, 1_000_000, WEEK).expect("the largest tier");
    limits.set_override(Override::NewOrdersPerAccount(account.clone()), tier);
    limits.set_override(Override::CertificatesPerDomainPerAccount(account.clone()), tier);
    let mut budgets = Budgets::new(limits, 10_000_000);
    let hosts: Vec<HostName> = (0..ORDERS)
        .map(|device| format!("d{device:06x}.fleet.example.com").parse().expect("a host name"))
        .collect();

    let mut now = SystemTime::UNIX_EPOCH + WEEK * 3000;
    let mut chunks = Vec::new();
    // The first round makes the rows, and is not counted: it would measure how the memory grows.
    let rounds = hosts.chunks(CHUNK).chain(hosts.chunks(CHUNK));
    for chunk in rounds {
        let mut took = [Duration::ZERO; 5];
        for host in chunk {
            now += Duration::from_millis(10);
            let start = Instant::now();
            let names = IdentifierSet::from(host.clone());
            let charges = black_box(Charges::order(budgets.limits(), kind, &account, &names));
            let charged = Instant::now();
            let mut reservation = budgets.reserve(&charges, now).expect("the budgets are large");
            let reserved = Instant::now();
            budgets.ordered(&mut reservation, now);
            let ordered = Instant::now();
            budgets.commit(reservation, outcome, now);
            let committed = Instant::now();
            let steps = [
                charged - start,
                reserved - charged,
                ordered - reserved,
                committed - ordered,
                committed - start,
            ];
            took.iter_mut().zip(steps).for_each(|(sum, step)| *sum += step);
        }
        chunks.push(took.map(|sum| sum.as_nanos() / CHUNK as u128));
    }
    chunks.drain(..hosts.chunks(CHUNK).len());
    // Of the chunks the one in the middle: others use this machine too.
    let median = |step: usize| {
        let mut of_step: Vec<u128> = chunks.iter().map(|chunk| chunk[step]).collect();
        of_step.sort_unstable();
        of_step[of_step.len() / 2]
    };
    let [charges, reserve, ordered, commit, all] = std::array::from_fn(median);
    println!("{what:<30}{charges:>8}{reserve:>9}{ordered:>9}{commit:>9}{all:>8}");
}
