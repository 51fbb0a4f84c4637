//! What is said of an entry's place comes true.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn entries(pools: u32) -> impl Strategy<Value = Vec<Entry>> {
    let one = (prop::sample::select(Lane::ALL.to_vec()), 0..pools, 0u32..4, 0u64..900)
        .prop_map(|(lane, pool, tenant, deadline)| entry(lane, pool, tenant, deadline));
    prop::collection::vec(one, 1..120)
}

/// A queue of which some have gone already, with tenants of different weights.
fn filled(entries: &[Entry], gone: usize) -> Plain {
    let mut queue = queue();
    for tenant in 0..4 {
        queue.set_tenant_weight(Tenant(tenant), tenant * 3 + 1);
    }
    for (key, entry) in (0..).zip(entries) {
        queue.insert(key, *entry, ()).unwrap();
        if (key as usize) < gone {
            take(&mut queue, start());
        }
    }
    queue
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn in_one_pool_it_is_exact(entries in entries(1), gone in 0usize..60) {
        let queue = filled(&entries, gone);
        let mut drained = queue.clone();
        let (mut place, mut of_flow) = (0, BTreeMap::new());
        while let Some((key, entry)) = take(&mut drained, start()) {
            let standing = queue.standing(key).unwrap();
            let in_flow = of_flow.entry((entry.lane, entry.tenant)).or_insert(0);
            prop_assert_eq!((standing.in_flow, standing.in_pool, standing.ahead), (*in_flow, place, place));
            *in_flow += 1;
            place += 1;
        }
    }

    /// Among several the place in the pool is exact too, and the place among all is near.
    #[test]
    fn among_pools_the_place_in_the_own_one_is_exact(entries in entries(3), gone in 0usize..60) {
        let queue = filled(&entries, gone);
        let mut drained = queue.clone();
        let mut of_pool = BTreeMap::new();
        let mut wrong = 0;
        let len = queue.len();
        for place in 0..len {
            let (key, entry) = take(&mut drained, start()).unwrap();
            let standing = queue.standing(key).unwrap();
            let in_pool = of_pool.entry(entry.pool).or_insert(0);
            prop_assert_eq!(standing.in_pool, *in_pool);
            prop_assert!(standing.ahead < len);
            wrong += standing.ahead.abs_diff(place);
            *in_pool += 1;
        }
        prop_assert!(wrong <= len + len * len / 3, "on average {} of {len}", wrong / len.max(1));
    }

    /// What is closed is not in anybody's way.
    #[test]
    fn a_closed_pool_is_not_ahead(entries in entries(2)) {
        let mut queue = filled(&entries, 0);
        queue.close(Gate::Pool(Pool(1)), Some(after(1)), "empty");
        let mut drained = queue.clone();
        let mut place = 0;
        while let Some((key, _)) = take(&mut drained, start()) {
            prop_assert_eq!(queue.standing(key).unwrap().ahead, place);
            place += 1;
        }
    }
}

#[test]
fn who_is_not_there_has_no_place() {
    let mut queue = queue();
    assert_eq!(queue.standing(1), None);
    queue.insert(1, entry(Lane::New, 1, 1, 0), ()).unwrap();
    let alone = Standing { in_flow: 0, in_pool: 0, ahead: 0, held: None };
    assert_eq!(queue.standing(1), Some(alone));
}
