//! The queue against a list of entries that is searched from one end to the other.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Pass(u64),
    Insert(u32, Entry),
    Change(u32, Entry),
    Remove(u32),
    Hold(u32, Option<u64>),
    Close(HoldScope, Option<u64>),
    Open(HoldScope),
    Take,
    TakeOther(u32),
}

fn an_entry() -> impl Strategy<Value = Entry> {
    (prop::sample::select(Lane::ALL.to_vec()), 0u32..3, 0u32..3, 0u64..3000)
        .prop_map(|(lane, pool, tenant, deadline)| entry(lane, pool, tenant, deadline))
}

fn any_scope() -> impl Strategy<Value = HoldScope> {
    let lane = || prop::sample::select(Lane::ALL.to_vec());
    prop_oneof![
        Just(HoldScope::All),
        lane().prop_map(HoldScope::Lane),
        (0u32..3).prop_map(|pool| HoldScope::Pool(Pool(pool))),
        (0u32..3, lane()).prop_map(|(pool, lane)| HoldScope::PoolLane(Pool(pool), lane)),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (key, time) = (0u32..40, prop::option::weighted(0.9, 1u64..300));
    let step = prop_oneof![
        3 => (0u64..200).prop_map(Step::Pass),
        8 => (key.clone(), an_entry()).prop_map(|(key, entry)| Step::Insert(key, entry)),
        1 => (key.clone(), an_entry()).prop_map(|(key, entry)| Step::Change(key, entry)),
        1 => key.clone().prop_map(Step::Remove),
        2 => (key.clone(), time.clone()).prop_map(|(key, time)| Step::Hold(key, time)),
        3 => (any_scope(), time).prop_map(|(scope, time)| Step::Close(scope, time)),
        2 => any_scope().prop_map(Step::Open),
        6 => Just(Step::Take),
        1 => key.prop_map(Step::TakeOther),
    ];
    prop::collection::vec(step, 1..200)
}

#[derive(Default)]
struct Model {
    entries: BTreeMap<u32, (Entry, Option<Moment>)>,
    scopes: BTreeMap<HoldScope, Moment>,
}

impl Model {
    fn pass_to(&mut self, now: SystemTime) {
        let now = Moment::of(now);
        self.scopes.retain(|_, until| *until > now);
        for (_, held) in self.entries.values_mut() {
            *held = held.filter(|until| *until > now);
        }
    }

    fn can_go(&self, key: u32) -> bool {
        let (entry, held) = &self.entries[&key];
        let scopes = [
            HoldScope::All,
            HoldScope::Lane(entry.lane),
            HoldScope::Pool(entry.pool),
            HoldScope::PoolLane(entry.pool, entry.lane),
        ];
        held.is_none() && !scopes.iter().any(|scope| self.scopes.contains_key(scope))
    }

    /// ClosedScopes of pools without entries are open.
    fn forget_empty_pools(&mut self) {
        let pools: Vec<Pool> = self.entries.values().map(|(entry, _)| entry.pool).collect();
        self.scopes.retain(|scope, _| match scope {
            HoldScope::All | HoldScope::Lane(_) => true,
            HoldScope::Pool(pool) | HoldScope::PoolLane(pool, _) => pools.contains(pool),
        });
    }

    fn first_end(&self) -> Option<Moment> {
        if let Some(until) = self.scopes.get(&HoldScope::All) {
            return Some(*until);
        }
        let alone = self.entries.values().filter_map(|(_, held)| *held);
        self.scopes.values().copied().chain(alone).min()
    }
}

fn deadline_in(entry: Entry) -> SystemTime {
    entry.deadline.clamp(entry.since, entry.since + MAX_AGE)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn queue_decides_as_a_list_does(steps in steps()) {
        let (mut queue, mut model, mut now) = (queue(), Model::default(), start());
        for step in steps {
            match step {
                Step::Pass(seconds) => now += Duration::from_secs(seconds),
                Step::Insert(key, mut entry) => {
                    entry.since = now;
                    let is_new = !model.entries.contains_key(&key);
                    let expected = if is_new { Ok(()) } else { Err(NotInserted::Present) };
                    prop_assert_eq!(insert(&mut queue, key, entry), expected);
                    model.entries.entry(key).or_insert((entry, None));
                }
                Step::Change(key, entry) => {
                    let known = model.entries.get_mut(&key).map(|(old, _)| *old = entry);
                    prop_assert_eq!(queue.change(key, entry), known.is_some());
                    model.forget_empty_pools();
                }
                Step::Remove(key) => {
                    prop_assert_eq!(queue.remove(key).is_some(), model.entries.remove(&key).is_some());
                    model.forget_empty_pools();
                }
                Step::Hold(key, seconds) => {
                    let until = seconds.map(|seconds| now + Duration::from_secs(seconds));
                    let known = model.entries.get_mut(&key);
                    let known = known.map(|(_, held)| *held = Some(Moment::or_far_future(until)));
                    prop_assert_eq!(queue.hold(key, until, "alone"), known.is_some());
                }
                Step::Close(scope, seconds) => {
                    let until = seconds.map(|seconds| now + Duration::from_secs(seconds));
                    queue.close(scope, until, "scope");
                    model.scopes.insert(scope, Moment::or_far_future(until));
                    model.forget_empty_pools();
                }
                Step::Open(scope) => {
                    prop_assert_eq!(queue.open(scope), model.scopes.remove(&scope).is_some());
                }
                Step::TakeOther(key) => {
                    prop_assert_eq!(queue.take(key).is_some(), model.entries.remove(&key).is_some());
                    model.forget_empty_pools();
                }
                Step::Take => {
                    if let Some((key, entry)) = take(&mut queue, now) {
                        model.pass_to(now);
                        // It was in the model, and goes only once.
                        prop_assert!(model.can_go(key));
                        let (wanted, _) = model.entries[&key];
                        prop_assert_eq!(entry, Entry { deadline: deadline_in(wanted), ..wanted });
                        let flow = |(other, held): &&(Entry, Option<Moment>)| {
                            held.is_none() && other.flow() == wanted.flow()
                        };
                        let first = model.entries.values().filter(flow).map(|(other, _)| deadline_in(*other)).min();
                        prop_assert_eq!(Some(entry.deadline), first, "the earliest of its flow");
                        model.entries.remove(&key);
                        model.forget_empty_pools();
                    }
                }
            }
            model.pass_to(now);
            match queue.next(now) {
                Next::Candidate(key) => prop_assert!(model.can_go(key)),
                Next::Empty => prop_assert!(model.entries.is_empty()),
                Next::Wait { until, .. } => {
                    prop_assert!(!model.entries.is_empty());
                    prop_assert!(!model.entries.keys().any(|key| model.can_go(*key)));
                    prop_assert_eq!(until, model.first_end().and_then(Moment::time));
                }
            }
            prop_assert_eq!(queue.len(), model.entries.len());
        }
        // Each remaining entry leaves once, when all holds have ended.
        for (key, (_, held)) in &model.entries {
            prop_assert!(held.is_none() || queue.hold(*key, Some(now), "alone"));
        }
        model.scopes.keys().for_each(|scope| assert!(queue.open(*scope)));
        while let Some((key, _)) = take(&mut queue, now) {
            prop_assert!(model.entries.remove(&key).is_some());
        }
        prop_assert!(model.entries.is_empty() && queue.is_empty());
    }
}

#[test]
fn full_queue_accepts_no_entry() {
    let options = QueueOptions { capacity: 2, max_flows: 1, ..QueueOptions::default() };
    let mut queue: Plain = Queue::new(options);
    assert_eq!(insert(&mut queue, 1, entry(Lane::New, 1, 1, 10)), Ok(()));
    assert_eq!(insert(&mut queue, 1, entry(Lane::New, 1, 1, 10)), Err(NotInserted::Present));
    assert_eq!(insert(&mut queue, 2, entry(Lane::New, 1, 2, 10)), Err(NotInserted::TooManyFlows));
    assert_eq!(insert(&mut queue, 2, entry(Lane::New, 1, 1, 10)), Ok(()));
    assert_eq!(insert(&mut queue, 3, entry(Lane::New, 1, 1, 10)), Err(NotInserted::Full));
    assert!(queue.remove(1).is_some() && queue.remove(1).is_none());
    assert_eq!(insert(&mut queue, 3, entry(Lane::New, 1, 1, 10)), Ok(()));
    let nothing = QueueOptions { capacity: 0, ..QueueOptions::default() };
    assert_eq!(insert(&mut Plain::new(nothing), 1, entry(Lane::New, 1, 1, 10)), Err(NotInserted::Full));
}

#[test]
fn times_out_of_range_keep_their_order() {
    let mut queue = queue();
    let long_ago = SystemTime::UNIX_EPOCH - Duration::from_secs(1 << 40);
    let far = SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 40);
    for (key, time) in [(1, far), (2, start()), (3, long_ago)] {
        insert(&mut queue, key, Entry { deadline: time, since: time, ..entry(Lane::New, 1, 1, 0) }).unwrap();
    }
    let order: Vec<_> = std::iter::from_fn(|| take(&mut queue, start())).map(|(key, _)| key).collect();
    assert_eq!(order, [3, 2, 1]);
}

#[test]
fn clock_set_back_releases_no_entry_early() {
    let mut queue = queue();
    insert(&mut queue, 1, entry(Lane::New, 1, 1, 10)).unwrap();
    queue.hold(1, Some(after(50)), "early");
    for now in [after(40), start() - Duration::from_secs(1000), after(49)] {
        let wait = Next::Wait { until: Some(after(50)), by: By::Entry(1), why: "early" };
        assert_eq!(queue.next(now), wait);
    }
    assert_eq!(queue.next(after(50)), Next::Candidate(1));
    // Once it can go, it can.
    assert_eq!(queue.next(after(40)), Next::Candidate(1));
}

#[test]
fn standing_names_the_hold_that_ends_last() {
    let mut queue = queue();
    insert(&mut queue, 1, entry(Lane::New, 1, 1, 10)).unwrap();
    let held = |queue: &Plain| queue.standing(1).unwrap().held.map(|held| (held.scope, held.until, held.why));
    assert_eq!(held(&queue), None);
    queue.hold(1, Some(after(50)), "alone");
    queue.close(HoldScope::PoolLane(Pool(1), Lane::New), Some(after(60)), "reserve");
    assert_eq!(
        held(&queue),
        Some((Some(HoldScope::PoolLane(Pool(1), Lane::New)), Some(after(60)), "reserve"))
    );
    queue.close(HoldScope::Lane(Lane::New), Some(after(20)), "lane");
    queue.close(HoldScope::All, None, "halt");
    assert_eq!(held(&queue), Some((Some(HoldScope::All), None, "halt")));
    for scope in [HoldScope::All, HoldScope::Lane(Lane::New), HoldScope::PoolLane(Pool(1), Lane::New)] {
        assert!(queue.open(scope));
    }
    assert_eq!(held(&queue), Some((None, Some(after(50)), "alone")));
}
