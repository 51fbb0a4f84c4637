//! Several nodes, one store: rows by compare-and-set, a journal, crashes between any two steps, clocks that differ.

use std::collections::HashMap;

use proptest::prelude::*;
use proptest::test_runner::{TestError, TestRng, TestRunner};

use super::ca::{Ca, small_limits};
use super::*;

/// The clocks are wrong by up to this, on either side of the CA's.
const SKEW: i64 = 600;

/// What all nodes see.
#[derive(Default)]
struct Store {
    rows: HashMap<BucketKey, (u64, Row)>,
    journal: HashMap<usize, Entry>,
    next: usize,
}

#[derive(Clone)]
struct Entry {
    version: u64,
    charges: Charges,
    name: HostName,
    /// Written before the order is sent.
    sending: bool,
    /// Written after it was accepted.
    ordered: bool,
    /// What happened at the CA. No node reads it before the CA answers.
    truth: Truth,
}

#[derive(Clone, Copy, PartialEq)]
enum Truth {
    NotSent,
    Pending,
    Ended { issued: bool },
}

#[derive(Clone, Debug)]
enum Op {
    Reserve { name: u8, kind: u8, leave: u8 },
    Ordered { which: usize },
    Commit { which: usize, is_reported: bool },
    Release { which: usize },
}

#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    /// A node reads, by its clock of that moment, and decides; it writes later.
    Begin {
        node: usize,
        op: Op,
        clock: i64,
    },
    Finish {
        node: usize,
    },
    Crash {
        node: usize,
    },
    /// The journal says that the order goes out now.
    Sending {
        which: usize,
        at_once: bool,
    },
    /// It comes to the CA later than at once.
    Send {
        which: usize,
    },
    /// The CA issues, or a validation fails.
    End {
        which: usize,
        issued: bool,
    },
}

/// What a node read, and what it will write if that is still so.
struct Transaction {
    op: Op,
    clock: i64,
    read: Vec<(BucketKey, u64)>,
    entry: Option<(usize, u64)>,
    rows: Vec<(BucketKey, Option<Row>)>,
    write: Write,
}

enum Write {
    Insert(Box<Entry>),
    Ordered,
    Remove,
}

fn steps(skew: i64) -> impl Strategy<Value = Vec<Step>> {
    let op = prop_oneof![
        8 => (0u8..4, 0u8..4, 0u8..3).prop_map(|(name, kind, leave)| Op::Reserve { name, kind, leave }),
        3 => any::<usize>().prop_map(|which| Op::Ordered { which }),
        6 => (any::<usize>(), any::<bool>()).prop_map(|(which, is_reported)| Op::Commit { which, is_reported }),
        1 => any::<usize>().prop_map(|which| Op::Release { which }),
    ];
    // The worst are the extremes.
    let clock = prop_oneof![Just(-skew), Just(skew), -skew..=skew];
    let step = prop_oneof![
        2 => (0u64..20).prop_map(Step::Wait),
        1 => (0u64..1500).prop_map(Step::Wait),
        20 => (0usize..4, op, clock).prop_map(|(node, op, clock)| Step::Begin { node, op, clock }),
        8 => (0usize..4).prop_map(|node| Step::Finish { node }),
        1 => (0usize..4).prop_map(|node| Step::Crash { node }),
        6 => (any::<usize>(), any::<bool>()).prop_map(|(which, at_once)| Step::Sending { which, at_once }),
        2 => any::<usize>().prop_map(|which| Step::Send { which }),
        6 => (any::<usize>(), any::<bool>()).prop_map(|(which, issued)| Step::End { which, issued }),
    ];
    prop::collection::vec(step, 1..500)
}

impl Store {
    fn pick(&self, which: usize, wanted: impl Fn(&Entry) -> bool) -> Option<usize> {
        let mut found: Vec<_> =
            self.journal.iter().filter(|(_, entry)| wanted(entry)).map(|(id, _)| *id).collect();
        found.sort_unstable();
        (!found.is_empty()).then(|| found[which % found.len()])
    }

    /// One order at a time for an exact set, where one of them is spent without a check.
    fn is_alone(&self, charges: &Charges, name: &HostName) -> bool {
        let unchecked = |charges: &Charges| charges.iter().any(|charge| !charge.checked);
        self.journal
            .values()
            .all(|entry| entry.name != *name || !(unchecked(&entry.charges) || unchecked(charges)))
    }

    /// A fresh mirror of the rows that these charges need, and the versions that were read.
    fn read(&self, charges: &Charges, now: SystemTime) -> (Budgets, Vec<(BucketKey, u64)>) {
        let mut budgets = Budgets::new(small_limits(), 100);
        let mut versions = Vec::new();
        for key in charges.keys() {
            let row = self.rows.get(key);
            versions.push((key.clone(), row.map_or(0, |(version, _)| *version)));
            if let Some((_, row)) = row {
                assert!(budgets.restore(row.clone(), now));
            }
        }
        (budgets, versions)
    }

    fn begin(&self, op: &Op, clock: i64, at: u64) -> Option<Transaction> {
        let now = match u64::try_from(clock) {
            Ok(fast) => start() + Duration::from_secs(at + fast),
            Err(_) => start() + Duration::from_secs(at) - Duration::from_secs(clock.unsigned_abs()),
        };
        let (charges, read, budgets, entry, write) = match *op {
            Op::Reserve { name, kind, leave } => {
                let kinds = [
                    OrderKind::New,
                    OrderKind::New,
                    OrderKind::SameSet,
                    OrderKind::AriWindow { same_set: true },
                ];
                let name = host(&format!("d{name}.example.com"));
                let names = fleetcert_names::IdentifierSet::from(name.clone());
                let charges =
                    Charges::order(&small_limits(), kinds[usize::from(kind) % 4], &account(), &names);
                let (mut budgets, read) = self.read(&charges, now);
                let reserved = budgets.reserve_leaving(&charges, u32::from(leave), now);
                let alone = self.is_alone(&charges, &name);
                // The journal alone keeps the reservation.
                drop(reserved.ok().filter(|_| alone)?);
                let entry = Entry {
                    version: 1,
                    charges: charges.clone(),
                    name,
                    sending: false,
                    ordered: false,
                    truth: Truth::NotSent,
                };
                (charges, read, budgets, None, Write::Insert(Box::new(entry)))
            }
            Op::Ordered { which } => {
                let id = self.pick(which, |entry| !entry.ordered && entry.truth != Truth::NotSent)?;
                let entry = &self.journal[&id];
                let (mut budgets, read) = self.read(&entry.charges, now);
                let mut reservation = Reservation::resume(entry.charges.clone(), false);
                budgets.ordered(&mut reservation, now);
                (entry.charges.clone(), read, budgets, Some((id, entry.version)), Write::Ordered)
            }
            Op::Commit { which, is_reported } => {
                // The end of an order in flight is not reported as unknown.
                let id = self.pick(which, |entry| entry.sending && entry.truth != Truth::Pending)?;
                let entry = &self.journal[&id];
                let outcome = match (entry.truth, is_reported) {
                    (Truth::Ended { issued: true }, true) => Outcome::Done,
                    (Truth::Ended { issued: false }, true) => {
                        Outcome::NotIssued { failed: vec![entry.name.clone()] }
                    }
                    _ => Outcome::Unknown,
                };
                let (mut budgets, read) = self.read(&entry.charges, now);
                budgets.commit(Reservation::resume(entry.charges.clone(), entry.ordered), &outcome, now);
                (entry.charges.clone(), read, budgets, Some((id, entry.version)), Write::Remove)
            }
            Op::Release { which } => {
                let id = self.pick(which, |entry| !entry.sending)?;
                let entry = &self.journal[&id];
                let (mut budgets, read) = self.read(&entry.charges, now);
                budgets.release(Reservation::resume(entry.charges.clone(), entry.ordered), now);
                (entry.charges.clone(), read, budgets, Some((id, entry.version)), Write::Remove)
            }
        };
        let rows = charges.iter().map(|charge| (charge.key.clone(), budgets.row(&charge.key))).collect();
        Some(Transaction { op: op.clone(), clock, read, entry, rows, write })
    }

    /// Writes all or, when anything that was read has changed, nothing.
    fn finish(&mut self, transaction: Transaction) -> Result<(), Op> {
        let Transaction { op, read, entry, rows, write, .. } = transaction;
        let version = |key: &BucketKey| self.rows.get(key).map_or(0, |(version, _)| *version);
        let same_rows = read.iter().all(|(key, was)| version(key) == *was);
        let same_entry =
            entry.is_none_or(|(id, was)| self.journal.get(&id).is_some_and(|entry| entry.version == was));
        let alone = match &write {
            Write::Insert(entry) => self.is_alone(&entry.charges, &entry.name),
            Write::Ordered | Write::Remove => true,
        };
        if !(same_rows && same_entry && alone) {
            return Err(op);
        }
        for (key, row) in rows {
            // A row that is full again stays, so that its version does: a store would delete it later.
            let version = version_after(&self.rows, &key);
            let row = row.unwrap_or(Row { key: key.clone(), bucket: Bucket::FULL, held: 0 });
            self.rows.insert(key, (version, row));
        }
        match (write, entry) {
            (Write::Insert(entry), _) => {
                self.next += 1;
                self.journal.insert(self.next, *entry);
            }
            (Write::Ordered, Some((id, _))) => {
                if let Some(entry) = self.journal.get_mut(&id) {
                    entry.ordered = true;
                    entry.version += 1;
                }
            }
            (Write::Remove, Some((id, _))) => drop(self.journal.remove(&id)),
            (Write::Ordered | Write::Remove, None) => {}
        }
        Ok(())
    }
}

fn version_after(rows: &HashMap<BucketKey, (u64, Row)>, key: &BucketKey) -> u64 {
    rows.get(key).map_or(0, |(version, _)| *version) + 1
}

/// The order comes to the CA, which must not refuse it.
fn arrive(ca: &mut Ca, entry: &mut Entry, at: u64) -> Result<(), TestCaseError> {
    for charge in entry.charges.iter().filter(|charge| charge.checked) {
        prop_assert!(ca.has_one(&charge.key, at), "429 of {}", charge.key);
    }
    for charge in entry.charges.iter().filter(|charge| charge.spent == Spent::AtRequest) {
        prop_assert!(ca.spend(&charge.key, at));
    }
    entry.truth = Truth::Pending;
    entry.version += 1;
    Ok(())
}

/// A node writes its decision, or decides again if the rows have changed.
fn finish(store: &mut Store, pending: &mut Option<Transaction>, at: u64) -> Result<(), TestCaseError> {
    let Some(transaction) = pending.take() else { return Ok(()) };
    let clock = transaction.clock;
    if let Err(op) = store.finish(transaction)
        && let Some(again) = store.begin(&op, clock, at)
    {
        prop_assert!(store.finish(again).is_ok());
    }
    Ok(())
}

/// Runs the steps, and says whether the CA refused what a node had reserved.
fn run(steps: Vec<Step>, nodes: usize) -> Result<(), TestCaseError> {
    let (mut store, mut ca, mut at) = (Store::default(), Ca::default(), 100_000u64);
    let mut pending: Vec<Option<Transaction>> = (0..nodes).map(|_| None).collect();
    for step in steps {
        match step {
            Step::Wait(seconds) => at += seconds,
            Step::Begin { node, op, clock } => {
                // A node does one thing after the other.
                finish(&mut store, &mut pending[node % nodes], at)?;
                pending[node % nodes] = store.begin(&op, clock, at);
            }
            Step::Finish { node } => finish(&mut store, &mut pending[node % nodes], at)?,
            Step::Crash { node } => pending[node % nodes] = None,
            Step::Sending { which, at_once } => {
                let Some(id) = store.pick(which, |entry| !entry.sending) else { continue };
                let entry = store.journal.get_mut(&id).unwrap();
                entry.sending = true;
                entry.version += 1;
                if at_once {
                    arrive(&mut ca, entry, at)?;
                }
            }
            Step::Send { which } => {
                let unsent = |entry: &Entry| entry.sending && entry.truth == Truth::NotSent;
                let Some(id) = store.pick(which, unsent) else { continue };
                arrive(&mut ca, store.journal.get_mut(&id).unwrap(), at)?;
            }
            Step::End { which, issued } => {
                let Some(id) = store.pick(which, |entry| entry.truth == Truth::Pending) else { continue };
                let entry = store.journal.get_mut(&id).unwrap();
                let taken = if issued { Spent::AtIssuance } else { Spent::AtFailedValidation };
                for charge in entry.charges.iter().filter(|charge| charge.spent == taken) {
                    let had = ca.spend(&charge.key, at);
                    prop_assert!(had || !charge.checked, "{} was not there", charge.key);
                }
                entry.truth = Truth::Ended { issued };
                entry.version += 1;
            }
        }
    }
    // The held tokens are those of the journal.
    let held: usize = store.rows.values().map(|(_, row)| row.held as usize).sum();
    let resumed = |entry: &Entry| Reservation::resume(entry.charges.clone(), entry.ordered).held().count();
    prop_assert_eq!(held, store.journal.values().map(resumed).sum::<usize>());

    // And nothing is lost: all ends, time passes, and an order can be reserved again.
    for entry in store.journal.values_mut() {
        entry.sending = true;
        if entry.truth == Truth::Pending {
            entry.truth = Truth::Ended { issued: true };
        }
    }
    while !store.journal.is_empty() {
        let commit = store.begin(&Op::Commit { which: 0, is_reported: true }, 0, at).unwrap();
        prop_assert!(store.finish(commit).is_ok());
    }
    let reserve = Op::Reserve { name: 0, kind: 0, leave: 2 };
    prop_assert!(store.begin(&reserve, 0, at + 1_000_000).is_some());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn several_nodes_never_have_more_than_the_ca(steps in steps(0), nodes in 2usize..=4) {
        run(steps, nodes)?;
    }
}

/// Nodes need one clock: the same runs find refusals when the clocks differ, so they would find others.
#[test]
fn nodes_with_clocks_that_differ_are_refused() {
    let config = ProptestConfig {
        cases: 500,
        max_shrink_iters: 0,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let rng = TestRng::deterministic_rng(config.rng_algorithm);
    let found = TestRunner::new_with_rng(config, rng).run(&steps(SKEW), |steps| run(steps, 3));
    let Err(TestError::Fail(why, _)) = found else { panic!("{found:?}") };
    assert!(why.message().starts_with("429 of") || why.message().ends_with("was not there"), "{why}");
}
