//! Tokens that are left to others, and the time of the next ones.

use proptest::prelude::*;

use super::*;

/// 60 of the 300 orders of an account, 10 of the 50 certificates of a domain.
const FIFTH: Leave = Leave::PerMille(200);

/// One registered domain for each device, so that only the orders of the account are shared.
fn apart(budgets: &Budgets, number: usize) -> Charges {
    new_order(budgets, &format!("d{number}.github.io"))
}

#[test]
fn renewal_leaves_tokens_for_a_new_device() {
    let mut budgets = production();
    let mut reserved = Vec::new();
    while let Ok(one) = budgets.reserve_leaving(&apart(&budgets, reserved.len()), FIFTH, start()) {
        reserved.push(one);
    }
    assert_eq!(reserved.len(), 240);
    // They are held, and the 60 cannot be there while they are.
    let denied = budgets.denial_leaving(&apart(&budgets, 240), FIFTH, start()).unwrap();
    assert!(matches!(denied.by(), DeniedBy::Limit { remaining: 300, held: 240, .. }), "{denied:?}");
    assert_eq!(denied.retry_at(), None);
    for number in 240..300 {
        reserved.push(budgets.reserve(&apart(&budgets, number), start()).unwrap());
    }
    assert!(budgets.reserve(&apart(&budgets, 300), start()).is_err());

    reserved.into_iter().for_each(|one| budgets.commit(one, &Outcome::Done, start()));
    // 61 tokens are refilled after 61 times 36 seconds.
    let later = start() + Duration::from_secs(61 * 36);
    assert_eq!(
        budgets.denial_leaving(&apart(&budgets, 300), FIFTH, start()).unwrap().retry_at(),
        Some(later)
    );
    assert_eq!(budgets.denial_leaving(&apart(&budgets, 300), FIFTH, later), None);
    let earlier = later - Duration::from_nanos(1);
    assert!(budgets.denial_leaving(&apart(&budgets, 300), FIFTH, earlier).is_some());
}

#[test]
fn leave_per_mille_grows_with_an_override() {
    let fit = |budgets: &mut Budgets| {
        let fits = (0..2000).take_while(|_| {
            let charges = new_order(budgets, "a.example.com");
            // The failures and the exact set are not shared, and nothing is left of them.
            let shared = charges.iter().filter(|charge| charge.key.kind().is_shared()).count();
            assert_eq!(shared, 2);
            let order = budgets.reserve_leaving(&charges, FIFTH, start());
            order.map(|order| budgets.commit(order, &Outcome::NotIssued { failed: vec![] }, start())).is_ok()
        });
        fits.count()
    };
    let mut budgets = production();
    assert_eq!(fit(&mut budgets), 240);
    let mut budgets = production();
    let tier = Limit::new(1000, 1000, WEEK).unwrap();
    budgets.limits.set_override(Override::NewOrdersPerAccount(account()), tier);
    assert_eq!(fit(&mut budgets), 800);
}

#[test]
fn leave_does_not_apply_to_unchecked_charges() {
    let budgets = production();
    let kind = OrderKind::AriWindow { same_set: false };
    let charges = Charges::order(budgets.limits(), kind, &account(), &set(&["a.example.com"]));
    assert_eq!(budgets.denial_leaving(&charges, u32::MAX, start()), None);
    assert_eq!(budgets.available_at(&charges, 1, start()), None);
    // An order that takes one token can never leave a whole burst.
    let new = new_order(&budgets, "a.example.com");
    assert_eq!(budgets.denial_leaving(&new, 49, start()), None);
    assert_eq!(budgets.denial_leaving(&new, 50, start()).unwrap().retry_at(), None);
    assert_eq!(budgets.denial_leaving(&new, Leave::PerMille(u16::MAX), start()).unwrap().retry_at(), None);
}

#[test]
fn available_at_is_the_time_of_the_nth_token() {
    let mut budgets = production();
    let charges = new_order(&budgets, "a.example.com");
    let at = |budgets: &Budgets, n| {
        budgets.available_at(&charges, n, start()).unwrap().duration_since(start()).unwrap().as_secs()
    };
    assert_eq!([0, 1, 50, 51, 52].map(|n| at(&budgets, n)), [0, 0, 0, 12_096, 24_192]);
    let _held = budgets.reserve(&new_order(&budgets, "b.example.com"), start()).unwrap();
    assert_eq!([49, 50].map(|n| at(&budgets, n)), [0, 12_096]);
    // Saturates, at the end of 2262 for the bucket and at once for a clock beyond it.
    let end = SystemTime::UNIX_EPOCH + Duration::from_nanos(i64::MAX as u64);
    assert_eq!(budgets.available_at(&charges, u64::MAX, start()), Some(end));
    let beyond = end + DAY;
    assert_eq!(budgets.available_at(&charges, u64::MAX, beyond), Some(beyond));
    let unknown = Budgets::new(Limits::unknown(), 10);
    assert_eq!(unknown.available_at(&charges, 1, start()), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The closed form says what a loop finds that takes one after the other.
    #[test]
    fn available_at_equals_a_loop_of_reservations(spent in 0usize..60, wait in 0u64..400_000, n in 1usize..80) {
        let mut budgets = production();
        let order = |budgets: &mut Budgets, number: usize, now| {
            let charges = new_order(budgets, &format!("d{number}.example.com"));
            let held = budgets.reserve(&charges, now)?;
            budgets.commit(held, &Outcome::Done, now);
            Ok::<(), Denied>(())
        };
        for number in 0..spent {
            let _ = order(&mut budgets, number, start());
        }
        let mut now = start() + Duration::from_secs(wait);
        let expected = budgets.available_at(&new_order(&budgets, "x.example.com"), n as u64, now).unwrap();
        for number in 100..100 + n {
            while let Err(denied) = order(&mut budgets, number, now) {
                now = denied.retry_at().unwrap();
            }
        }
        prop_assert_eq!(now, expected);
    }

    #[test]
    fn larger_leave_never_gets_more_tokens(spent in 0u32..50, wait in 0u64..400_000, leave in 0u32..60) {
        let mut budgets = production();
        for number in 0..spent {
            let charges = new_order(&budgets, &format!("d{number}.example.com"));
            let held = budgets.reserve(&charges, start()).unwrap();
            budgets.commit(held, &Outcome::Done, start());
        }
        let now = start() + Duration::from_secs(wait);
        let charges = new_order(&budgets, "x.example.com");
        match (budgets.denial_leaving(&charges, leave, now), budgets.denial_leaving(&charges, leave + 1, now)) {
            (Some(_), more) => prop_assert!(more.is_some()),
            (None, Some(more)) => prop_assert!(more.retry_at().is_none_or(|at| at > now)),
            (None, None) => {}
        }
    }
}
