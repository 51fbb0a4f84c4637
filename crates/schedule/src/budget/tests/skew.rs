//! What the allowance for skew does, and costs.

use super::*;

const TEN_MINUTES: Duration = Duration::from_secs(600);

/// A node whose clock is slow spends a token, a node whose clock is fast asks for the next: how long after the first,
/// by a right clock, it is granted.
fn next_after_a_slow_and_a_fast_clock(budgets: &mut Budgets, off: Duration) -> Duration {
    let charges = Charges::order(budgets.limits(), OrderKind::SameSet, &account(), &set(&["a.example.com"]));
    for _ in 0..5 {
        let held = budgets.reserve(&charges, start() - off).unwrap();
        budgets.commit(held, &Outcome::Done, start() - off);
    }
    let retry_at = budgets.denial(&charges, start() + off).unwrap().retry_at().unwrap();
    (retry_at - off).duration_since(start()).unwrap()
}

#[test]
fn without_an_allowance_an_order_comes_too_early_by_the_difference() {
    let at_the_ca = Duration::from_secs(120_960);
    assert_eq!(next_after_a_slow_and_a_fast_clock(&mut production(), Duration::ZERO), at_the_ca);
    let early = next_after_a_slow_and_a_fast_clock(&mut production(), TEN_MINUTES);
    assert_eq!(early, at_the_ca - 2 * TEN_MINUTES);
}

#[test]
fn with_it_the_next_comes_when_the_ca_has_it_and_not_before() {
    // The burst of five must last for two skews as well, so that the fifth is had: a limit that is long against them.
    let mut budgets = production().with_skew(TEN_MINUTES);
    let charges = Charges::order(budgets.limits(), OrderKind::SameSet, &account(), &set(&["a.example.com"]));
    let slow = start() - TEN_MINUTES;
    for _ in 0..4 {
        let held = budgets.reserve(&charges, slow).unwrap();
        budgets.commit(held, &Outcome::Done, slow);
    }
    // Four were spent at most at `start()`, and the first of them is back for sure an interval later.
    let fast = start() + TEN_MINUTES;
    let retry_at = budgets.denial(&charges, fast).map(|denied| denied.retry_at().unwrap());
    assert_eq!(retry_at, None, "the fifth is there by the fast clock");
    let retry_at = budgets.denial(&charges, slow).unwrap().retry_at().unwrap();
    assert_eq!(retry_at, slow + 2 * TEN_MINUTES);
    let held = budgets.reserve(&charges, fast).unwrap();
    budgets.commit(held, &Outcome::Done, slow);
    let retry_at = budgets.denial(&charges, fast).unwrap().retry_at().unwrap();
    // On the fast clock less ten minutes it is exactly the CA's time.
    assert_eq!(retry_at - TEN_MINUTES, start() + Duration::from_secs(120_960));
}

#[test]
fn what_ten_minutes_cost() {
    let at_once = |skew| {
        let mut budgets = production().with_skew(skew);
        let order = |number: usize| {
            let charges = new_order(&budgets, &format!("d{number}.github.io"));
            let held = budgets.reserve(&charges, start())?;
            budgets.commit(held, &Outcome::Done, start());
            Ok::<(), Denied>(())
        };
        (0..301).map(order).take_while(Result::is_ok).count()
    };
    assert_eq!(at_once(Duration::ZERO), 300);
    assert_eq!(at_once(TEN_MINUTES), 266);
    // Half of the burst's three hours: one at a time. More than a day counts as a day, and nothing breaks.
    assert_eq!(at_once(Duration::from_secs(5400)), 1);
    assert_eq!(at_once(Duration::MAX), 1);
}
