//! What goes, what waits, and for what.

use super::*;

fn limit_of(why: &Why) -> LimitKind {
    match why {
        Why::Limit(denied) | Why::Reserve(denied) => match denied.by() {
            DeniedBy::Limit { key, .. } => key.kind(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_limit_that_holds_is_told_and_until_when() {
    let mut scheduler = scheduler(small());
    for number in 0..6 {
        scheduler.want(number, &device(number, Lane::New), start()).unwrap();
    }
    let started = start_all(&mut scheduler, start());
    assert_eq!(started, [0, 1, 2, 3]);
    // All four are under way: no time helps, an order must end.
    let (until, why) = wait(&mut scheduler, start());
    assert_eq!((until, limit_of(&why)), (None, LimitKind::CertificatesPerDomain));
    scheduler.finished(0, &Outcome::Done, after(10));
    let (until, why) = wait(&mut scheduler, after(10));
    // Three are held, and the one that was spent comes back in 700 seconds.
    assert_eq!((until, limit_of(&why)), (Some(after(710)), LimitKind::CertificatesPerDomain));
    assert!(matches!(scheduler.next(after(709)), Next::Wait { .. }));
    assert_eq!(start_all(&mut scheduler, after(710)), [4]);
    // A renewal of the same domain is exempt.
    scheduler.want(7, &renewal(7, Lane::Routine), after(710)).unwrap();
    assert_eq!(start_all(&mut scheduler, after(710)), [7]);
}

#[test]
fn each_lane_leaves_its_reserve() {
    let mut options = SchedulerOptions::new(Limits::lets_encrypt_production());
    options.in_flight = 1000;
    let mut scheduler = scheduler(options);
    let lanes = [Lane::Routine, Lane::New, Lane::Expiring];
    for (number, lane) in (0..).zip(lanes.into_iter().cycle().take(300)) {
        scheduler.want(number, &device(number, lane), start()).unwrap();
    }
    let mut left = 50;
    while let Next::Start(one) = scheduler.next(start()) {
        left -= 1;
        let leaves = match lanes[one.key as usize % 3] {
            Lane::Routine => 10,
            Lane::New => 5,
            _ => 0,
        };
        assert!(left >= leaves, "{left} left by {one:?}");
    }
    assert_eq!(left, 0);
    let held = |scheduler: &Scheduler<u32>, number| {
        let standing = scheduler.standing(number, start()).unwrap();
        standing.held.unwrap().why
    };
    let waiting =
        |lane| (0..300).find(|n| !scheduler.running.contains_key(n) && lanes[*n as usize % 3] == lane);
    let (new, expiring) = (waiting(Lane::New).unwrap(), waiting(Lane::Expiring).unwrap());
    assert!(matches!(held(&scheduler, expiring), Why::Limit(_)));
    assert_eq!(limit_of(&held(&scheduler, new)), LimitKind::CertificatesPerDomain);
}

#[test]
fn what_is_kept_is_told() {
    let mut options = SchedulerOptions::new(Limits::lets_encrypt_production());
    options.in_flight = 1000;
    let mut scheduler = scheduler(options);
    for number in 0..60 {
        scheduler.want(number, &device(number, Lane::Routine), start()).unwrap();
    }
    assert_eq!(start_all(&mut scheduler, start()).len(), 40);
    let (until, why) = wait(&mut scheduler, start());
    assert!(matches!(why, Why::Reserve(_)) && until.is_none(), "{why}");
    // A device in need gets what was kept for it.
    scheduler.want(100, &device(100, Lane::Expiring), start()).unwrap();
    assert_eq!(start_all(&mut scheduler, start()), [100]);
}

#[test]
fn a_reserve_of_everything_is_no_lock() {
    let leave = PerLane { new: u16::MAX, ..PerLane::default() };
    let mut scheduler = scheduler(SchedulerOptions { reserve: Reserve { leave }, ..small() });
    scheduler.want(1, &device(1, Lane::New), start()).unwrap();
    assert_eq!(start_all(&mut scheduler, start()), [1]);
}

#[test]
fn failing_names_have_few_places() {
    let mut scheduler = scheduler(SchedulerOptions { in_flight: 10, failing_in_flight: 2, ..small() });
    for number in 0..20 {
        scheduler.want(number, &renewal(number, Lane::Failing), start()).unwrap();
        scheduler.want(100 + number, &renewal(100 + number, Lane::Routine), start()).unwrap();
    }
    let started = start_all(&mut scheduler, start());
    assert_eq!(started.len(), 10);
    assert_eq!(started.iter().filter(|number| **number < 100).count(), 2);
    assert_eq!(wait(&mut scheduler, start()), (None, Why::InFlight));
    for number in started.iter().filter(|number| **number >= 100) {
        scheduler.finished(*number, &Outcome::Done, start());
    }
    assert!(start_all(&mut scheduler, start()).iter().all(|number| *number >= 100));
    // One that ends makes room for one.
    let failing = *started.iter().find(|number| **number < 100).unwrap();
    scheduler.finished(failing, &Outcome::NotIssued { failed: vec![] }, start());
    assert_eq!(start_all(&mut scheduler, start()).iter().filter(|number| **number < 100).count(), 1);
}

#[test]
fn only_failing_names_wait_for_one_of_them() {
    let mut scheduler = scheduler(SchedulerOptions { failing_in_flight: 0, ..small() });
    for number in 0..2 {
        scheduler.want(number, &renewal(number, Lane::Failing), start()).unwrap();
    }
    // At least one may go.
    assert_eq!(start_all(&mut scheduler, start()).len(), 1);
    assert_eq!(wait(&mut scheduler, start()), (None, Why::FailingInFlight));
}

#[test]
fn the_kind_is_decided_when_it_starts() {
    let mut options = small();
    options.order_lasts = Duration::from_secs(100);
    let mut scheduler = scheduler(options);
    let window = Window::new(after(1000), after(2000));
    let kinds = |scheduler: &mut Scheduler<u32>, key, want: &Want, now| {
        scheduler.want(key, want, now).unwrap();
        let Next::Start(one) = scheduler.next(now) else { panic!() };
        scheduler.finished(key, &Outcome::Done, now);
        one.kind
    };
    let new = OrderKind::New;
    let want = Want { ari_window: window, ..device(1, Lane::New) };
    assert_eq!(kinds(&mut scheduler, 1, &want, after(999)), new);
    let want = Want { ari_window: window, ..device(2, Lane::New) };
    assert_eq!(kinds(&mut scheduler, 2, &want, after(1000)), OrderKind::AriWindow { same_set: false });
    let want = Want { ari_window: window, ..renewal(3, Lane::New) };
    assert_eq!(kinds(&mut scheduler, 3, &want, after(1500)), OrderKind::AriWindow { same_set: true });
    // A request needs a minute at the most, and must still come inside.
    assert_eq!(
        kinds(&mut scheduler, 4, &Want { names: names("e.example.com"), ..want }, after(1940)),
        OrderKind::SameSet
    );
    // At the end of an order that may take 100 seconds the set would be 120 days old.
    let old = |age: Duration| Want { last_issued: Some(after(3000) - age), ..device(5, Lane::New) };
    let limit = 120 * DAY - 100 * SECOND;
    assert_eq!(kinds(&mut scheduler, 5, &old(limit - SECOND), after(3000)), OrderKind::SameSet);
    assert_eq!(kinds(&mut scheduler, 5, &old(limit), after(3000)), new);
}

#[test]
fn a_window_that_opens_ends_the_waiting() {
    let mut scheduler = scheduler(small());
    for number in 0..4 {
        scheduler.want(number, &device(number, Lane::New), start()).unwrap();
    }
    start_all(&mut scheduler, start()).iter().for_each(|number| {
        scheduler.finished(*number, &Outcome::Done, start());
    });
    let exempt = Want { ari_window: Window::new(after(100), after(5000)), ..device(8, Lane::New) };
    scheduler.want(8, &exempt, start()).unwrap();
    scheduler.want(9, &device(9, Lane::New), start()).unwrap();
    assert!(matches!(wait(&mut scheduler, after(99)), (_, Why::Limit(_))));
    assert_eq!(start_all(&mut scheduler, after(100)), [8]);
    // And an order that was a renewal becomes a new one, and waits with the new ones.
    let ageing = Want { last_issued: Some(start() - 119 * DAY), ..device(10, Lane::New) };
    scheduler.want(10, &Want { not_before: Some(start() + 2 * DAY), ..ageing }, start()).unwrap();
    let Next::Start(one) = scheduler.next(start() + DAY) else { panic!() };
    assert_eq!((one.key, one.kind), (9, OrderKind::New));
    let Next::Start(one) = scheduler.next(start() + 2 * DAY) else { panic!() };
    assert_eq!((one.key, one.kind), (10, OrderKind::New));
}

#[test]
fn nothing_goes_before_its_time_or_while_all_is_halted() {
    let mut scheduler = scheduler(small());
    scheduler.want(1, &Want { not_before: Some(after(50)), ..device(1, Lane::New) }, start()).unwrap();
    assert_eq!(wait(&mut scheduler, start()), (Some(after(50)), Why::NotDue));
    scheduler.halt(Some(after(80)), Halt::Breaker);
    assert_eq!(wait(&mut scheduler, after(60)), (Some(after(80)), Why::Halted(Halt::Breaker)));
    // Budgets that change are no reason to ask the CA again.
    scheduler.change_budgets(|_| ());
    assert_eq!(wait(&mut scheduler, after(60)), (Some(after(80)), Why::Halted(Halt::Breaker)));
    scheduler.resume();
    assert_eq!(start_all(&mut scheduler, after(60)), [1]);
    assert_eq!(scheduler.next(after(60)), Next::Empty);
}

#[test]
fn a_name_that_the_ca_paused_waits_for_the_operator() {
    let mut scheduler = scheduler(small());
    let name: fleetcert_names::HostName = "d1.example.com".parse().unwrap();
    scheduler.change_budgets(|budgets| budgets.pause(account(1), name.clone()));
    for number in 1..=2 {
        scheduler.want(number, &renewal(number, Lane::Routine), start()).unwrap();
    }
    assert_eq!(start_all(&mut scheduler, start()), [2]);
    let (until, why) = wait(&mut scheduler, start());
    assert!(
        until.is_none()
            && matches!(&why, Why::Limit(denied) if matches!(denied.by(), DeniedBy::Paused { .. }))
    );
    assert_eq!(scheduler.standing(1, start()).unwrap().expected_at, None);
    scheduler.change_budgets(|budgets| budgets.unpause(&account(1), &name));
    assert_eq!(start_all(&mut scheduler, start()), [1]);
}

#[test]
fn the_same_names_twice_wait_for_one_another() {
    let mut scheduler = scheduler(small());
    // Five for the exact set in a week.
    for key in 0..7 {
        scheduler.want(key, &renewal(1, Lane::Routine), start()).unwrap();
    }
    assert_eq!(start_all(&mut scheduler, start()).len(), 5);
    let (until, why) = wait(&mut scheduler, start());
    assert_eq!(limit_of(&why), LimitKind::CertificatesPerFqdnSet);
    // It looks again after the time of an order.
    assert_eq!(until, Some(after(20)));
    scheduler.finished(0, &Outcome::NotIssued { failed: vec![] }, after(5));
    assert_eq!(start_all(&mut scheduler, after(20)).len(), 1);
}

/// One account's orders come back seldom, and two of its domains wait for them. Meanwhile another account goes on
/// without end in the same lane.
#[test]
fn domains_take_turns_at_what_their_account_has() {
    let mut scheduler = scheduler(small());
    for number in 0..40 {
        let names = names(&format!("d{number}.{}", ["a.net", "b.net", "c.net"][number as usize % 3]));
        let want =
            Want { names, account: account(2), tenant: Tenant(number % 2), ..device(number, Lane::New) };
        scheduler.want(number, &want, start()).unwrap();
    }
    let mut started = [0; 3];
    for turn in 0..200u32 {
        let now = after(u64::from(turn) * 9);
        for key in 0..5 {
            let key = 1000 + turn * 5 + key;
            scheduler.want(key, &renewal(key, Lane::New), now).unwrap();
        }
        while let Next::Start(one) = scheduler.next(now) {
            scheduler.finished(one.key, &Outcome::Done, now);
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

#[test]
fn no_room_for_buckets_is_no_end() {
    let mut scheduler = scheduler(SchedulerOptions { bucket_capacity: 5, ..small() });
    for number in 0..2 {
        scheduler.want(number, &device(number, Lane::New), start()).unwrap();
    }
    assert_eq!(start_all(&mut scheduler, start()), [0]);
    let (until, why) = wait(&mut scheduler, start());
    assert!(matches!(&why, Why::Limit(denied) if *denied.by() == DeniedBy::Capacity));
    scheduler.finished(0, &Outcome::NotIssued { failed: vec![] }, start());
    // Only what was spent of the account's orders is left, and that is full again after a while.
    assert_eq!(start_all(&mut scheduler, until.unwrap() + 60 * SECOND), [1]);
}

fn below_a_suffix(number: u32) -> Want {
    Want { names: names(&format!("d{number}.fleet.example")), ..device(number, Lane::New) }
}

fn with_listed_zone(options: SchedulerOptions) -> SchedulerOptions {
    let limits = options.limits.with_public_suffix("fleet.example".parse().unwrap());
    SchedulerOptions { limits, ..options }
}

/// Or an empty account would hold each device of a fleet by itself, once for each token.
#[test]
fn a_fleet_below_a_public_suffix_is_one_pool() {
    let mut scheduler = scheduler(with_listed_zone(small()));
    for number in 0..100 {
        scheduler.want(number, &below_a_suffix(number), start()).unwrap();
    }
    assert_eq!(scheduler.pools.drawing_on(&BucketKey::NewOrdersPerAccount(account(1))).count(), 1);
    assert_eq!(start_all(&mut scheduler, start()).len(), 5);
    for number in 0..5 {
        scheduler.finished(number, &Outcome::Done, start());
    }
    let (until, why) = wait(&mut scheduler, start());
    assert_eq!((until, limit_of(&why)), (Some(after(36)), LimitKind::NewOrdersPerAccount));
}

#[test]
fn a_reserve_of_an_order_s_own_domain_holds_that_order_alone() {
    let reserve = Reserve { leave: PerLane { new: 300, ..PerLane::default() } };
    let options = SchedulerOptions { reserve, ..with_listed_zone(small()) };
    let mut scheduler = scheduler(options);
    let first = below_a_suffix(0);
    scheduler.change_budgets(|budgets| {
        for _ in 0..3 {
            let charges = Charges::order(budgets.limits(), OrderKind::New, &account(2), &first.names);
            let reservation = budgets.reserve(&charges, start()).unwrap();
            budgets.commit(reservation, &Outcome::Done, start());
        }
    });
    scheduler.want(0, &first, start()).unwrap();
    scheduler.want(1, &below_a_suffix(1), start()).unwrap();
    assert_eq!(start_all(&mut scheduler, start()), [1]);
    let (until, why) = wait(&mut scheduler, start());
    assert!(matches!(why, Why::Reserve(_)), "{why:?}");
    assert_eq!((until, limit_of(&why)), (Some(after(700)), LimitKind::CertificatesPerDomain));
    assert_eq!(start_all(&mut scheduler, after(700)), [0]);
}
