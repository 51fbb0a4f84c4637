//! Random histories: orders of two processes at the same names of one zone, cancelled and dropped at any time, with a
//! zone that fails at random, and a process that is killed. No value is ever lost or left.

use std::cell::RefCell;
use std::rc::Rc;

use tokio::task::LocalSet;

use super::*;
use crate::{DnsBackendExt, Ttl};

const SEEDS: u64 = 200;
const ORDERS: u64 = 10;
const LATE_MS: u64 = 900;

/// Reproducible random numbers.
#[derive(Debug)]
struct RandomNumbers(fleetcert_ambient::SeededEntropy);

impl RandomNumbers {
    fn new(seed: u64) -> Self {
        Self(fleetcert_ambient::SeededEntropy::new(seed))
    }

    fn below(&self, most: u64) -> u64 {
        let mut bytes = [0; 8];
        fleetcert_ambient::Entropy::fill(&self.0, &mut bytes);
        u64::from_le_bytes(bytes) % most
    }

    async fn pause(&self, most_ms: u64) {
        SystemClock.sleep(Duration::from_millis(self.below(most_ms))).await;
    }
}

/// An instance of the backend in one process: slow, failing before or after the change, and making some changes after
/// the call was dropped.
#[derive(Debug)]
struct UnreliableBackend {
    zone: MemoryBackend,
    random: RandomNumbers,
}

impl UnreliableBackend {
    async fn fails(&self, zone: &DomainName, operation: Operation) -> Result<(), BackendError> {
        self.random.pause(20).await;
        match self.random.below(6) {
            0 => Err(BackendError::new(BackendErrorKind::Unavailable, operation, zone, "shaky")),
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl DnsBackend for UnreliableBackend {
    async fn apply(&self, zone: &DomainName, changes: &[Change]) -> Result<(), BackendError> {
        let late = LateChanges { backend: self, zone, changes };
        self.fails(zone, Operation::Apply).await?;
        std::mem::forget(late);
        self.zone.apply(zone, changes).await?;
        self.fails(zone, Operation::Apply).await
    }

    async fn read(
        &self,
        zone: &DomainName,
        name: &DomainName,
        record_type: RecordType,
    ) -> Result<Option<RecordSet>, BackendError> {
        self.fails(zone, Operation::Read).await?;
        self.zone.read(zone, name, record_type).await
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { max_changes: 3, ..self.zone.capabilities() }
    }
}

/// A call whose server continues after it was dropped.
struct LateChanges<'a> {
    backend: &'a UnreliableBackend,
    zone: &'a DomainName,
    changes: &'a [Change],
}

impl Drop for LateChanges<'_> {
    fn drop(&mut self) {
        let adds = |change: &Change| matches!(change, Change::AddTxt { .. });
        if !self.changes.iter().all(adds) || self.backend.random.below(2) == 0 {
            return;
        }
        let (inner, zone, changes) = (self.backend.zone.clone(), self.zone.clone(), self.changes.to_vec());
        let late = Duration::from_millis(self.backend.random.below(LATE_MS));
        tokio::spawn(async move {
            SystemClock.sleep(late).await;
            inner.apply(&zone, &changes).await.unwrap();
        });
    }
}

/// The data that outlives a process: the zone, and the journal of each order.
#[derive(Clone, Debug)]
struct World {
    zone: MemoryBackend,
    journal: Rc<RefCell<BTreeMap<u64, Vec<ChallengeRecord>>>>,
}

impl World {
    fn process(&self, seed: u64) -> Challenges {
        let backend =
            Arc::new(UnreliableBackend { zone: self.zone.clone(), random: RandomNumbers::new(seed) });
        let options = ChallengeOptions {
            look_interval: Duration::from_millis(5),
            late_changes_within: Duration::from_millis(LATE_MS),
            ..ChallengeOptions::default()
        };
        Challenges::new(backend, Arc::new(self.zone.clone()), virtual_time(), options)
    }

    async fn require_all(&self, records: &[ChallengeRecord], about: &str) {
        for record in records {
            let texts = self.zone.texts(&record.zone, &record.name).await.unwrap();
            assert!(texts.contains(&record.value), "{about}: lost {record:?}");
        }
    }

    /// Runs one order: its records are in the zone from publication to withdrawal, independent of other orders.
    async fn order(&self, all: Challenges, number: u64, random: RandomNumbers) {
        let known = self.journal.borrow().get(&number).cloned();
        let records = known.unwrap_or_else(|| records_of(number, &random));
        self.journal.borrow_mut().insert(number, records.clone());
        while !self.attempt(&all, &records, number, &random).await && random.below(3) != 0 {
            // The order is resumed, while a sweep may be withdrawing its old records.
        }
    }

    /// Runs one attempt of an order. Returns whether its records are withdrawn.
    async fn attempt(
        &self,
        all: &Challenges,
        records: &[ChallengeRecord],
        number: u64,
        random: &RandomNumbers,
    ) -> bool {
        let about = format!("order {number}");
        random.pause(50).await;
        let patience = if random.below(4) == 0 { random.below(60) } else { 60_000 };
        let publish = all.publish(records.to_vec());
        let Ok(Ok(published)) = timeout(&SystemClock, Duration::from_millis(patience), publish).await else {
            return false;
        };
        self.require_all(records, &about).await;
        published.wait_until_visible().await.unwrap();
        for _ in 0..random.below(5) {
            random.pause(40).await;
            self.require_all(records, &about).await;
        }
        match random.below(4) {
            // Like a failed order or a cancelled task.
            0 => {
                drop(published);
                false
            }
            1 => {
                let patience = Duration::from_millis(random.below(60));
                matches!(timeout(&SystemClock, patience, published.withdraw()).await, Ok(Ok(())))
            }
            _ => {
                published.withdraw().await.unwrap();
                self.journal.borrow_mut().remove(&number);
                true
            }
        }
    }

    async fn sweep_at_random_times(&self, all: Challenges, random: RandomNumbers) {
        loop {
            random.pause(200).await;
            // Remaining records are still orphans.
            let _ = all.sweep().await;
        }
    }
}

/// Returns the records of an order: the name and its wildcard have a value each at one name, which two orders in three
/// share with others.
fn records_of(number: u64, random: &RandomNumbers) -> Vec<ChallengeRecord> {
    let device = ["a", "b", "c"][random.below(3) as usize];
    let mut records =
        vec![record(device, &format!("base {number}")), record(device, &format!("wildcard {number}"))];
    if random.below(2) == 0 {
        records.push(record_in("other.test", device, &format!("elsewhere {number}")));
    }
    records
}

async fn history(seed: u64) {
    let zones = ["fleet.test", "other.test"].map(name);
    let world = World { zone: MemoryBackend::new(&zones), journal: Rc::default() };
    let random = |what: u64| RandomNumbers::new(seed * 1000 + what);
    // Values of another program.
    let foreign: Vec<_> = ["a", "b", "c"].map(|device| record(device, "somebody else's")).into();
    for record in &foreign {
        world.zone.add_txt(&record.zone, &record.name, &record.value, Ttl::ADDRESS).await.unwrap();
    }

    let (first, second) = (world.process(seed * 1000 + 900), world.process(seed * 1000 + 901));
    let local = LocalSet::new();
    let mut orders = Vec::new();
    for number in 0..ORDERS {
        let all = if number % 2 == 0 { first.clone() } else { second.clone() };
        let (world, random) = (world.clone(), random(number));
        orders.push(local.spawn_local(async move { world.order(all, number, random).await }));
    }
    let mut sweepers = Vec::new();
    for (number, all) in [(200, first.clone()), (201, second.clone())] {
        let (world, random) = (world.clone(), random(number));
        sweepers.push(local.spawn_local(async move { world.sweep_at_random_times(all, random).await }));
    }
    local
        .run_until(async {
            // The first process is killed at a random time, and its orders continue in a third one.
            random(300).pause(300).await;
            sweepers[0].abort();
            for order in orders.iter().step_by(2) {
                order.abort();
            }
            for order in orders.iter_mut().step_by(2) {
                require_no_panic(order.await, seed);
            }
            // A killed process sweeps nothing and drops nothing.
            std::mem::forget(first);
            SystemClock.sleep(Duration::from_millis(LATE_MS)).await;
            let third = world.process(seed * 1000 + 902);
            let unfinished: Vec<u64> = world.journal.borrow().keys().copied().collect();
            for number in unfinished.into_iter().filter(|number| number % 2 == 0) {
                world.order(third.clone(), number, random(400 + number)).await;
            }
            for order in orders.iter_mut().skip(1).step_by(2) {
                require_no_panic(order.await, seed);
            }
            sweepers[1].abort();
            end(&world, &[second, third]).await;
        })
        .await;

    for record in &foreign {
        let texts = world.zone.texts(&record.zone, &record.name).await.unwrap();
        assert_eq!(texts, [record.value.clone()].into(), "seed {seed}: {}", record.name);
    }
    assert_eq!(world.zone.record_sets(), foreign.len(), "seed {seed}");
}

/// Runs the last sweeps: of each living process, and of the journal of the killed one.
async fn end(world: &World, living: &[Challenges]) {
    for all in living {
        while all.orphans() > 0 {
            let _ = all.sweep().await;
            SystemClock.sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(all.records_out(), []);
        assert!(all.context.ledger.is_empty(), "{:?}", all.context.ledger);
    }
    let left = world.journal.take().into_values().flatten().collect::<Vec<_>>();
    living[0].withdraw(&left).await.unwrap();
}

fn require_no_panic(ended: Result<(), tokio::task::JoinError>, seed: u64) {
    if let Err(error) = ended {
        assert!(error.is_cancelled(), "seed {seed}: {error}");
    }
}

#[test]
fn random_histories_neither_lose_nor_leave_a_value() {
    for seed in 0..SEEDS {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(history(seed));
    }
}
