//! How orders end, and what comes back.

use super::*;

#[test]
fn a_refusal_corrects_the_mirror_and_keeps_the_place() {
    let mut scheduler = scheduler(small());
    for number in 0..3 {
        let deadline = after(100 + u64::from(number));
        scheduler.want(number, &Want { deadline, ..device(number, Lane::New) }, start()).unwrap();
    }
    let Next::Start(one) = scheduler.next(start()) else { panic!() };
    let domain = one.charges.keys().find(|key| key.kind() == LimitKind::CertificatesPerDomain).unwrap();
    let refusal = Refusal { retry_after: 500 * SECOND, seen: None };
    let correction = scheduler.refused(one.key, domain, refusal, start()).unwrap().unwrap();
    assert_eq!(correction.learned, None);
    assert_eq!((scheduler.waiting(), scheduler.under_way()), (3, 0));
    assert_eq!(wait(&mut scheduler, start()).0, Some(after(500)));
    assert_eq!(start_all(&mut scheduler, after(500)), [0]);
    assert_eq!(scheduler.refused(7, domain, refusal, start()), None);
}

#[test]
fn an_account_that_is_refused_as_a_whole_waits_as_a_whole() {
    let mut scheduler = scheduler(small());
    for number in 0..1000 {
        let account = account(number % 2);
        scheduler.want(number, &Want { account, ..renewal(number, Lane::Routine) }, start()).unwrap();
    }
    let Next::Start(one) = scheduler.next(start()) else { panic!() };
    assert_eq!(one.key, 0);
    let refusal = Refusal { retry_after: 500 * SECOND, seen: None };
    scheduler.refused(0, &BucketKey::WholeAccount(account(0)), refusal, start());
    let mut others = 0;
    while let Next::Start(one) = scheduler.next(after(100)) {
        assert_eq!(one.key % 2, 1);
        scheduler.finished(one.key, &Outcome::Done, after(100));
        others += 1;
    }
    assert_eq!(others, 500);
    let (until, why) = wait(&mut scheduler, after(100));
    assert_eq!(until, Some(after(500)));
    assert!(why.to_string().contains("WholeAccount"), "{why}");
    assert!(!start_all(&mut scheduler, after(500)).is_empty());
}

#[test]
fn what_is_put_back_keeps_its_place_and_its_tokens() {
    let mut scheduler = scheduler(small());
    for number in 0..8 {
        scheduler.want(number, &device(number, Lane::New), after(u64::from(number))).unwrap();
    }
    let started = start_all(&mut scheduler, after(10));
    assert_eq!(started.len(), 4);
    // Not one is spent, so as many can go again, and the first is the first again.
    for number in started.iter().rev() {
        assert!(scheduler.put_back(*number, None, after(11)));
    }
    assert_eq!(scheduler.budgets().rows().count(), 0);
    assert_eq!(start_all(&mut scheduler, after(11)), started);
    assert!(scheduler.put_back(0, Some(after(30)), after(12)));
    assert_eq!(start_all(&mut scheduler, after(12)).len(), 1);
    assert!(!scheduler.put_back(0, None, after(12)), "it waits already");
    assert!(matches!(scheduler.standing(0, after(12)).unwrap().held, Some(Hold { until: None, .. })));
}

#[test]
fn what_was_wanted_comes_back_at_the_end() {
    let mut scheduler = scheduler(small());
    let window = Window::new(after(100), after(200));
    let want = Want { ari_window: window, deadline: after(50), ..renewal(1, Lane::Failing) };
    scheduler.want(1, &want, start()).unwrap();
    assert_eq!(start_all(&mut scheduler, start()), [1]);
    assert!(scheduler.ordered(1, start()) && !scheduler.ordered(2, start()));
    assert_eq!(scheduler.want(1, &want, start()), Err(WantError::UnderWay));
    assert_eq!(scheduler.finished(1, &Outcome::Unknown, start()), Some(want));
    assert_eq!(scheduler.finished(1, &Outcome::Unknown, start()), None);
    assert_eq!(scheduler.next(start()), Next::Empty);
}

#[test]
fn who_wants_again_keeps_its_time() {
    let mut scheduler = scheduler(SchedulerOptions { capacity: 3, ..small() });
    for number in 0..3 {
        scheduler.want(number, &renewal(number, Lane::Routine), after(u64::from(number))).unwrap();
    }
    assert_eq!(scheduler.want(3, &renewal(3, Lane::Routine), start()), Err(WantError::Full));
    // Deadlines in the past count from the time since which one waits.
    for number in [2, 0, 1] {
        let want = Want { deadline: SystemTime::UNIX_EPOCH, ..renewal(number, Lane::Routine) };
        scheduler.want(number, &want, after(100)).unwrap();
    }
    assert_eq!(start_all(&mut scheduler, after(100)), [0, 1, 2]);
    // Those under way count as well, so that they can be put back.
    assert_eq!(scheduler.want(3, &renewal(3, Lane::Routine), start()), Err(WantError::Full));
    assert!(scheduler.put_back(1, None, after(100)));
    assert!(scheduler.forget(1) && !scheduler.forget(1));
    scheduler.want(3, &renewal(3, Lane::Routine), start()).unwrap();
}

#[test]
fn too_many_flows_change_nothing() {
    let mut scheduler = scheduler(SchedulerOptions { max_flows: 1, ..small() });
    scheduler.want(1, &renewal(1, Lane::Routine), start()).unwrap();
    let other = Want { tenant: Tenant(5), ..renewal(2, Lane::Routine) };
    assert_eq!(scheduler.want(2, &other, start()), Err(WantError::TooManyFlows));
    // Its own flow goes when it moves, so there is room for the new one.
    scheduler.want(1, &Want { tenant: Tenant(5), ..renewal(1, Lane::Routine) }, start()).unwrap();
    assert_eq!(scheduler.waiting(), 1);
    assert_eq!(start_all(&mut scheduler, start()), [1]);
}

#[test]
fn a_crash_loses_nothing() {
    let mut before = scheduler(small());
    for number in 0..6 {
        before.want(number, &device(number, Lane::New), start()).unwrap();
    }
    let mut journal = Vec::new();
    while let Next::Start(one) = before.next(start()) {
        journal.push(one);
    }
    before.ordered(0, start());
    let rows: Vec<_> = before.budgets().rows().collect();

    let mut after_it = scheduler(small());
    assert!(after_it.change_budgets(|budgets| rows.into_iter().all(|row| budgets.restore(row, start()))));
    for number in 0..6 {
        after_it.want(number, &device(number, Lane::New), start()).unwrap();
    }
    for one in journal {
        let want = device(one.key, Lane::New);
        after_it.take_up(one.key, &want, one.charges.clone(), one.key == 0, start()).unwrap();
        let again = after_it.take_up(one.key, &want, one.charges, one.key == 0, start());
        assert_eq!(again, Err(WantError::UnderWay));
    }
    assert_eq!((after_it.waiting(), after_it.under_way()), (2, 4));
    for scheduler in [&mut before, &mut after_it] {
        for number in 0..4 {
            scheduler.finished(number, &Outcome::Done, after(10));
        }
    }
    let sorted = |scheduler: &Scheduler<u32>| {
        let mut rows: Vec<_> =
            scheduler.budgets().rows().map(|row| (row.key, row.bucket, row.held)).collect();
        rows.sort();
        rows
    };
    assert_eq!(sorted(&before), sorted(&after_it));
}

#[test]
fn an_override_lets_those_go_that_waited() {
    let mut scheduler = scheduler(small());
    for number in 0..6 {
        scheduler.want(number, &device(number, Lane::New), start()).unwrap();
    }
    assert_eq!(start_all(&mut scheduler, start()).len(), 4);
    let tier = Limit::new(300, 300, 7 * DAY).unwrap();
    let scope = crate::budget::Override::CertificatesPerDomainPerAccount(account(1));
    scheduler.change_budgets(|budgets| budgets.set_override(scope, tier));
    // The account's own bucket takes the place of the domain's; the account has one order left.
    assert_eq!(start_all(&mut scheduler, start()), [4]);
    let (_, why) = wait(&mut scheduler, start());
    assert!(why.to_string().starts_with("NewOrdersPerAccount"), "{why}");
    assert_eq!(scheduler.queue.len(), 1);
}
