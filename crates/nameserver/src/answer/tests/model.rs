//! Updates compared with a simple model of a zone.

use std::collections::{BTreeMap, BTreeSet};

use fleetcert_dns::{Addresses, Change, DnsBackend, Ttl};
use hickory_proto::op::ResponseCode::{self, *};
use hickory_proto::rr::{DNSClass, RData, Record, RecordType};
use proptest::prelude::*;

use super::fixture::{Fixture, a, add, txt, update_record};

const NAMES: [&str; 5] =
    ["fleet.test.", "a.fleet.test.", "b.a.fleet.test.", "d.c.b.a.fleet.test.", "e.c.b.a.fleet.test."];
const TYPES: [RecordType; 2] = [RecordType::A, RecordType::TXT];

type Model = BTreeMap<(usize, usize), BTreeSet<u8>>;

#[derive(Clone, Debug)]
enum Step {
    Add(usize, usize, u8),
    Remove(usize, usize, u8),
    RemoveSet(usize, usize),
    RemoveName(usize),
}

#[derive(Clone, Debug)]
enum Prerequisite {
    Name(usize, bool),
    Set(usize, usize, bool),
}

#[derive(Clone, Debug)]
enum Batch {
    Update(Vec<Prerequisite>, Vec<Step>),
    Backend(Vec<Step>),
}

fn step() -> impl Strategy<Value = Step> {
    let (name, kind, value) = (0..NAMES.len(), 0..TYPES.len(), 0u8..3);
    prop_oneof![
        4 => (name.clone(), kind.clone(), value.clone()).prop_map(|(name, kind, value)| Step::Add(name, kind, value)),
        2 => (name.clone(), kind.clone(), value).prop_map(|(name, kind, value)| Step::Remove(name, kind, value)),
        1 => (name.clone(), kind).prop_map(|(name, kind)| Step::RemoveSet(name, kind)),
        1 => name.prop_map(Step::RemoveName),
    ]
}

fn batch() -> impl Strategy<Value = Batch> {
    let prerequisite = prop_oneof![
        (0..NAMES.len(), any::<bool>()).prop_map(|(name, used)| Prerequisite::Name(name, used)),
        (0..NAMES.len(), 0..TYPES.len(), any::<bool>())
            .prop_map(|(name, kind, there)| Prerequisite::Set(name, kind, there)),
    ];
    let steps = || prop::collection::vec(step(), 0..6);
    prop_oneof![
        3 => (prop::collection::vec(prerequisite, 0..2), steps()).prop_map(|(checks, steps)| Batch::Update(checks, steps)),
        1 => steps().prop_map(Batch::Backend),
    ]
}

fn data(kind: usize, value: u8) -> RData {
    if TYPES[kind] == RecordType::A { a(value) } else { txt(&value.to_string()) }
}

impl Prerequisite {
    fn to_record(&self) -> Record {
        let class = |there| if there { DNSClass::ANY } else { DNSClass::NONE };
        match *self {
            Self::Name(name, used) => update_record(NAMES[name], class(used), RecordType::ANY, 0, None),
            Self::Set(name, kind, there) => update_record(NAMES[name], class(there), TYPES[kind], 0, None),
        }
    }

    fn check(&self, model: &Model) -> Result<(), ResponseCode> {
        let (holds, otherwise) = match *self {
            Self::Name(name, used) => {
                let is_used = name == 0 || model.keys().any(|(other, _)| *other == name);
                (is_used == used, if used { NXDomain } else { YXDomain })
            }
            Self::Set(name, kind, there) => {
                (model.contains_key(&(name, kind)) == there, if there { NXRRSet } else { YXRRSet })
            }
        };
        if holds { Ok(()) } else { Err(otherwise) }
    }
}

impl Step {
    fn to_record(&self) -> Record {
        match *self {
            Self::Add(name, kind, value) => add(NAMES[name], data(kind, value)),
            Self::Remove(name, kind, value) => {
                update_record(NAMES[name], DNSClass::NONE, TYPES[kind], 0, Some(data(kind, value)))
            }
            Self::RemoveSet(name, kind) => update_record(NAMES[name], DNSClass::ANY, TYPES[kind], 0, None),
            Self::RemoveName(name) => update_record(NAMES[name], DNSClass::ANY, RecordType::ANY, 0, None),
        }
    }

    /// Returns the change of the backend that matches this step, if there is one.
    fn to_change(&self) -> Option<Change> {
        let name = |name: usize| NAMES[name].parse().unwrap();
        let value = |value: u8| value.to_string().parse().unwrap();
        match *self {
            Self::Add(at, 1, text) => {
                Some(Change::AddTxt { name: name(at), value: value(text), ttl: Ttl::CHALLENGE })
            }
            Self::Remove(at, 1, text) => Some(Change::RemoveTxt { name: name(at), value: value(text) }),
            Self::RemoveSet(at, 0) => Some(Change::SetAddresses {
                name: name(at),
                addresses: Addresses::default(),
                ttl: Ttl::ADDRESS,
            }),
            _ => None,
        }
    }

    fn take(&self, model: &mut Model) {
        match *self {
            Self::Add(name, kind, value) => drop(model.entry((name, kind)).or_default().insert(value)),
            Self::Remove(name, kind, value) => {
                model.entry((name, kind)).or_default().remove(&value);
                model.retain(|_, values| !values.is_empty());
            }
            Self::RemoveSet(name, kind) => drop(model.remove(&(name, kind))),
            Self::RemoveName(name) => model.retain(|(other, _), _| *other != name),
        }
    }
}

fn check_answers(fixture: &Fixture, model: &Model) -> Result<(), TestCaseError> {
    for name in NAMES.into_iter().chain(["c.b.a.fleet.test."]) {
        let exists = name == NAMES[0]
            || model
                .keys()
                .any(|(other, _)| NAMES[*other] == name || NAMES[*other].ends_with(&format!(".{name}")));
        for (kind, record_type) in TYPES.into_iter().enumerate() {
            let reply = fixture.query(name, record_type);
            let there: BTreeSet<String> =
                reply.answers.iter().map(|record| record.data.to_string()).collect();
            let at = NAMES.iter().position(|other| *other == name);
            let wanted = at.and_then(|at| model.get(&(at, kind))).into_iter().flatten();
            prop_assert_eq!(
                there,
                wanted.map(|value| data(kind, *value).to_string()).collect::<BTreeSet<_>>()
            );
            prop_assert_eq!(reply.response_code == NoError, exists, "{} {}", name, record_type);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn zone_matches_the_model_after_each_update(batches in prop::collection::vec(batch(), 1..16)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let fixture = runtime.block_on(Fixture::new());
        let mut model = Model::new();
        for batch in batches {
            let serial = fixture.serial();
            let before = model.clone();
            match batch {
                Batch::Update(checks, steps) => {
                    let code = fixture.updated(
                        checks.iter().map(Prerequisite::to_record).collect(),
                        steps.iter().map(Step::to_record).collect(),
                    );
                    let allowed = checks.iter().try_for_each(|check| check.check(&model));
                    prop_assert_eq!(code, allowed.err().unwrap_or(NoError));
                    if allowed.is_ok() {
                        steps.iter().for_each(|step| step.take(&mut model));
                    }
                }
                Batch::Backend(steps) => {
                    let (steps, changes): (Vec<_>, Vec<_>) =
                        steps.iter().filter_map(|step| Some((step, step.to_change()?))).unzip();
                    runtime.block_on(fixture.server.apply(&"fleet.test".parse().unwrap(), &changes)).unwrap();
                    steps.iter().for_each(|step| step.take(&mut model));
                }
            }
            prop_assert!(fixture.serial() >= serial);
            prop_assert!(before == model || fixture.serial() > serial);
            check_answers(&fixture, &model)?;
        }
    }
}
