//! The computed position of an entry against the real one.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn entries(pools: u32) -> impl Strategy<Value = Vec<Entry>> {
    let one = (prop::sample::select(Lane::ALL.to_vec()), 0..pools, 0u32..4, 0u64..900)
        .prop_map(|(lane, pool, tenant, deadline)| entry(lane, pool, tenant, deadline));
    prop::collection::vec(one, 1..120)
}

/// A queue after some entries were taken, with tenants of different weights.
fn filled(entries: &[Entry], gone: usize) -> Plain {
    let mut queue = queue();
    for tenant in 0..4 {
        queue.set_tenant_weight(Tenant(tenant), tenant * 3 + 1);
    }
    for (key, entry) in (0..).zip(entries) {
        insert(&mut queue, key, *entry).unwrap();
        if (key as usize) < gone {
            take(&mut queue, start());
        }
    }
    queue
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn position_in_one_pool_is_exact(entries in entries(1), gone in 0usize..60) {
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
    fn position_in_its_own_of_several_pools_is_exact(entries in entries(3), gone in 0usize..60) {
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

    #[test]
    fn closed_pool_is_not_ahead(entries in entries(2)) {
        let mut queue = filled(&entries, 0);
        queue.close(HoldScope::Pool(Pool(1)), Some(after(1)), "empty");
        let mut drained = queue.clone();
        let mut place = 0;
        while let Some((key, _)) = take(&mut drained, start()) {
            prop_assert_eq!(queue.standing(key).unwrap().ahead, place);
            place += 1;
        }
    }
}

#[test]
fn unknown_entry_has_no_position() {
    let mut queue = queue();
    assert_eq!(queue.standing(1), None);
    insert(&mut queue, 1, entry(Lane::New, 1, 1, 0)).unwrap();
    let alone = Standing { in_flow: 0, in_pool: 0, ahead: 0, held: None };
    assert_eq!(queue.standing(1), Some(alone));
}

/// How many go before an entry, in its pool and of all, counted.
fn counted(queue: &Plain, key: u32) -> (usize, usize) {
    let mut drained = queue.clone();
    let (own, mut in_pool) = (queue.get(key).unwrap().0.pool, 0);
    for place in 0..queue.len() {
        let (gone, entry) = take(&mut drained, start()).unwrap();
        if gone == key {
            return (in_pool, place);
        }
        in_pool += usize::from(entry.pool == own);
    }
    panic!("{key} is not there");
}

fn is_near(told: usize, counted: usize) -> bool {
    told.abs_diff(counted) <= counted / 10
}

/// Keys go up with each entry, so that the last one of a tenant is known.
fn of_tenants(sizes: impl Iterator<Item = u32>) -> (Plain, Vec<u32>) {
    let (mut queue, mut key, mut last) = (queue(), 0, Vec::new());
    for (tenant, size) in (0..).zip(sizes) {
        for deadline in 0..size {
            key += 1;
            insert(&mut queue, key, entry(Lane::New, 1, tenant, deadline.into())).unwrap();
        }
        last.push(key);
    }
    (queue, last)
}

#[test]
fn among_many_tenants_the_large_ones_count_with_all_that_they_have() {
    // Wherever the large ones stand among the others.
    for large in [[3, 500], [4, 501], [700, 999]] {
        let sizes = (0..1000).map(|tenant| if large.contains(&tenant) { 3000 } else { 1 });
        let (queue, last) = of_tenants(sizes);
        for tenant in [large[0] as usize, large[1] as usize, 600] {
            let key = last[tenant];
            assert_eq!(queue.standing(key).unwrap().in_pool, counted(&queue, key).0);
        }
    }
}

#[test]
fn among_many_tenants_a_heavy_one_counts_once() {
    let (mut queue, last) = of_tenants((0..3000).map(|tenant| match tenant {
        0 => 3000,
        1 => 40,
        _ => 1,
    }));
    queue.set_tenant_weight(Tenant(0), 1000);
    // The weight counts from when the tenant is next awake.
    let (heavy, ()) = queue.take(last[0]).unwrap();
    insert(&mut queue, last[0], heavy).unwrap();
    for key in [last[1] - 30, last[1], last[2999]] {
        let (told, counted) = (queue.standing(key).unwrap().in_pool, counted(&queue, key).0);
        assert!(is_near(told, counted), "{told} instead of {counted}");
    }
}

#[test]
fn among_many_pools_the_large_one_counts_with_all_that_it_has() {
    let mut queue = queue();
    let mut key = 0;
    for pool in 0..1000 {
        for deadline in 0..if [500, 501].contains(&pool) { 3000 } else { 1 } {
            key += 1;
            insert(&mut queue, key, entry(Lane::New, pool, 1, deadline)).unwrap();
        }
    }
    for key in [501, 2000, 3499, 3500 + 3000, key] {
        let standing = queue.standing(key).unwrap();
        let (in_pool, ahead) = counted(&queue, key);
        assert_eq!(standing.in_pool, in_pool);
        // The first turn among the pools is not counted.
        let off = standing.ahead.abs_diff(ahead);
        assert!(off <= 1000 + ahead / 10, "{} instead of {ahead}", standing.ahead);
    }
}

#[test]
fn many_pools_that_are_gone_leave_no_trace() {
    let (mut queue, mut never) = (queue(), queue());
    for pool in 0..20_000 {
        insert(&mut queue, pool, entry(Lane::New, pool, 1, 0)).unwrap();
    }
    for pool in 100..20_000 {
        queue.take(pool).unwrap();
    }
    for pool in 0..100 {
        for deadline in 0..5 {
            insert(&mut queue, 100_000 + 5 * pool + deadline, entry(Lane::New, pool, 1, deadline.into()))
                .unwrap();
        }
    }
    for pool in 0..100 {
        insert(&mut never, pool, entry(Lane::New, pool, 1, 0)).unwrap();
        for deadline in 0..5 {
            insert(&mut never, 100_000 + 5 * pool + deadline, entry(Lane::New, pool, 1, deadline.into()))
                .unwrap();
        }
    }
    for key in [0, 57, 100_001, 100_499] {
        let ahead = queue.standing(key).unwrap().ahead;
        assert!(ahead < queue.len());
        assert!(is_near(ahead, never.standing(key).unwrap().ahead), "{key}");
    }
}
