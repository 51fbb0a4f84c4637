//! Shares by weight, also of rare tokens.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// As many entries of each as there are decisions, so that no flow runs empty.
fn filled(weights: &[u32], decisions: u32) -> Plain {
    let mut queue = queue();
    for (tenant, weight) in (0..).zip(weights) {
        queue.set_tenant_weight(Tenant(tenant), *weight);
        for number in 0..decisions {
            let entry = entry(Lane::New, 1, tenant, u64::from(number % 7));
            insert(&mut queue, tenant * 10_000 + number, entry).unwrap();
        }
    }
    queue
}

/// The services divided by the weights differ by no more than one service of each.
fn assert_fair<I: Ord + std::fmt::Debug>(served: &BTreeMap<I, u64>, weight: impl Fn(&I) -> u64) {
    for (one, mine) in served {
        for (other, its) in served {
            let (a, b) = (mine * weight(other), its * weight(one));
            assert!(a.abs_diff(b) <= weight(one) + weight(other) + 1, "{one:?}, {other:?} in {served:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn tenants_share_by_weight(
        weights in prop::collection::vec(1u32..20, 2..6),
        decisions in 1u32..300,
    ) {
        let mut queue = filled(&weights, decisions);
        let mut served: BTreeMap<usize, u64> = (0..weights.len()).map(|tenant| (tenant, 0)).collect();
        for _ in 0..decisions {
            let (_, entry) = take(&mut queue, start()).unwrap();
            *served.get_mut(&(entry.tenant.0 as usize)).unwrap() += 1;
        }
        assert_fair(&served, |tenant| u64::from(weights[*tenant]));
    }

    /// A token of pool 1 is refilled rarely. Meanwhile pool 2 is served all the time, and passes its lanes on
    /// far beyond those of pool 1; and still each token goes to the lane that it is owed to.
    #[test]
    fn lanes_share_rare_tokens_by_weight(between in 1u32..50, tokens in 1u32..100) {
        let mut queue = queue();
        let weights = QueueOptions::default().lane_weights;
        for (number, lane) in (0..).zip(Lane::ALL) {
            for key in 0..tokens {
                insert(&mut queue, number * 1000 + key, entry(lane, 1, 1, 0)).unwrap();
            }
        }
        let mut served: BTreeMap<Lane, u64> = Lane::ALL.into_iter().map(|lane| (lane, 0)).collect();
        queue.close(HoldScope::Pool(Pool(1)), None, "empty");
        for turn in 0..tokens * between {
            insert(&mut queue, 1_000_000 + turn, entry(Lane::Expiring, 2, 1, 0)).unwrap();
            prop_assert_eq!(take(&mut queue, start()).unwrap().1.pool, Pool(2));
            if turn % between == 0 {
                queue.open(HoldScope::Pool(Pool(1)));
                let (_, entry) = take(&mut queue, start()).unwrap();
                prop_assert_eq!(entry.pool, Pool(1));
                *served.get_mut(&entry.lane).unwrap() += 1;
                queue.close(HoldScope::Pool(Pool(1)), None, "empty");
            }
        }
        assert_fair(&served, |lane| u64::from(*weights.get(*lane)));
    }
}

#[test]
fn lane_alone_is_served_always_and_owes_nothing() {
    let mut queue = queue();
    for key in 0..100 {
        insert(&mut queue, key, entry(Lane::Failing, 1, 1, 0)).unwrap();
    }
    for _ in 0..50 {
        take(&mut queue, start()).unwrap();
    }
    for key in 100..200 {
        insert(&mut queue, key, entry(Lane::Routine, 1, 1, 0)).unwrap();
    }
    let lanes: Vec<_> = (0..30).map(|_| take(&mut queue, start()).unwrap().1.lane).collect();
    // Two to one from the start.
    assert!((9..=11).contains(&lanes.iter().filter(|lane| **lane == Lane::Failing).count()), "{lanes:?}");
}

#[test]
fn weight_of_zero_counts_as_one() {
    let options = QueueOptions { lane_weights: PerLane::default(), ..QueueOptions::default() };
    let mut queue: Plain = Queue::new(options);
    queue.set_tenant_weight(Tenant(1), 0);
    for key in 0..100 {
        insert(&mut queue, key, entry(Lane::New, 1, key % 2, 0)).unwrap();
    }
    let first: u32 = (0..50).map(|_| take(&mut queue, start()).unwrap().1.tenant.0).sum();
    assert_eq!(first, 25);
}
