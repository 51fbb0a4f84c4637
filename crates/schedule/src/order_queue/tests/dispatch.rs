//! The queue with budgets: what starts, what waits, and for which limit.

use super::*;

#[test]
fn limit_that_holds_is_named_and_the_pool_opens_with_the_token() {
    let mut fleet = dispatcher(small(), Reserve::NONE);
    for number in 0..6 {
        fleet.want(number, &device(number, Lane::New), start()).unwrap();
    }
    assert_eq!(fleet.start_all(start()), [0, 1, 2, 3]);
    // All four tokens are held: an order has to end, or the pool is looked at after a minute.
    let (until, reason) = fleet.wait(start());
    assert_eq!(limit_of(&reason), LimitKind::CertificatesPerDomain);
    assert!(until.is_some_and(|until| until <= after(600)), "{until:?}");
    fleet.finish(0, &Outcome::Done, after(10));
    // Three tokens are held, and the spent one is refilled in 700 seconds.
    let later = until.unwrap();
    let (_, reason) = fleet.wait(later);
    let HoldReason::Limit { until, .. } = reason else { panic!("{reason:?}") };
    assert_eq!(until, after(710));
    assert!(fleet.start_all(after(709)).is_empty());
    assert_eq!(fleet.start_all(after(710)), [4]);
    // A renewal of the same domain is exempt.
    fleet.want(7, &renewal(7, Lane::Routine), after(710)).unwrap();
    assert_eq!(fleet.start_all(after(710)), [7]);
}

#[test]
fn lane_leaves_its_reserve() {
    let options = OrderQueueOptions { in_flight: 1000, ..options() };
    let mut fleet = Dispatcher::new(Limits::lets_encrypt_production(), Reserve::default(), &options);
    let lanes = [Lane::Routine, Lane::New, Lane::Expiring];
    for (number, lane) in (0..).zip(lanes.into_iter().cycle().take(300)) {
        fleet.want(number, &device(number, lane), start()).unwrap();
    }
    let mut left = 50;
    for number in fleet.start_all(start()) {
        left -= 1;
        let leaves = match lanes[number as usize % 3] {
            Lane::Routine => 10,
            Lane::New => 5,
            _ => 0,
        };
        assert!(left >= leaves, "{left} left by {number}");
    }
    assert_eq!(left, 0);
}

#[test]
fn reserved_tokens_start_a_more_urgent_order() {
    let options = OrderQueueOptions { in_flight: 1000, ..options() };
    let mut fleet = Dispatcher::new(Limits::lets_encrypt_production(), Reserve::default(), &options);
    for number in 0..60 {
        fleet.want(number, &device(number, Lane::Routine), start()).unwrap();
    }
    assert_eq!(fleet.start_all(start()).len(), 40);
    assert_eq!(limit_of(&fleet.wait(start()).1), LimitKind::CertificatesPerDomain);
    fleet.want(100, &device(100, Lane::Expiring), start()).unwrap();
    assert_eq!(fleet.start_all(start()), [100]);
}

#[test]
fn reserve_of_everything_still_starts_an_order_on_full_buckets() {
    let leave = PerLane { new: u16::MAX, ..PerLane::default() };
    let mut fleet = dispatcher(small(), Reserve { leave });
    fleet.want(1, &device(1, Lane::New), start()).unwrap();
    assert_eq!(fleet.start_all(start()), [1]);
}

#[test]
fn failing_orders_are_bounded_beside_healthy_ones() {
    let options = OrderQueueOptions { in_flight: 10, failing_in_flight: 2, ..options() };
    let mut fleet = Dispatcher::new(small(), Reserve::NONE, &options);
    for number in 0..20 {
        fleet.want(number, &renewal(number, Lane::Failing), start()).unwrap();
        fleet.want(100 + number, &renewal(100 + number, Lane::Routine), start()).unwrap();
    }
    let started = fleet.start_all(start());
    assert_eq!(started.len(), 10);
    assert_eq!(started.iter().filter(|number| **number < 100).count(), 2);
    assert_eq!(fleet.wait(start()), (None, HoldReason::InFlight));
    for number in started.iter().filter(|number| **number >= 100) {
        fleet.finish(*number, &Outcome::Done, start());
    }
    assert!(fleet.start_all(start()).iter().all(|number| *number >= 100));
    // One that ends makes room for one.
    let failing = *started.iter().find(|number| **number < 100).unwrap();
    fleet.finish(failing, &Outcome::NotIssued { failed: vec![] }, start());
    assert_eq!(fleet.start_all(start()).iter().filter(|number| **number < 100).count(), 1);
}

#[test]
fn failing_orders_alone_wait_for_one_of_them() {
    let options = OrderQueueOptions { failing_in_flight: 0, ..options() };
    let mut fleet = Dispatcher::new(small(), Reserve::NONE, &options);
    for number in 0..2 {
        fleet.want(number, &renewal(number, Lane::Failing), start()).unwrap();
    }
    assert_eq!(fleet.start_all(start()).len(), 1, "zero counts as one");
    assert_eq!(fleet.wait(start()), (None, HoldReason::FailingInFlight));
}

#[test]
fn kind_is_decided_when_the_order_starts() {
    let mut fleet = dispatcher(small(), Reserve::NONE);
    let window = Some((after(1000), after(2000)));
    let mut kind = |key, job: &Job, now| {
        fleet.want(key, &Job { due: now, ..job.clone() }, now).unwrap();
        let Dispatched::Started(one) = fleet.next(now) else { panic!("{key} has to start") };
        fleet.finish(key, &Outcome::Done, now);
        one.kind
    };
    let new = OrderKind::New;
    // A minute of difference between the CA's clock and ours is allowed for at both ends.
    assert_eq!(kind(1, &Job { window, ..device(1, Lane::New) }, after(1059)), new);
    let in_window = |same_set| OrderKind::AriWindow { same_set };
    assert_eq!(kind(2, &Job { window, ..device(2, Lane::New) }, after(1060)), in_window(false));
    assert_eq!(kind(3, &Job { window, ..renewal(3, Lane::New) }, after(1500)), in_window(true));
    let other = Job { names: names("e.example.com"), window, ..renewal(4, Lane::New) };
    assert_eq!(kind(4, &other, after(1940)), OrderKind::SameSet);
    // At the end of an order that may take a day the set would be 120 days old.
    let old = |age: Duration| Job { last_issued: Some(after(3000) - age), ..device(5, Lane::New) };
    let second = Duration::from_secs(1);
    assert_eq!(kind(5, &old(119 * DAY - second), after(3000)), OrderKind::SameSet);
    assert_eq!(kind(6, &Job { names: names("f.example.com"), ..old(119 * DAY) }, after(3000)), new);
}

#[test]
fn order_that_became_a_new_one_waits_with_the_new_ones() {
    let mut fleet = dispatcher(small(), Reserve::NONE);
    for number in 0..4 {
        fleet.want(number, &device(number, Lane::New), start()).unwrap();
    }
    for number in fleet.start_all(start()) {
        fleet.finish(number, &Outcome::Done, start());
    }
    let ageing = Job { last_issued: Some(start() - 118 * DAY), ..device(10, Lane::New) };
    fleet.want(10, &Job { due: start() + 2 * DAY, ..ageing }, start()).unwrap();
    fleet.want(9, &device(9, Lane::New), start()).unwrap();
    assert!(fleet.start_all(start()).is_empty());
    let Dispatched::Started(one) = fleet.next(start() + DAY) else { panic!("the domain has tokens") };
    assert_eq!((one.key, one.kind), (9, OrderKind::New));
    let Dispatched::Started(one) = fleet.next(start() + 2 * DAY) else { panic!("it is due") };
    assert_eq!((one.key, one.kind), (10, OrderKind::New));
}

#[test]
fn same_names_twice_wait_for_each_other() {
    let mut fleet = dispatcher(small(), Reserve::NONE);
    // Five for the exact set in a week.
    for key in 0..7 {
        fleet.want(key, &renewal(1, Lane::Routine), start()).unwrap();
    }
    assert_eq!(fleet.start_all(start()).len(), 5);
    let (until, reason) = fleet.wait(start());
    assert_eq!(reason, HoldReason::NotDue, "the limit is not shared with other names");
    let until = until.unwrap();
    fleet.finish(0, &Outcome::NotIssued { failed: vec![] }, after(5));
    assert_eq!(fleet.start_all(until).len(), 1);
}

/// The new orders of one account refill slowly, and three of its domains wait for them. Meanwhile another account goes on
/// without end in the same lane.
#[test]
fn domains_take_turns_at_the_orders_of_their_account() {
    let mut fleet = dispatcher(small(), Reserve::NONE);
    for number in 0..40 {
        let names = names(&format!("d{number}.{}", ["a.net", "b.net", "c.net"][number as usize % 3]));
        let job = Job { names, account: account(2), tenant: Tenant(number % 2), ..device(number, Lane::New) };
        fleet.want(number, &job, start()).unwrap();
    }
    let mut started = [0; 3];
    for turn in 0..200u32 {
        let now = after(u64::from(turn) * 9);
        for key in 0..5 {
            let key = 1000 + turn * 5 + key;
            fleet.want(key, &renewal(key, Lane::New), now).unwrap();
        }
        while let Dispatched::Started(one) = fleet.next(now) {
            fleet.finish(one.key, &Outcome::Done, now);
            if one.key < 40 {
                started[one.key as usize % 3] += 1;
            }
        }
        // Five at once and then one in 36 seconds, of all three together.
        let all: u32 = started.iter().sum();
        assert_eq!(all, (5 + turn / 4).min(12), "{started:?}");
        assert!(started.iter().max().unwrap() - started.iter().min().unwrap() <= 2, "{started:?} by {turn}");
        if all >= 12 {
            return;
        }
    }
    panic!("{started:?}");
}

fn below_a_suffix(number: u32) -> Job {
    Job { names: names(&format!("d{number}.fleet.example")), ..device(number, Lane::New) }
}

#[test]
fn fleet_below_a_public_suffix_is_one_pool() {
    let limits = small().with_public_suffix("fleet.example".parse().unwrap());
    let mut fleet = dispatcher(limits, Reserve::NONE);
    let pools: BTreeSet<_> =
        (0..100).map(|number| pool_of(&fleet.charges(&below_a_suffix(number), start()).1)).collect();
    assert_eq!(pools.len(), 1);
    for number in 0..100 {
        fleet.want(number, &below_a_suffix(number), start()).unwrap();
    }
    for number in fleet.start_all(start()) {
        fleet.ordered(number, start());
        fleet.finish(number, &Outcome::Done, start());
    }
    let (until, reason) = fleet.wait(start());
    assert_eq!((until, limit_of(&reason)), (Some(after(36)), LimitKind::NewOrdersPerAccount));
    assert_eq!(fleet.start_all(after(36)).len(), 1);
}

#[test]
fn limit_of_an_order_s_own_domain_holds_that_order_alone() {
    let reserve = Reserve { leave: PerLane { new: 300, ..PerLane::default() } };
    let limits = small().with_public_suffix("fleet.example".parse().unwrap());
    let mut fleet = dispatcher(limits, reserve);
    let first = below_a_suffix(0);
    for _ in 0..3 {
        let charges = Charges::order(fleet.budgets.limits(), OrderKind::New, &account(2), &first.names);
        let reservation = fleet.budgets.reserve(&charges, start()).unwrap();
        fleet.budgets.commit(reservation, &Outcome::Done, start());
    }
    fleet.want(0, &first, start()).unwrap();
    fleet.want(1, &below_a_suffix(1), start()).unwrap();
    assert_eq!(fleet.start_all(start()), [1]);
    assert_eq!(fleet.wait(start()), (Some(after(700)), HoldReason::NotDue));
    assert_eq!(fleet.start_all(after(700)), [0]);
}

#[test]
fn refusal_corrects_the_mirror_and_the_order_keeps_its_place() {
    let mut fleet = dispatcher(small(), Reserve::NONE);
    for number in 0..3 {
        let deadline = after(100 + u64::from(number));
        fleet.want(number, &Job { deadline, ..device(number, Lane::New) }, start()).unwrap();
    }
    let Dispatched::Started(one) = fleet.next(start()) else { panic!("buckets are full") };
    let domain = one.charges.keys().find(|key| key.kind() == LimitKind::CertificatesPerDomain).unwrap();
    fleet.refuse(one.key, domain, Refusal { retry_after: Duration::from_secs(500), seen: None }, start());
    assert_eq!((fleet.queue.waiting(), fleet.queue.running.len()), (3, 0));
    assert_eq!(fleet.wait(start()).0, Some(after(500)));
    assert_eq!(fleet.start_all(after(500)), [0]);
}

#[test]
fn account_that_is_refused_as_a_whole_waits_as_a_whole() {
    let mut fleet = dispatcher(small(), Reserve::NONE);
    for number in 0..1000 {
        let account = account(number % 2);
        fleet.want(number, &Job { account, ..renewal(number, Lane::Routine) }, start()).unwrap();
    }
    let Dispatched::Started(one) = fleet.next(start()) else { panic!("buckets are full") };
    assert_eq!(one.key, 0);
    let refusal = Refusal { retry_after: Duration::from_secs(500), seen: None };
    fleet.refuse(0, &BucketKey::WholeAccount(account(0)), refusal, start());
    let mut others = 0;
    while let Dispatched::Started(one) = fleet.next(after(100)) {
        assert_eq!(one.key % 2, 1);
        fleet.finish(one.key, &Outcome::Done, after(100));
        others += 1;
    }
    assert_eq!(others, 500);
    let (until, reason) = fleet.wait(after(100));
    assert_eq!((until, limit_of(&reason)), (Some(after(500)), LimitKind::WholeAccount));
    assert!(!fleet.start_all(after(500)).is_empty());
}

#[test]
fn order_that_is_put_back_keeps_its_place_and_its_tokens() {
    let mut fleet = dispatcher(small(), Reserve::NONE);
    for number in 0..8 {
        let since = after(u64::from(number));
        fleet.want(number, &Job { since, due: since, ..device(number, Lane::New) }, since).unwrap();
    }
    let started = fleet.start_all(after(10));
    assert_eq!(started.len(), 4);
    // No token is spent, so as many can start again, and the first is the first again.
    for number in started.iter().rev() {
        fleet.put_back(*number, after(11), after(11));
    }
    assert_eq!(fleet.budgets.rows().count(), 0);
    assert_eq!(fleet.start_all(after(11)), started);
    fleet.put_back(0, after(30), after(12));
    assert_eq!(fleet.start_all(after(12)).len(), 1);
    let hold = Hold { reason: HoldReason::NotDue, until: Some(after(30)) };
    assert!(fleet.queue.place(&0).unwrap().held.is_some_and(|held| held == hold || held.until != hold.until));
}

#[test]
fn too_many_flows_are_refused_and_an_order_may_move_to_its_own_new_flow() {
    let mut fleet = Dispatcher::new(small(), Reserve::NONE, &OrderQueueOptions { max_flows: 1, ..options() });
    fleet.want(1, &renewal(1, Lane::Routine), start()).unwrap();
    let other = Job { tenant: Tenant(5), ..renewal(2, Lane::Routine) };
    assert_eq!(fleet.want(2, &other, start()), Err(NotInserted::TooManyFlows));
    fleet.want(1, &Job { tenant: Tenant(5), ..renewal(1, Lane::Routine) }, start()).unwrap();
    assert_eq!((fleet.queue.waiting(), fleet.start_all(start())), (1, vec![1]));
}

#[test]
fn override_starts_the_orders_that_waited() {
    let mut fleet = dispatcher(small(), Reserve::NONE);
    for number in 0..6 {
        fleet.want(number, &device(number, Lane::New), start()).unwrap();
    }
    assert_eq!(fleet.start_all(start()).len(), 4);
    let tier = Limit::new(300, 300, 7 * DAY).unwrap();
    let scope = crate::budget::Override::CertificatesPerDomainPerAccount(account(1));
    let mut limits = small();
    limits.set_override(scope, tier);
    let mut budgets = Budgets::new(limits, 1_000_000);
    fleet.budgets.rows().for_each(|row| assert!(budgets.restore(row, start())));
    fleet.budgets = budgets;
    fleet.queue.reopen_pools();
    // The account's own bucket replaces the domain's; the account has one order left.
    assert_eq!(fleet.start_all(start()), [4]);
    assert_eq!(limit_of(&fleet.wait(start()).1), LimitKind::NewOrdersPerAccount);
    assert_eq!(fleet.queue.waiting(), 1);
}

/// The engine's estimate: the tokens of the shared buckets, after those ahead in the pool have had theirs.
#[test]
fn expected_time_of_new_devices_comes_true() {
    let each = Duration::from_secs(20);
    let mut fleet = dispatcher(small(), Reserve::NONE);
    for number in 0..40 {
        fleet
            .want(number, &Job { tenant: Tenant(number % 3), ..device(number, Lane::New) }, start())
            .unwrap();
    }
    let expected: Vec<_> = (0..40)
        .map(|number| {
            let place = fleet.queue.place(&number).unwrap();
            let (_, charges) = fleet.charges(&fleet.jobs[&number], start());
            let token = fleet.budgets.available_at(&charges, place.in_pool as u64 + 1, start()).unwrap();
            place.expected_at(token, 50, each, start())
        })
        .collect();
    let (mut now, mut done) = (start(), BTreeMap::new());
    loop {
        match fleet.next(now) {
            Dispatched::Started(one) => {
                fleet.finish(one.key, &Outcome::Done, now);
                done.insert(one.key, now);
            }
            Dispatched::Wait { until, .. } => now = until.unwrap(),
            Dispatched::Empty => break,
        }
    }
    for (number, expected) in (0..).zip(expected) {
        assert_eq!(expected, done[&number] + each, "{number}");
    }
}
