//! The mirror of one node against the CA.

use proptest::prelude::*;

use super::ca::{Ca, small_limits};
use super::*;

#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    Reserve {
        name: u8,
        same_set: bool,
    },
    /// The order goes to the CA; our note of it may be lost.
    OpenOrder {
        which: usize,
        noted: bool,
    },
    /// The CA issues, or finds that a validation fails; some time later we hear of it, or not.
    End {
        which: usize,
        issued: bool,
        reported_after: u64,
        is_reported: bool,
    },
    Release {
        which: usize,
    },
    /// Everything but the rows and the charges is lost.
    Crash,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0u64..900).prop_map(Step::Wait),
        (0u8..4, any::<bool>()).prop_map(|(name, same_set)| Step::Reserve { name, same_set }),
        (0u8..4, any::<bool>()).prop_map(|(name, same_set)| Step::Reserve { name, same_set }),
        (any::<usize>(), any::<bool>()).prop_map(|(which, noted)| Step::OpenOrder { which, noted }),
        (any::<usize>(), any::<bool>(), 0u64..60, any::<bool>()).prop_map(
            |(which, issued, reported_after, is_reported)| Step::End {
                which,
                issued,
                reported_after,
                is_reported
            }
        ),
        any::<usize>().prop_map(|which| Step::Release { which }),
        Just(Step::Crash),
    ];
    prop::collection::vec(step, 1..300)
}

struct OpenOrder {
    charges: Charges,
    reservation: Reservation,
    name: HostName,
    sent: bool,
    noted: bool,
}

fn take(orders: &mut Vec<OpenOrder>, which: usize, sent: bool) -> Option<OpenOrder> {
    let found: Vec<_> = (0..orders.len()).filter(|index| orders[*index].sent == sent).collect();
    (!found.is_empty()).then(|| orders.swap_remove(found[which % found.len()]))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn ca_never_refuses_a_granted_reservation(steps in steps()) {
        let mut budgets = Budgets::new(small_limits(), 1000);
        let (mut ca, mut at, mut orders) = (Ca::default(), 0u64, Vec::<OpenOrder>::new());
        let time = |at: u64| start() + Duration::from_secs(at);
        for step in steps {
            match step {
                Step::Wait(seconds) => at += seconds,
                Step::Reserve { name, same_set } => {
                    let text = format!("d{name}.example.com");
                    let kind = if same_set { OrderKind::SameSet } else { OrderKind::New };
                    let charges = Charges::order(budgets.limits(), kind, &account(), &set(&[&text]));
                    if let Ok(reservation) = budgets.reserve(&charges, time(at)) {
                        let name = host(&text);
                        orders.push(OpenOrder { charges, reservation, name, sent: false, noted: false });
                    }
                }
                Step::OpenOrder { which, noted } => {
                    let Some(mut order) = take(&mut orders, which, false) else { continue };
                    for charge in order.charges.iter().filter(|charge| charge.checked) {
                        prop_assert!(ca.has_one(&charge.key, at), "429 of {}", charge.key);
                    }
                    for charge in order.charges.iter().filter(|charge| charge.spent == Spent::AtRequest) {
                        prop_assert!(ca.spend(&charge.key, at));
                    }
                    if noted {
                        at += 1;
                        budgets.ordered(&mut order.reservation, time(at));
                    }
                    orders.push(OpenOrder { sent: true, noted, ..order });
                }
                Step::End { which, issued, reported_after, is_reported } => {
                    let Some(order) = take(&mut orders, which, true) else { continue };
                    let taken = if issued { Spent::AtIssuance } else { Spent::AtFailedValidation };
                    for charge in order.charges.iter().filter(|charge| charge.spent == taken) {
                        prop_assert!(ca.spend(&charge.key, at), "{} was not there", charge.key);
                    }
                    at += reported_after;
                    let outcome = match (is_reported, issued) {
                        (false, _) => Outcome::Unknown,
                        (true, true) => Outcome::Done,
                        (true, false) => Outcome::NotIssued { failed: vec![order.name] },
                    };
                    budgets.commit(order.reservation, &outcome, time(at));
                }
                Step::Release { which } => {
                    if let Some(order) = take(&mut orders, which, false) {
                        budgets.release(order.reservation, time(at));
                    }
                }
                Step::Crash => {
                    let mut after = Budgets::new(small_limits(), 1000);
                    for row in budgets.rows() {
                        prop_assert!(after.restore(row, time(at)));
                    }
                    budgets = after;
                    for order in &mut orders {
                        order.reservation = Reservation::resume(order.charges.clone(), order.noted);
                    }
                }
            }
        }
        // The held tokens are exactly those of the orders in flight.
        let held: usize = budgets.rows().map(|row| row.held as usize).sum();
        prop_assert_eq!(held, orders.iter().map(|order| order.reservation.held().count()).sum::<usize>());
    }

    #[test]
    fn release_undoes_a_reservation(spent in 0usize..6, wait in 0u64..3000) {
        let mut budgets = Budgets::new(small_limits(), 1000);
        let charges = new_order(&budgets, "a.example.com");
        for _ in 0..spent.min(2) {
            let held = budgets.reserve(&charges, start()).unwrap();
            budgets.commit(held, &Outcome::Unknown, start());
        }
        let now = start() + Duration::from_secs(wait);
        let state = |budgets: &Budgets| {
            let rows = budgets.rows().filter(|row| !row.bucket.is_full(now) || row.held > 0);
            let mut rows: Vec<_> = rows.map(|row| (row.key, row.bucket, row.held)).collect();
            rows.sort();
            rows
        };
        let before = state(&budgets);
        let held = budgets.reserve(&charges, now).unwrap();
        budgets.release(held, now);
        prop_assert_eq!(state(&budgets), before);
    }
}
