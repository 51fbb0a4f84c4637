//! Lanes, holds, closures and versions, without budgets.

use super::*;

type Orders = OrderQueue<String, u32>;

fn queue() -> Orders {
    OrderQueue::new(&OrderQueueOptions { in_flight: 1000, ..OrderQueueOptions::default() })
}

fn order(name: &str, lane: Lane, deadline: SystemTime) -> WaitingOrder<String, u32> {
    WaitingOrder {
        name: name.to_owned(),
        version: 1,
        is_placed: false,
        lane,
        expiring_from: None,
        pool: Pool(1),
        tenant: Tenant::default(),
        deadline,
        since: start(),
        due: start(),
    }
}

fn put(queue: &mut Orders, order: WaitingOrder<String, u32>) {
    queue.put(order, start()).unwrap();
}

fn candidate_of(queue: &mut Orders, at: SystemTime) -> Option<Candidate<String>> {
    match queue.next(at) {
        NextOrder::Candidate(candidate) => Some(candidate),
        NextOrder::Wait { .. } | NextOrder::Empty => None,
    }
}

/// Starts and ends each candidate until there is none.
fn drained(queue: &mut Orders, at: SystemTime) -> Vec<String> {
    let mut names = Vec::new();
    while let Some(candidate) = candidate_of(queue, at) {
        queue.start(&candidate);
        queue.end(&candidate.name, None, at);
        names.push(candidate.name);
    }
    names
}

fn denial(until: SystemTime) -> SharedDenial {
    let account = Account::new("https://ca.example/acct/1").unwrap();
    let key = BucketKey::WholeAccount(account.clone());
    let mut budgets = Budgets::new(Limits::lets_encrypt_production(), 10);
    let retry_after = until.duration_since(start()).unwrap();
    budgets.correct(&key, Refusal { retry_after, seen: None }, start()).unwrap();
    let names = "x.example.com".parse().unwrap();
    let charges = Charges::order(budgets.limits(), OrderKind::New, &account, &names);
    let denial = budgets.shared_denial(&charges, 0, start()).unwrap();
    assert!(matches!(denial.denied.by(), DeniedBy::Limit { .. }) && denial.until == until);
    denial
}

#[test]
fn lanes_share_by_weight_and_start_by_deadline_inside() {
    let mut queue = queue();
    for index in 0..20u32 {
        for lane in Lane::ALL {
            put(&mut queue, order(&format!("{lane}{index:02}"), lane, start() + HOUR * (100 - index)));
        }
    }
    let names = drained(&mut queue, start());
    assert_eq!(names.len(), 100);
    // Of 19 starts, the weights give 8, 4, 4, 2 and 1.
    let of = |lane: &str| names[..19].iter().filter(|name| name.starts_with(lane)).count();
    assert_eq!(["expiring", "revoked", "new", "routine", "failing"].map(of), [8, 4, 4, 2, 1]);
    let routine: Vec<_> = names.iter().filter(|name| name.starts_with("routine")).collect();
    assert!(routine.is_sorted_by(|a, b| a > b), "the later ones end earlier: {routine:?}");
}

#[test]
fn placed_orders_start_first_and_during_a_halt() {
    let mut queue = queue();
    put(&mut queue, order("new", Lane::Expiring, start()));
    put(&mut queue, WaitingOrder { is_placed: true, ..order("placed", Lane::Failing, start() + HOUR) });
    queue.halt(start() + HOUR);
    assert_eq!(drained(&mut queue, start()), ["placed"]);
    let held = Hold { reason: HoldReason::Halted, until: Some(start() + HOUR) };
    assert_eq!(queue.place("new").unwrap().held, Some(held.clone()));
    assert_eq!(queue.next(start()), NextOrder::Wait { until: held.until, reason: held.reason });
    queue.resume();
    assert_eq!(drained(&mut queue, start()), ["new"]);
}

#[test]
fn failing_names_take_one_slot_only() {
    let mut queue = queue();
    for index in 0..50 {
        put(&mut queue, order(&format!("failing{index}"), Lane::Failing, start()));
    }
    put(&mut queue, order("healthy", Lane::Routine, start() + HOUR));
    let mut started = Vec::new();
    while let Some(candidate) = candidate_of(&mut queue, start()) {
        queue.start(&candidate);
        started.push(candidate.name);
    }
    assert_eq!(started.len(), 2, "{started:?}");
    assert!(started.contains(&"healthy".to_owned()));
    let failing = started.iter().find(|name| name.starts_with("failing")).unwrap();
    queue.end(failing, Some(start() + HOUR), start());
    let next = candidate_of(&mut queue, start()).unwrap();
    assert!(next.lane == Lane::Failing && next.name != *failing);
    assert_eq!(queue.place(failing).unwrap().held.unwrap().until, Some(start() + HOUR));
}

#[test]
fn no_order_starts_beyond_the_maximum_in_flight() {
    let mut queue: Orders =
        OrderQueue::new(&OrderQueueOptions { in_flight: 2, ..OrderQueueOptions::default() });
    for name in ["a", "b", "c"] {
        put(&mut queue, order(name, Lane::New, start()));
    }
    for _ in 0..2 {
        let candidate = candidate_of(&mut queue, start()).unwrap();
        queue.start(&candidate);
    }
    assert_eq!(queue.next(start()), NextOrder::Wait { until: None, reason: HoldReason::InFlight });
    queue.end("a", None, start());
    assert_eq!(candidate_of(&mut queue, start()).unwrap().name, "c");
}

#[test]
fn routine_renewal_moves_to_the_expiring_lane_while_it_waits() {
    let mut queue = queue();
    let routine =
        WaitingOrder { expiring_from: Some(start() + HOUR), ..order("a", Lane::Routine, start() + HOUR * 9) };
    put(&mut queue, routine);
    assert_eq!(candidate_of(&mut queue, start()).unwrap().lane, Lane::Routine);
    assert_eq!(candidate_of(&mut queue, start() + HOUR).unwrap().lane, Lane::Expiring);
}

#[test]
fn candidate_that_belongs_elsewhere_is_moved() {
    let mut queue = queue();
    put(&mut queue, order("a", Lane::New, start()));
    let candidate = candidate_of(&mut queue, start()).unwrap();
    assert!(queue.confirm(&candidate, Lane::New, Pool(1)));
    assert!(!queue.confirm(&candidate, Lane::Failing, Pool(2)));
    let moved = candidate_of(&mut queue, start()).unwrap();
    assert_eq!((moved.lane, moved.pool), (Lane::Failing, Pool(2)));
}

#[test]
fn denied_pool_closes_and_opens_when_tokens_come_back() {
    let mut queue = queue();
    for name in ["a", "b"] {
        put(&mut queue, order(name, Lane::New, start()));
    }
    put(&mut queue, WaitingOrder { pool: Pool(2), ..order("other", Lane::New, start()) });
    let candidate = Candidate { name: "a".to_owned(), lane: Lane::New, pool: Pool(1), is_placed: false };
    let until = start() + HOUR / 10;
    let denial = denial(until);
    assert!(!queue.close(&candidate, &denial, 1, start()), "an order that starts may leave its token");
    assert!(queue.close(&candidate, &denial, 0, start()));
    assert!(!queue.close(&candidate, &denial, 0, start()), "it was reported");
    assert!(!queue.close(&candidate, &denial, 1, start()) && !queue.close(&candidate, &denial, 0, start()));
    assert_eq!(drained(&mut queue, start()), ["other"]);
    let place = queue.place("b").unwrap();
    let reason = HoldReason::Limit { denied: denial.denied.clone(), until };
    assert_eq!((place.ahead, place.held), (1, Some(Hold { reason, until: Some(until) })));
    queue.reopen_pools();
    assert_eq!(candidate_of(&mut queue, start()).unwrap().name, "a");
    queue.close(&candidate, &denial, 0, start());
    assert!(candidate_of(&mut queue, until - HOUR / 20).is_none());
    assert_eq!(drained(&mut queue, until), ["a", "b"]);
}

#[test]
fn closed_pool_is_looked_at_after_ten_minutes() {
    let mut queue = queue();
    put(&mut queue, order("a", Lane::New, start()));
    let candidate = candidate_of(&mut queue, start()).unwrap();
    queue.close(&candidate, &denial(start() + HOUR), 0, start());
    assert!(candidate_of(&mut queue, start() + HOUR / 7).is_none());
    assert!(candidate_of(&mut queue, start() + HOUR / 6).is_some());
}

#[test]
fn reserved_tokens_close_one_lane_of_the_pool() {
    let mut queue = queue();
    put(&mut queue, order("routine", Lane::Routine, start()));
    put(&mut queue, order("new", Lane::New, start()));
    let candidate =
        Candidate { name: "routine".to_owned(), lane: Lane::Routine, pool: Pool(1), is_placed: false };
    let denial = SharedDenial { is_reserved: true, ..denial(start() + HOUR) };
    queue.close(&candidate, &denial, 0, start());
    assert_eq!(candidate_of(&mut queue, start()).unwrap().name, "new");
    queue.forget("new");
    let NextOrder::Wait { reason: HoldReason::Limit { until, .. }, .. } = queue.next(start()) else {
        panic!("the limit holds the routine order");
    };
    assert_eq!(until, start() + HOUR);
}

#[test]
fn order_that_starts_keeps_its_pool_from_being_reported_until_it_has_reserved() {
    let mut queue = queue();
    for name in ["a", "b"] {
        put(&mut queue, order(name, Lane::New, start()));
    }
    let first = candidate_of(&mut queue, start()).unwrap();
    queue.start(&first);
    assert_eq!(queue.starting(Pool(1)), 1);
    let second = candidate_of(&mut queue, start()).unwrap();
    queue.close(&second, &denial(start() + HOUR), 1, start());
    assert!(candidate_of(&mut queue, start()).is_none());
    // It reserved, and perhaps left the token: the pool is looked at again.
    queue.reserved(&first.name);
    assert_eq!(queue.starting(Pool(1)), 0);
    assert_eq!(candidate_of(&mut queue, start()), Some(second));
}

#[test]
fn forget_missing_removes_what_is_gone_and_nothing_newer() {
    let mut queue = queue();
    for name in ["a", "b", "c", "d"] {
        put(&mut queue, order(name, Lane::New, start()));
    }
    let mark = queue.mark();
    put(&mut queue, order("bb", Lane::New, start()));
    queue.forget_missing(Some("a"), Some("c"), &BTreeSet::from(["c"]), mark);
    assert_eq!(drained(&mut queue, start()), ["a", "c", "d", "bb"]);
}

#[test]
fn order_beyond_the_capacity_is_refused_and_one_in_flight_can_come_back() {
    let mut queue: Orders =
        OrderQueue::new(&OrderQueueOptions { capacity: 1, ..OrderQueueOptions::default() });
    put(&mut queue, order("a", Lane::New, start()));
    assert_eq!(queue.put(order("b", Lane::New, start()), start()), Err(NotInserted::Full));
    assert!(queue.place("a").is_some() && queue.place("b").is_none());
    let candidate = candidate_of(&mut queue, start()).unwrap();
    queue.start(&candidate);
    assert_eq!(queue.put(order("b", Lane::New, start()), start()), Err(NotInserted::Full));
    assert!(queue.end("a", Some(start()), start()) && !queue.end("a", None, start()));
    assert_eq!(drained(&mut queue, start()), ["a"]);
}

#[test]
fn older_version_changes_nothing_and_moved_order_starts_where_it_is() {
    let mut queue = queue();
    let write = |version, is_placed| WaitingOrder { version, is_placed, ..order("a", Lane::New, start()) };
    put(&mut queue, write(2, false));
    put(&mut queue, write(1, true));
    let candidate = candidate_of(&mut queue, start()).unwrap();
    assert!(!candidate.is_placed && queue.version("a") == Some(2));
    // The same write says that it is placed, after it became the candidate.
    put(&mut queue, write(2, true));
    assert!(queue.start(&candidate) && !queue.start(&candidate));
    assert_eq!(queue.next(start()), NextOrder::Empty);
    queue.end("a", None, start());
    assert_eq!((queue.next(start()), queue.version("a")), (NextOrder::Empty, None));
}

#[test]
fn expected_time_follows_holds_and_slots() {
    let mut queue = queue();
    let each = HOUR / 360;
    for index in 0..6 {
        put(&mut queue, order(&index.to_string(), Lane::Routine, start()));
    }
    let expected = |queue: &Orders, name: &str| {
        let place = queue.place(name).unwrap();
        (place.is_exempt, place.ahead, place.expected_at(start(), 2, each, start()))
    };
    assert_eq!(expected(&queue, "5"), (false, 5, start() + each * 3));
    for _ in 0..2 {
        let candidate = candidate_of(&mut queue, start()).unwrap();
        queue.start(&candidate);
    }
    assert!(expected(&queue, "0").0);
    assert_eq!(expected(&queue, "2"), (false, 0, start() + each * 2));
    queue.hold("2", start() + HOUR);
    assert_eq!(expected(&queue, "2"), (false, 0, start() + HOUR + each));
    assert_eq!(queue.place("unknown"), None);
}
