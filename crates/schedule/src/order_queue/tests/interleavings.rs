//! Random interleavings against a model: no order is lost, no token is held twice, and everything ends.

use proptest::prelude::*;

use super::dispatcher::Started;
use super::*;

#[derive(Clone, Debug)]
enum Step {
    Pass(u64),
    Want(u32, Box<Job>),
    Forget(u32),
    Change(u32, Lane),
    Next,
    Ordered(usize),
    Finished(usize, u8),
    Refused(usize, usize, u64),
    PutBack(usize, u64),
    Halt(u64),
    Resume,
    Look,
}

fn a_job() -> impl Strategy<Value = Job> {
    let lane = prop::sample::select(Lane::ALL.to_vec());
    let times =
        (0u64..5000, prop::option::weighted(0.3, 0u64..2000), prop::option::weighted(0.3, 0u64..3000));
    let who = (0u32..12, 1u32..3, 0u32..3);
    (lane, times, who, prop::option::weighted(0.4, 0u64..130)).prop_map(
        |(lane, (deadline, due, window), (name, account_number, tenant), age)| Job {
            names: names(&format!("d{name}.{}", ["example.com", "example.net"][name as usize % 2])),
            account: account(account_number),
            last_issued: age.map(|days| start() - Duration::from_secs(86_400 * days)),
            window: window.map(|opens| (after(opens), after(opens + 1000))),
            lane,
            tenant: Tenant(tenant),
            deadline: after(deadline),
            due: due.map_or(start(), after),
            since: start(),
        },
    )
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let key = 0u32..30;
    let step = prop_oneof![
        3 => (0u64..300).prop_map(Step::Pass),
        8 => (key.clone(), a_job()).prop_map(|(key, job)| Step::Want(key, Box::new(job))),
        1 => key.clone().prop_map(Step::Forget),
        1 => (key, prop::sample::select(Lane::ALL.to_vec())).prop_map(|(key, lane)| Step::Change(key, lane)),
        10 => Just(Step::Next),
        3 => any::<usize>().prop_map(Step::Ordered),
        4 => (any::<usize>(), 0u8..3).prop_map(|(which, how)| Step::Finished(which, how)),
        2 => (any::<usize>(), any::<usize>(), 0u64..2000).prop_map(|(a, b, c)| Step::Refused(a, b, c)),
        2 => (any::<usize>(), 0u64..500).prop_map(|(which, time)| Step::PutBack(which, time)),
        1 => (1u64..500).prop_map(Step::Halt),
        1 => Just(Step::Resume),
        1 => Just(Step::Look),
    ];
    prop::collection::vec(step, 1..150)
}

/// What the model knows of the orders.
#[derive(Default)]
struct Model {
    waiting: BTreeMap<u32, Job>,
    running: BTreeMap<u32, (Job, Charges, bool)>,
    halted_until: Option<SystemTime>,
}

impl Model {
    fn pick(&self, which: usize) -> Option<u32> {
        (!self.running.is_empty()).then(|| *self.running.keys().nth(which % self.running.len()).unwrap())
    }

    /// Each token that is held belongs to exactly one order in flight.
    fn assert_held(&self, fleet: &Dispatcher) {
        let mut expected: BTreeMap<BucketKey, u32> = BTreeMap::new();
        for (_, charges, ordered) in self.running.values() {
            for charge in charges.iter() {
                if !(*ordered && charge.spent == crate::budget::Spent::AtRequest) {
                    *expected.entry(charge.key.clone()).or_default() += 1;
                }
            }
        }
        let rows = fleet.budgets.rows();
        let held: BTreeMap<_, _> =
            rows.map(|row| (row.key, row.held)).filter(|(_, held)| *held > 0).collect();
        assert_eq!(held, expected);
        assert_eq!(
            (fleet.queue.waiting(), fleet.queue.running.len()),
            (self.waiting.len(), self.running.len())
        );
    }
}

const IN_FLIGHT: usize = 8;
const FAILING: usize = 2;

/// The order was due, within the bounds, and leaves what its lane has to leave.
fn assert_may_start(fleet: &Dispatcher, model: &Model, one: &Started, now: SystemTime) {
    let job = &model.waiting[&one.key];
    assert!(job.due <= now, "before its time");
    assert!(model.halted_until.is_none_or(|until| until <= now), "during a halt");
    assert!(model.running.len() < IN_FLIGHT);
    let failing = model.running.values().filter(|(job, ..)| job.lane == Lane::Failing).count();
    assert!(job.lane != Lane::Failing || failing < FAILING);
    for charge in one.charges.iter().filter(|charge| charge.checked) {
        let Rule::Limited(limit) = fleet.budgets.limits().rule_for(&charge.key) else { continue };
        // Its own token is held already.
        let row = fleet.budgets.row(&charge.key).unwrap();
        let left = row.bucket.spend(&limit, now, 0).remaining();
        let kept = if charge.key.kind().is_shared() {
            u32::from(*fleet.reserve.leave.get(job.lane)) * limit.burst() / 1000
        } else {
            0
        };
        assert!(left >= row.held + kept, "{}: {left} left, {} held, {kept} kept", charge.key, row.held);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_order_is_kept_and_eventually_starts(steps in steps()) {
        let leave = PerLane { new: 250, routine: 500, failing: 500, ..PerLane::default() };
        let options =
            OrderQueueOptions { in_flight: IN_FLIGHT, failing_in_flight: FAILING, ..OrderQueueOptions::default() };
        let mut fleet = Dispatcher::new(small(), Reserve { leave }, &options);
        let (mut model, mut now) = (Model::default(), start());
        for step in steps {
            match step {
                Step::Pass(seconds) => now += Duration::from_secs(seconds),
                Step::Want(key, job) => {
                    if !model.running.contains_key(&key) {
                        prop_assert_eq!(fleet.want(key, &job, now), Ok(()));
                        model.waiting.insert(key, *job);
                    }
                }
                Step::Forget(key) => {
                    let is_waiting = model.waiting.remove(&key).is_some();
                    prop_assert_eq!(fleet.queue.forget(&key), is_waiting);
                    if is_waiting {
                        fleet.jobs.remove(&key);
                    }
                }
                // The lane of a record changes; the queue finds out when it is the candidate.
                Step::Change(key, lane) => {
                    if let Some(job) = model.waiting.get_mut(&key) {
                        job.lane = lane;
                        fleet.jobs.get_mut(&key).unwrap().lane = lane;
                    }
                }
                Step::Next => match fleet.next(now) {
                    Dispatched::Started(one) => {
                        assert_may_start(&fleet, &model, &one, now);
                        let job = model.waiting.remove(&one.key).unwrap();
                        model.running.insert(one.key, (job, one.charges, false));
                    }
                    Dispatched::Wait { until, reason } => {
                        prop_assert!(!model.waiting.is_empty());
                        prop_assert!(until.is_none_or(|until| until > now), "{reason} until {until:?} at {now:?}");
                    }
                    Dispatched::Empty => prop_assert!(model.waiting.is_empty()),
                },
                Step::Ordered(which) => {
                    if let Some(key) = model.pick(which) {
                        fleet.ordered(key, now);
                        model.running.get_mut(&key).unwrap().2 = true;
                    }
                }
                Step::Finished(which, how) => {
                    if let Some(key) = model.pick(which) {
                        let (job, ..) = model.running.remove(&key).unwrap();
                        let outcome = match how {
                            0 => Outcome::Done,
                            1 => Outcome::NotIssued { failed: job.names.bases().cloned().collect() },
                            _ => Outcome::Unknown,
                        };
                        let back = fleet.finish(key, &outcome, now);
                        prop_assert_eq!((back.names, back.lane), (job.names, job.lane));
                    }
                }
                Step::Refused(which, bucket, seconds) => {
                    if let Some(key) = model.pick(which) {
                        let (mut job, charges, _) = model.running.remove(&key).unwrap();
                        let keys: Vec<_> = charges.keys().cloned().collect();
                        let refusal = Refusal { retry_after: Duration::from_secs(seconds), seen: None };
                        fleet.refuse(key, &keys[bucket % keys.len()], refusal, now);
                        job.due = now;
                        model.waiting.insert(key, job);
                    }
                }
                Step::PutBack(which, seconds) => {
                    if let Some(key) = model.pick(which) {
                        let (mut job, ..) = model.running.remove(&key).unwrap();
                        job.due = now + Duration::from_secs(seconds);
                        fleet.put_back(key, job.due, now);
                        model.waiting.insert(key, job);
                    }
                }
                Step::Halt(seconds) => {
                    let until = now + Duration::from_secs(seconds);
                    fleet.queue.halt(until);
                    model.halted_until = Some(until);
                }
                Step::Resume => {
                    fleet.queue.resume();
                    model.halted_until = None;
                }
                Step::Look => {
                    for key in 0..30 {
                        let place = fleet.queue.place(&key);
                        let is_known = model.waiting.contains_key(&key) || model.running.contains_key(&key);
                        prop_assert_eq!(place.is_some(), is_known);
                        prop_assert!(place.is_none_or(|place| place.ahead < 30));
                    }
                }
            }
            model.assert_held(&fleet);
        }
        drain(&mut fleet, &mut model, now);
    }
}

/// Every waiting order ends, each once, if the caller only waits as long as the queue says.
fn drain(fleet: &mut Dispatcher, model: &mut Model, mut now: SystemTime) {
    fleet.queue.resume();
    model.halted_until = None;
    let mut turns = 0;
    loop {
        turns += 1;
        assert!(turns < 20_000, "{} wait at {now:?}", fleet.queue.waiting());
        match fleet.next(now) {
            Dispatched::Started(one) => {
                assert_may_start(fleet, model, &one, now);
                let job = model.waiting.remove(&one.key).unwrap();
                model.running.insert(one.key, (job, one.charges, false));
            }
            Dispatched::Empty => break,
            Dispatched::Wait { until, reason } => match (model.pick(turns), until) {
                (Some(key), _) => {
                    fleet.finish(key, &Outcome::Done, now);
                    model.running.remove(&key);
                }
                (None, Some(until)) => {
                    assert!(until > now, "{reason}");
                    now = until;
                }
                (None, None) => panic!("{reason} for ever"),
            },
        }
    }
    while let Some(key) = model.pick(0) {
        fleet.finish(key, &Outcome::Done, now);
        model.running.remove(&key);
    }
    assert!(model.waiting.is_empty() && fleet.jobs.is_empty());
    model.assert_held(fleet);
    assert!(fleet.queue.starting.is_empty() && fleet.queue.failing == 0 && fleet.queue.expiring.is_empty());
}
