//! Whatever happens in whatever order: nothing is lost, nothing is held twice, and all comes to an end.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Pass(u64),
    Want(u32, Box<Want>),
    Forget(u32),
    Change(u32, Lane, u64),
    Next,
    Ordered(usize),
    Finished(usize, u8),
    Refused(usize, usize, u64),
    PutBack(usize, Option<u64>),
    Halt(Option<u64>),
    Resume,
    Look,
}

fn a_want() -> impl Strategy<Value = Want> {
    let lane = prop::sample::select(Lane::ALL.to_vec());
    let times =
        (0u64..5000, prop::option::weighted(0.3, 0u64..2000), prop::option::weighted(0.3, 0u64..3000));
    let who = (0u32..12, 1u32..3, 0u32..3);
    (lane, times, who, prop::option::weighted(0.4, 0u64..130)).prop_map(
        |(lane, (deadline, not_before, window), (name, account_number, tenant), age)| Want {
            names: names(&format!("d{name}.{}", ["example.com", "example.net"][name as usize % 2])),
            account: account(account_number),
            last_issued: age.map(|days| start() - Duration::from_secs(86_400 * days)),
            ari_window: window.and_then(|opens| Window::new(after(opens), after(opens + 1000))),
            lane,
            tenant: Tenant(tenant),
            deadline: after(deadline),
            not_before: not_before.map(after),
        },
    )
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let key = 0u32..30;
    let time = || prop::option::weighted(0.8, 1u64..500);
    let step = prop_oneof![
        3 => (0u64..300).prop_map(Step::Pass),
        8 => (key.clone(), a_want()).prop_map(|(key, want)| Step::Want(key, Box::new(want))),
        1 => key.clone().prop_map(Step::Forget),
        1 => (key, prop::sample::select(Lane::ALL.to_vec()), 0u64..5000)
            .prop_map(|(key, lane, deadline)| Step::Change(key, lane, deadline)),
        10 => Just(Step::Next),
        3 => any::<usize>().prop_map(Step::Ordered),
        4 => (any::<usize>(), 0u8..3).prop_map(|(which, how)| Step::Finished(which, how)),
        2 => (any::<usize>(), any::<usize>(), 0u64..2000).prop_map(|(a, b, c)| Step::Refused(a, b, c)),
        2 => (any::<usize>(), time()).prop_map(|(which, time)| Step::PutBack(which, time)),
        1 => time().prop_map(Step::Halt),
        1 => Just(Step::Resume),
        1 => Just(Step::Look),
    ];
    prop::collection::vec(step, 1..150)
}

/// What the test knows of the orders.
#[derive(Default)]
struct Known {
    waiting: BTreeMap<u32, Want>,
    running: BTreeMap<u32, (Want, Charges, bool)>,
    not_before: BTreeMap<u32, SystemTime>,
    halted: Option<Option<SystemTime>>,
}

impl Known {
    fn pick(&self, which: usize) -> Option<u32> {
        (!self.running.is_empty()).then(|| *self.running.keys().nth(which % self.running.len()).unwrap())
    }

    /// Each token that is held belongs to exactly one order under way.
    fn assert_held(&self, scheduler: &Scheduler<u32>) {
        let mut expected: BTreeMap<BucketKey, u32> = BTreeMap::new();
        for (_, charges, ordered) in self.running.values() {
            for charge in charges.iter() {
                if !(*ordered && charge.spent == crate::budget::Spent::AtRequest) {
                    *expected.entry(charge.key.clone()).or_default() += 1;
                }
            }
        }
        let rows = scheduler.budgets().rows();
        let held: BTreeMap<_, _> =
            rows.map(|row| (row.key, row.held)).filter(|(_, held)| *held > 0).collect();
        assert_eq!(held, expected);
        assert_eq!((scheduler.waiting(), scheduler.under_way()), (self.waiting.len(), self.running.len()));
    }
}

/// Before an order starts: what its lane must leave is left, and nothing else stands against it.
fn assert_may_start(scheduler: &Scheduler<u32>, known: &Known, one: &Start<u32>, now: SystemTime) {
    let want = &known.waiting[&one.key];
    assert!(known.not_before.get(&one.key).is_none_or(|time| *time <= now), "before its time");
    assert!(known.halted.is_none_or(|until| until.is_some_and(|until| until <= now)), "while all is halted");
    assert!(known.running.len() < scheduler.options.in_flight);
    let failing = known.running.values().filter(|(want, ..)| want.lane == Lane::Failing).count();
    assert!(want.lane != Lane::Failing || failing < scheduler.options.failing_in_flight);
    for charge in one.charges.iter().filter(|charge| charge.checked) {
        let Rule::Limited(limit) = scheduler.budgets().limits().rule_for(&charge.key) else { continue };
        // It is held already.
        let row = scheduler.budgets().row(&charge.key).unwrap();
        let left = row.bucket.spend(&limit, now, 0).remaining();
        let kept = if charge.key.kind().is_shared() {
            u32::from(*scheduler.options.reserve.leave.get(want.lane)) * limit.burst() / 1000
        } else {
            0
        };
        assert!(left >= row.held + kept, "{}: {left} left, {} held, {kept} kept", charge.key, row.held);
    }
}

fn options() -> SchedulerOptions {
    let leave = PerLane { new: 250, routine: 500, failing: 500, ..PerLane::default() };
    let (in_flight, failing_in_flight) = (8, 2);
    SchedulerOptions { reserve: Reserve { leave }, in_flight, failing_in_flight, ..small() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn nothing_is_lost_and_nothing_is_stuck(steps in steps()) {
        let mut scheduler = scheduler(options());
        let (mut known, mut now) = (Known::default(), start());
        for step in steps {
            match step {
                Step::Pass(seconds) => now += Duration::from_secs(seconds),
                Step::Want(key, want) => {
                    let expected = if known.running.contains_key(&key) { Err(WantError::UnderWay) } else { Ok(()) };
                    prop_assert_eq!(scheduler.want(key, &want, now), expected);
                    if expected.is_ok() {
                        known.not_before.remove(&key);
                        known.not_before.extend(want.not_before.map(|time| (key, time)));
                        known.waiting.insert(key, *want);
                    }
                }
                Step::Forget(key) => {
                    prop_assert_eq!(scheduler.forget(key), known.waiting.remove(&key).is_some());
                }
                Step::Change(key, lane, deadline) => {
                    let waits = known.waiting.get_mut(&key).map(|want| want.lane = lane).is_some();
                    prop_assert_eq!(scheduler.change(key, lane, after(deadline)), waits);
                }
                Step::Next => match scheduler.next(now) {
                    Next::Start(one) => {
                        assert_may_start(&scheduler, &known, &one, now);
                        let want = known.waiting.remove(&one.key).unwrap();
                        known.running.insert(one.key, (want, one.charges, false));
                    }
                    Next::Wait { until, why } => {
                        prop_assert!(!known.waiting.is_empty());
                        prop_assert!(until.is_none_or(|until| until > now), "{why} until {until:?} at {now:?}");
                    }
                    Next::Empty => prop_assert!(known.waiting.is_empty()),
                },
                Step::Ordered(which) => {
                    if let Some(key) = known.pick(which) {
                        prop_assert!(scheduler.ordered(key, now));
                        known.running.get_mut(&key).unwrap().2 = true;
                    }
                }
                Step::Finished(which, how) => {
                    if let Some(key) = known.pick(which) {
                        let (want, ..) = known.running.remove(&key).unwrap();
                        let failed = want.names.names().to_vec();
                        let outcome = match how {
                            0 => Outcome::Done,
                            1 => Outcome::NotIssued { failed },
                            _ => Outcome::Unknown,
                        };
                        let back = scheduler.finished(key, &outcome, now).unwrap();
                        prop_assert_eq!((back.names, back.lane), (want.names, want.lane));
                    }
                }
                Step::Refused(which, bucket, seconds) => {
                    if let Some(key) = known.pick(which) {
                        let (want, charges, _) = known.running.remove(&key).unwrap();
                        let keys: Vec<_> = charges.keys().cloned().collect();
                        let retry_after = Duration::from_secs(seconds);
                        let refusal = Refusal { retry_after, seen: None };
                        prop_assert!(scheduler.refused(key, &keys[bucket % keys.len()], refusal, now).is_some());
                        known.not_before.remove(&key);
                        known.waiting.insert(key, want);
                    }
                }
                Step::PutBack(which, seconds) => {
                    if let Some(key) = known.pick(which) {
                        let (want, ..) = known.running.remove(&key).unwrap();
                        let not_before = seconds.map(|seconds| now + Duration::from_secs(seconds));
                        prop_assert!(scheduler.put_back(key, not_before, now));
                        known.not_before.remove(&key);
                        known.not_before.extend(not_before.map(|time| (key, time)));
                        known.waiting.insert(key, want);
                    }
                }
                Step::Halt(seconds) => {
                    let until = seconds.map(|seconds| now + Duration::from_secs(seconds));
                    scheduler.halt(until, Halt::Breaker);
                    known.halted = Some(until);
                }
                Step::Resume => {
                    scheduler.resume();
                    known.halted = None;
                }
                Step::Look => {
                    for key in 0..30 {
                        let standing = scheduler.standing(key, now);
                        let is_there = known.waiting.contains_key(&key) || known.running.contains_key(&key);
                        prop_assert_eq!(standing.is_some(), is_there);
                        prop_assert!(standing.is_none_or(|standing| standing.ahead < 30));
                    }
                }
            }
            known.assert_held(&scheduler);
        }
        drain(&mut scheduler, &mut known, now);
    }
}

/// All that is wanted comes to an end, each once, if one only waits as long as one is told.
fn drain(scheduler: &mut Scheduler<u32>, known: &mut Known, mut now: SystemTime) {
    scheduler.resume();
    known.halted = None;
    let mut turns = 0;
    loop {
        turns += 1;
        assert!(turns < 20_000, "{} wait at {now:?}", scheduler.waiting());
        match scheduler.next(now) {
            Next::Start(one) => {
                assert_may_start(scheduler, known, &one, now);
                let want = known.waiting.remove(&one.key).unwrap();
                known.running.insert(one.key, (want, one.charges, false));
            }
            Next::Empty => break,
            Next::Wait { until, why } => match (known.pick(turns), until) {
                (Some(key), _) => {
                    scheduler.finished(key, &Outcome::Done, now);
                    known.running.remove(&key);
                }
                (None, Some(until)) => {
                    assert!(until > now, "{why}");
                    now = until;
                }
                (None, None) => panic!("{why} for ever"),
            },
        }
    }
    while let Some(key) = known.pick(0) {
        scheduler.finished(key, &Outcome::Done, now);
        known.running.remove(&key);
    }
    assert!(known.waiting.is_empty());
    known.assert_held(scheduler);
    assert!(scheduler.reasons.is_empty() && scheduler.exemptions.is_empty() && scheduler.paused.is_empty());
}
