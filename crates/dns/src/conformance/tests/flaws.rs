//! The suite catches each flaw.

use std::collections::{BTreeMap, BTreeSet};

use super::broken::{Flaw, FlawedBackend};
use super::*;

#[tokio::test]
async fn every_flaw_fails_its_check() {
    use Flaw::*;
    let mut caught = BTreeSet::new();
    for (flaw, expected) in [
        (LosesAdditions, "a value that was added is read"),
        (LosesAdditions, "names that differ by case are one"),
        (KeepsTwoCopies, "adding a value twice is adding it once"),
        (LocksByInstance, "two instances add a value each at one name at the same time"),
        (LocksByInstance, "an instance removes its value while another adds one"),
        (ReadsOnePage, "more values at one name than a page of a list"),
        (ListsOnePage, "more names in the zone than a page of a list"),
        (ReplacesValues, "two owners add a value each at one name at the same time"),
        (RemovesSiblings, "removing a value keeps its siblings"),
        (MissesTheMissing, "removing what is not there is no error"),
        (CutsLongValues, "a value of more than 255 octets stays whole"),
        (DropsQuotes, "a value with quotes and backslashes stays whole"),
        (FoldsCaseOfValues, "values that differ by case are two"),
        (KeepsOldAddresses, "A and AAAA are replaced in one call"),
        (NeverWithoutAddress, "no addresses is no record"),
        (NewestFirst, "changes are made in their order"),
        (TakesOutsideNames, "a name outside the zone is refused"),
        (TakesUnknownZones, "a zone that the backend does not have is refused"),
        (FailsHalfWay, "a list that fails changes nothing"),
        (TakesAnyNumber, "more changes than are allowed are refused"),
        (LosesConcurrentChanges, "concurrent changes at distinct names"),
        (StopsHalfWay, "a cancelled list is made or not made"),
        (RemembersDroppedCalls, "a cancelled call can be repeated"),
        (RemovesNothing, "nothing is left behind"),
    ] {
        let inner = MemoryBackend::new([&zone()]);
        let report =
            check(&Subject::new(|| FlawedBackend::new(flaw, inner.clone()), zone(), &FastClock)).await;
        let failed: BTreeSet<_> = report.failed().map(|check| check.name).collect();
        assert!(failed.contains(expected), "{flaw:?} was not caught:\n{report}");
        assert!(report.require_passed().is_err());
        caught.insert(expected);
    }
    let report = report_on(MemoryBackend::new([&zone()])).await;
    assert_eq!(report.checks().iter().map(|check| check.name).collect::<BTreeSet<_>>(), caught);
}

#[tokio::test]
async fn second_instance_catches_a_lock_of_one_process() {
    let inner = MemoryBackend::new([&zone()]);
    let one = Arc::new(FlawedBackend::new(Flaw::LocksByInstance, inner.clone()));
    let alone = check(&Subject::new(|| one.clone(), zone(), &FastClock)).await;
    alone.require_passed().unwrap();
    let factory = || FlawedBackend::new(Flaw::LocksByInstance, inner.clone());
    let two = check(&Subject::new(factory, zone(), &FastClock)).await;
    assert!(two.require_passed().is_err(), "{two}");
}

#[tokio::test]
async fn backend_that_never_answers_fails_every_check() {
    let subject = Subject::new(|| Silent, zone(), &FastClock);
    let report = check(&Subject { call_within: Duration::from_millis(400), ..subject }).await;
    assert!(report.checks().iter().all(|check| matches!(check.outcome, Outcome::Failed(_))), "{report}");
}

/// A service that never answers.
#[derive(Debug)]
struct Silent;

#[async_trait]
impl DnsBackend for Silent {
    async fn apply(&self, _: &DomainName, _: &[Change]) -> Result<(), BackendError> {
        std::future::pending().await
    }

    async fn read(
        &self,
        _: &DomainName,
        _: &DomainName,
        _: RecordType,
    ) -> Result<Option<RecordSet>, BackendError> {
        std::future::pending().await
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { max_changes: 10, ..Capabilities::ALL }
    }
}

/// A backend that keeps its records in a map and takes the lock for a read and for a write, but not in between. It
/// waits there without an await, like a backend on a file.
#[derive(Clone, Debug)]
struct Lockless {
    records: Arc<parking_lot::Mutex<BTreeMap<DomainName, BTreeSet<RecordData>>>>,
    waits: Duration,
}

impl Lockless {
    fn new(waits: Duration) -> Self {
        Self { records: Arc::default(), waits }
    }
}

#[async_trait]
impl DnsBackend for Lockless {
    async fn apply(&self, zone: &DomainName, changes: &[Change]) -> Result<(), BackendError> {
        if *zone != super::zone() {
            Operation::Apply.check_name(&super::zone(), zone)?;
        }
        self.capabilities().check(zone, changes)?;
        let mut records = self.records.lock().clone();
        std::thread::sleep(self.waits);
        for change in changes {
            let values = records.entry(change.name().clone()).or_default();
            match change {
                Change::AddTxt { value, .. } => drop(values.insert(RecordData::Txt(value.clone()))),
                Change::RemoveTxt { value, .. } => drop(values.remove(&RecordData::Txt(value.clone()))),
                Change::SetAddresses { addresses, .. } => {
                    values.retain(|value| value.record_type() == RecordType::Txt);
                    values.extend(addresses.v4().map(RecordData::A));
                    values.extend(addresses.v6().map(RecordData::Aaaa));
                }
            }
        }
        *self.records.lock() = records;
        Ok(())
    }

    async fn read(
        &self,
        zone: &DomainName,
        name: &DomainName,
        record_type: RecordType,
    ) -> Result<Option<RecordSet>, BackendError> {
        self.capabilities().check_read(zone, name)?;
        let values = self.records.lock().get(name).cloned().unwrap_or_default();
        let values: BTreeSet<_> =
            values.into_iter().filter(|value| value.record_type() == record_type).collect();
        Ok((!values.is_empty()).then_some(RecordSet { ttl: Ttl::ADDRESS, values }))
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { max_changes: 100, ..Capabilities::ALL }
    }
}

/// Runs the suite and returns the names of the checks that failed.
async fn failures_of_lockless(calls_at_once: usize, waits: Duration) -> Vec<&'static str> {
    let backend = Lockless::new(waits);
    let subject = Subject::new(|| backend.clone(), zone(), &FastClock);
    let report = check(&Subject { calls_at_once, more_than_a_page: 2, ..subject }).await;
    report.failed().map(|check| check.name).collect()
}

const ON_THREADS: [&str; 4] = [
    "two owners add a value each at one name at the same time",
    "two instances add a value each at one name at the same time",
    "an instance removes its value while another adds one",
    "concurrent changes at distinct names",
];

#[tokio::test]
async fn backend_without_a_lock_fails_every_concurrent_check_in_every_run() {
    for _ in 0..20 {
        let failed = failures_of_lockless(40, Duration::from_millis(1)).await;
        for check in ON_THREADS {
            assert!(failed.contains(&check), "{check} passed; failed: {failed:?}");
        }
    }
}

#[tokio::test]
async fn backend_without_a_lock_or_a_wait_fails_under_the_load_of_a_fleet() {
    for _ in 0..5 {
        let failed = failures_of_lockless(Subject::CALLS_AT_ONCE, Duration::ZERO).await;
        assert!(failed.contains(&ON_THREADS[3]), "failed: {failed:?}");
    }
}
