//! A million entries: decisions in a second and bytes for an entry.
//! `cargo bench -p fleetcert-schedule --bench queue`.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a measurement reads the clock and prints"
)]

use std::hint::black_box;
use std::time::{Duration, Instant, SystemTime};

use fleetcert_names::{HostName, IdentifierSet};
use fleetcert_schedule::budget::{Account, Budgets, Charges, Limit, Limits, OrderKind, Outcome, Override};
use fleetcert_schedule::order_queue::{
    Lane, NextOrder, OrderQueue, OrderQueueOptions, Tenant, WaitingOrder, pool_of,
};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const ENTRIES: u64 = 1_000_000;
const PART: usize = 100;
const WEEK: Duration = Duration::from_secs(7 * 86_400);

fn main() {
    println!("{ENTRIES} entries; bytes as asked of the allocator\n");
    println!("{:<44}{:>12}{:>12}{:>12}{:>8}", "", "median (ns)", "in a second", "mean (ns)", "bytes");
    println!("order queue and budgets, 100 tenants, one account, one domain");
    order_queue(Lane::New);
    order_queue(Lane::Routine);
}

fn order_queue(lane: Lane) {
    let account = Account::new("https://acme-v02.api.letsencrypt.org/acme/acct/1234567890").expect("a URL");
    let tier = Limit::new(4_000_000, 4_000_000, WEEK).expect("enough for all");
    let mut limits = Limits::lets_encrypt_production();
    limits.set_override(Override::NewOrdersPerAccount(account.clone()), tier);
    limits.set_override(Override::CertificatesPerDomainPerAccount(account.clone()), tier);
    let last_issued = (lane == Lane::Routine).then(|| start() - WEEK);
    let charges = |budgets: &Budgets, name: &HostName| {
        let kind = OrderKind::at(None, last_issued, start());
        Charges::order(budgets.limits(), kind, &account, &IdentifierSet::from(name.clone()))
    };
    let before = MEMORY.current_usage();
    let mut queue: OrderQueue<HostName> = OrderQueue::new(&OrderQueueOptions::default());
    let mut budgets = Budgets::new(limits, 4_000_000);
    let mut random = Random(1);
    let name_of =
        |key: u64| -> HostName { format!("d{key:06x}.fleet.example.com").parse().expect("a host name") };
    timed(&format!("put, {lane}"), ENTRIES, |key| {
        let name = name_of(key);
        let order = WaitingOrder {
            pool: pool_of(&charges(&budgets, &name)),
            name,
            version: (),
            is_placed: false,
            lane,
            expiring_from: None,
            tenant: Tenant(random.below(100) as u32),
            deadline: start() + Duration::from_millis(random.below(1 << 30)),
            since: start(),
            due: start(),
        };
        queue.put(order, start()).expect("there is room");
    });
    bytes("held in memory, names of 25 bytes with it", MEMORY.current_usage() - before);
    timed("place", 10_000, |_| {
        black_box(queue.place(&name_of(random.below(ENTRIES))));
    });
    timed("decide, reserve, finish", ENTRIES / 5, |_| {
        let NextOrder::Candidate(candidate) = queue.next(start()) else { unreachable!("all can start") };
        let charges = charges(&budgets, &candidate.name);
        assert!(budgets.shared_denial(&charges, 0, start()).is_none(), "there are tokens for all");
        let reservation = budgets.reserve(&charges, start()).expect("there are tokens for all");
        queue.start(&candidate);
        queue.reserved(&candidate.name);
        budgets.commit(reservation, &Outcome::Done, start());
        queue.end(&candidate.name, None, start());
    });
}

/// Of many short parts the one in the middle, because others use the machine too; and all of it by the clock.
fn timed(what: &str, times: u64, mut work: impl FnMut(u64)) {
    let mut parts = Vec::new();
    let began = Instant::now();
    for first in (0..times).step_by(PART) {
        let started = Instant::now();
        (first..first + PART as u64).for_each(&mut work);
        parts.push(started.elapsed().as_nanos() / PART as u128);
    }
    let all = began.elapsed().as_nanos() / u128::from(times);
    parts.sort_unstable();
    let middle = parts[parts.len() / 2];
    println!("  {what:<42}{middle:>12}{:>12}{all:>12}", 1_000_000_000 / middle.max(1));
}

fn bytes(what: &str, bytes: usize) {
    println!("  {what:<42}{:>36}{:>8}", "", bytes as u64 / ENTRIES);
}

fn start() -> SystemTime {
    SystemTime::UNIX_EPOCH + WEEK * 3000
}

/// Knuth's linear congruential generator: the same numbers in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}
