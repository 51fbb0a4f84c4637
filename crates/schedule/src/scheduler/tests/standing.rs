//! What is expected comes true.

use super::*;

/// Runs until all is done, each order in no time, and says when each was.
fn run(scheduler: &mut Scheduler<u32>) -> BTreeMap<u32, SystemTime> {
    let (mut now, mut done) = (start(), BTreeMap::new());
    loop {
        match scheduler.next(now) {
            Next::Start(one) => {
                scheduler.finished(one.key, &Outcome::Done, now);
                done.insert(one.key, now);
            }
            Next::Wait { until, .. } => now = until.unwrap(),
            Next::Empty => return done,
        }
    }
}

#[test]
fn new_devices_come_as_the_bucket_fills() {
    let each = 20 * SECOND;
    for leave in [0, 500] {
        let leave = PerLane { new: leave, ..PerLane::default() };
        let mut scheduler = scheduler(SchedulerOptions { reserve: Reserve { leave }, ..small() });
        for number in 0..40 {
            let want = Want { tenant: Tenant(number % 3), ..device(number, Lane::New) };
            scheduler.want(number, &want, start()).unwrap();
        }
        let expected: Vec<_> = (0..40).map(|number| scheduler.standing(number, start()).unwrap()).collect();
        let done = run(&mut scheduler);
        for (number, standing) in (0..).zip(expected) {
            assert_eq!(standing.expected_at, Some(done[&number] + each), "{number} of {leave:?}");
        }
    }
}

#[test]
fn two_domains_of_one_account_share_its_orders() {
    let mut options = small();
    // The account is what binds.
    let slow = Limit::new(5, 1, Duration::from_secs(10_000)).unwrap();
    options.limits = options.limits.with_rule(LimitKind::NewOrdersPerAccount, Rule::Limited(slow));
    let mut scheduler = scheduler(options);
    for number in 0..20 {
        let names = names(&format!("d{number}.{}", ["example.com", "example.net"][number as usize % 2]));
        scheduler.want(number, &Want { names, ..device(number, Lane::New) }, start()).unwrap();
    }
    let expected: Vec<_> = (0..20).map(|number| scheduler.standing(number, start()).unwrap()).collect();
    let done = run(&mut scheduler);
    for (number, standing) in (0..).zip(expected) {
        let (told, came) = (standing.expected_at.unwrap(), done[&number]);
        let off = told.duration_since(came).unwrap_or_else(|early| early.duration());
        assert!(off <= Duration::from_secs(10_020), "{number}: {off:?}");
    }
}

#[test]
fn places_for_orders_are_what_renewals_wait_for() {
    let mut options = small();
    (options.in_flight, options.order_takes) = (2, 10 * SECOND);
    let mut scheduler = scheduler(options);
    for number in 0..6 {
        scheduler.want(number, &renewal(number, Lane::Routine), start()).unwrap();
    }
    let expected = |scheduler: &Scheduler<u32>, number| {
        let standing = scheduler.standing(number, start()).unwrap();
        (standing.under_way, standing.ahead, standing.expected_at)
    };
    assert_eq!(expected(&scheduler, 5), (false, 5, Some(after(30))));
    assert_eq!(start_all(&mut scheduler, start()), [0, 1]);
    assert_eq!(expected(&scheduler, 0), (true, 0, Some(after(10))));
    assert_eq!(expected(&scheduler, 2), (false, 0, Some(after(20))));
    assert_eq!(scheduler.standing(99, start()), None);
}

#[test]
fn a_hold_is_part_of_what_is_expected() {
    let mut scheduler = scheduler(small());
    scheduler.want(1, &Want { not_before: Some(after(500)), ..renewal(1, Lane::Routine) }, start()).unwrap();
    let standing = scheduler.standing(1, start()).unwrap();
    assert_eq!(standing.held, Some(Hold { why: Why::NotDue, until: Some(after(500)) }));
    assert_eq!(standing.expected_at, Some(after(520)));
    scheduler.halt(None, Halt::Operator);
    let standing = scheduler.standing(1, start()).unwrap();
    assert_eq!(standing.held, Some(Hold { why: Why::Halted(Halt::Operator), until: None }));
    assert_eq!(standing.expected_at, None);
}
