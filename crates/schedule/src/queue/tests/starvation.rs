//! Every entry is served eventually.

use proptest::prelude::*;

use super::*;

/// After how many decisions an entry must have gone that has `ahead` others of its flow before it, and behind which
/// no entry of its flow can come before it any more. It follows from the shares alone: while a child is served `n` times, another
/// is served at most `(n + 1)` times the quotient of their weights, and once more.
fn bound(ahead: u64, own: (Lane, u32), tenants: &[u32], pools: u32) -> u64 {
    let lanes = QueueOptions::default().lane_weights;
    let lane_weights = || Lane::ALL.into_iter().map(|lane| u64::from(*lanes.get(lane)));
    let rivals = |turns: u64, own: u64, others: &mut dyn Iterator<Item = u64>| {
        others.fold(turns, |sum, other| sum + ((turns + 1) * other).div_ceil(own) + 1)
    };
    let (lane, tenant) = own;
    let of_flow = ahead + 1;
    let weights = || tenants.iter().map(|weight| u64::from(*weight));
    let of_lane = rivals(of_flow, u64::from(tenants[tenant as usize]), &mut weights());
    let of_pool = rivals(of_lane, u64::from(*lanes.get(lane)), &mut lane_weights());
    if pools == 1 {
        return of_pool;
    }
    // For one turn of its pool, in any lane: the other pools of that lane, then the other lanes.
    let all_tenants: u64 = weights().sum();
    let of_offer = rivals(1, 1, &mut (1..pools).map(|_| all_tenants));
    of_pool * rivals(of_offer, 1, &mut lane_weights())
}

#[derive(Clone, Debug)]
struct Flood {
    lane: Lane,
    pool: u32,
    tenant: u32,
    deadline: u64,
}

fn floods(pools: u32) -> impl Strategy<Value = Vec<Flood>> {
    let flood = (prop::sample::select(Lane::ALL.to_vec()), 0..pools, 0u32..3, 0u64..5000)
        .prop_map(|(lane, pool, tenant, deadline)| Flood { lane, pool, tenant, deadline });
    prop::collection::vec(flood, 1..40)
}

/// Some wait; then, before each decision, as many more come as the flood says, all with deadlines that are over.
fn run(pools: u32, weights: &[u32], before: &[Flood], flood: &[Flood], per_decision: usize, which: usize) {
    let mut queue = queue();
    for (tenant, weight) in (0..).zip(weights) {
        queue.set_tenant_weight(Tenant(tenant), *weight);
    }
    for (key, one) in (0..).zip(before) {
        insert(&mut queue, key, entry(one.lane, one.pool, one.tenant, one.deadline)).unwrap();
    }
    let (key, victim) = (which as u32, &before[which]);
    // After its maximum age no entry comes before it.
    let now = start() + MAX_AGE + Duration::from_secs(1);
    let ahead = queue.standing(key).unwrap().in_flow as u64;
    let bound = bound(ahead, (victim.lane, victim.tenant), weights, pools);
    let mut next = 1000;
    let mut came = flood.iter().cycle();
    for _ in 0..bound {
        for one in came.by_ref().take(per_decision) {
            let entry = Entry { since: now, deadline: start(), ..entry(one.lane, one.pool, one.tenant, 0) };
            insert(&mut queue, next, entry).unwrap();
            next += 1;
        }
        if take(&mut queue, now).unwrap().0 == key {
            return;
        }
    }
    panic!("{victim:?} has waited for {bound} decisions");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn entry_that_waited_max_age_goes_soon(
        weights in prop::collection::vec(1u32..10, 3),
        before in floods(1), flood in floods(1), per_decision in 1usize..4,
        which in any::<prop::sample::Index>(),
    ) {
        run(1, &weights, &before, &flood, per_decision, which.index(before.len()));
    }

    #[test]
    fn entry_that_waited_max_age_goes_soon_among_several_pools(
        weights in prop::collection::vec(1u32..4, 3),
        before in floods(3), flood in floods(3), per_decision in 1usize..3,
        which in any::<prop::sample::Index>(),
    ) {
        run(3, &weights, &before, &flood, per_decision, which.index(before.len()));
    }
}

#[test]
fn deadline_in_the_past_pushes_no_entry_back() {
    let mut queue = queue();
    insert(&mut queue, 1, entry(Lane::New, 1, 1, 0)).unwrap();
    let pushes = Entry { since: after(5), deadline: SystemTime::UNIX_EPOCH, ..entry(Lane::New, 1, 1, 0) };
    insert(&mut queue, 2, pushes).unwrap();
    assert_eq!(take(&mut queue, after(5)).unwrap().0, 1);
}
