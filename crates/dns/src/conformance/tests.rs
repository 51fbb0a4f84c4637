//! The suite is run on the backend in memory, and on backends that break one promise each.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use fleetcert_ambient::SystemClock;
use fleetcert_names::DomainName;

use super::{Check, Outcome, Report, Subject, check};
use crate::{
    Addresses, BackendError, BackendErrorKind, Capabilities, Change, DnsBackend, DnsBackendExt,
    MemoryBackend, Operation, RecordSet, RecordType, Ttl, TxtValue,
};

fn zone() -> DomainName {
    "fleet.test".parse().unwrap()
}

async fn report_on(backend: &dyn DnsBackend) -> Report {
    check(&Subject::new(|| backend, zone(), &SystemClock)).await
}

fn unsupported(report: &Report) -> Vec<&'static str> {
    let unsupported = |check: &&Check| matches!(check.outcome, Outcome::Unsupported(_));
    report.checks().iter().filter(unsupported).map(|check| check.name).collect()
}

#[test]
fn it_can_go_to_another_task() {
    fn is_send<T: Send>(_: T) {}
    let backend = MemoryBackend::new([]);
    is_send(check(&Subject::new(|| backend.clone(), zone(), &SystemClock)));
}

#[tokio::test]
async fn memory_passes() {
    let backend = MemoryBackend::new([&zone()]);
    let report = report_on(&backend).await;
    report.require_passed().unwrap();
    let as_usual = |check: &Check| check.outcome == Outcome::Passed && check.note.is_none();
    assert!(report.checks().iter().all(as_usual), "{report}");
    assert_eq!(backend.record_sets(), 0);
}

#[tokio::test]
async fn what_an_earlier_run_left_is_removed() {
    let backend = MemoryBackend::new([&zone()]);
    let name = |label: &str| format!("{label}.fleetcert-conformance.fleet.test").parse().unwrap();
    for label in ["add", "n17", "paged3", "addresses"] {
        backend.add_txt(&zone(), &name(label), &"old".parse().unwrap(), Ttl::CHALLENGE).await.unwrap();
    }
    let old = Addresses::new(["10.9.9.9".parse().unwrap()]).unwrap();
    backend.set_addresses(&zone(), &name("nowhere"), old, Ttl::ADDRESS).await.unwrap();
    report_on(&backend).await.require_passed().unwrap();
    assert_eq!(backend.record_sets(), 0);
}

#[tokio::test]
async fn a_lower_load_is_told() {
    let backend = MemoryBackend::new([&zone()]);
    let subject = Subject::new(|| backend.clone(), zone(), &SystemClock);
    let report = check(&Subject { calls_at_once: 20, more_than_a_page: 0, ..subject }).await;
    report.require_passed().unwrap();
    let told = |check: &Check| check.note.clone().map(|note| (check.name, note));
    assert_eq!(
        report.checks().iter().filter_map(told).collect::<Vec<_>>(),
        [
            ("more values at one name than a page of a list", "with 2 records, not 120".to_owned()),
            ("more names in the zone than a page of a list", "with 2 records, not 120".to_owned()),
            ("concurrent changes at distinct names", "with 20 calls at once, not 1000".to_owned()),
        ]
    );
    assert!(report.to_string().contains("  passed: with 20 calls at once, not 1000\n"), "{report}");
}

/// What a [`Broken`] backend does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    LosesAdditions,
    KeepsTwoCopies,
    ReplacesValues,
    RemovesSiblings,
    MissesTheMissing,
    CutsLongValues,
    DropsQuotes,
    FoldsCaseOfValues,
    KeepsOldAddresses,
    NeverWithoutAddress,
    NewestFirst,
    TakesOutsideNames,
    TakesUnknownZones,
    FailsHalfWay,
    TakesAnyNumber,
    LosesConcurrentChanges,
    StopsHalfWay,
    RemovesNothing,
    LocksByInstance,
    ReadsOnePage,
    ListsOnePage,
    RemembersDroppedCalls,
}

/// An instance of the backend in memory, with one flaw.
#[derive(Debug)]
struct Broken {
    flaw: Flaw,
    inner: MemoryBackend,
    lock: tokio::sync::Mutex<()>,
    last: Mutex<Vec<Change>>,
}

impl Broken {
    fn new(flaw: Flaw, inner: MemoryBackend) -> Self {
        Self { flaw, inner, lock: tokio::sync::Mutex::default(), last: Mutex::default() }
    }
}

#[tokio::test(start_paused = true)]
async fn every_flaw_is_caught_and_every_check_can_fail() {
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
        let report = check(&Subject::new(|| Broken::new(flaw, inner.clone()), zone(), &SystemClock)).await;
        let failed: BTreeSet<_> = report.failed().map(|check| check.name).collect();
        assert!(failed.contains(expected), "{flaw:?} was not caught:\n{report}");
        assert!(report.require_passed().is_err());
        caught.insert(expected);
    }
    let report = report_on(&MemoryBackend::new([&zone()])).await;
    assert_eq!(report.checks().iter().map(|check| check.name).collect::<BTreeSet<_>>(), caught);
}

#[tokio::test(start_paused = true)]
async fn what_is_safe_in_one_process_only_is_caught_by_a_second_instance() {
    let inner = MemoryBackend::new([&zone()]);
    let one = Broken::new(Flaw::LocksByInstance, inner.clone());
    let alone = check(&Subject::new(|| &one, zone(), &SystemClock)).await;
    alone.require_passed().unwrap();
    let factory = || Broken::new(Flaw::LocksByInstance, inner.clone());
    let two = check(&Subject::new(factory, zone(), &SystemClock)).await;
    assert!(two.require_passed().is_err(), "{two}");
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_never_answers_fails_every_check() {
    let subject = Subject::new(|| Silent, zone(), &SystemClock);
    let report = check(&Subject { call_within: Duration::from_secs(1), ..subject }).await;
    assert!(report.checks().iter().all(|check| matches!(check.outcome, Outcome::Failed(_))), "{report}");
}

#[tokio::test]
async fn a_service_of_texts_that_changes_one_record_at_a_time() {
    let capabilities =
        Capabilities { addresses: false, atomic: false, max_values: 64, max_changes: 1, ..Capabilities::ALL };
    let report = report_on(&Limited::to(capabilities)).await;
    report.require_passed().unwrap();
    assert_eq!(
        unsupported(&report),
        [
            "more values at one name than a page of a list",
            "A and AAAA are replaced in one call",
            "no addresses is no record",
            "a list that fails changes nothing",
            "a cancelled list is made or not made",
        ]
    );
    assert!(report.to_string().contains("unsupported: it takes no addresses"), "{report}");
}

#[tokio::test]
async fn nothing_of_a_service_like_acme_dns_is_called_passed_that_it_cannot_show() {
    let capabilities = Capabilities {
        atomic: false,
        addresses: false,
        reads: false,
        removes: false,
        any_name: false,
        any_text: false,
        max_values: 2,
        max_changes: 1,
        ..Capabilities::ALL
    };
    let report = report_on(&Limited::to(capabilities)).await;
    report.require_passed().unwrap();
    let passed = report.checks().iter().filter(|check| check.outcome == Outcome::Passed);
    assert_eq!(
        passed.map(|check| check.name).collect::<Vec<_>>(),
        ["a name outside the zone is refused", "a zone that the backend does not have is refused"]
    );
    assert_eq!(unsupported(&report).len(), report.checks().len() - 2, "{report}");
}

#[tokio::test]
async fn each_limit_makes_its_checks_unsupported() {
    let all = Capabilities::ALL;
    for (capabilities, least) in [
        (Capabilities { reads: false, ..all }, 15),
        (Capabilities { removes: false, ..all }, 15),
        (Capabilities { any_name: false, ..all }, 15),
        (Capabilities { any_text: false, ..all }, 2),
        (Capabilities { max_values: 1, ..all }, 10),
    ] {
        let report = report_on(&Limited::to(capabilities)).await;
        report.require_passed().unwrap();
        assert!(unsupported(&report).len() >= least, "{capabilities:?}\n{report}");
    }
}

#[tokio::test]
async fn a_backend_that_does_what_it_says_it_cannot_fails() {
    for (name, claimed) in [
        ("no addresses is no record", Capabilities { addresses: false, ..Capabilities::ALL }),
        (
            "a value of more than 255 octets stays whole",
            Capabilities { any_text: false, ..Capabilities::ALL },
        ),
    ] {
        let report = report_on(&Limited { claimed, ..Limited::to(Capabilities::ALL) }).await;
        assert!(report.failed().any(|check| check.name == name), "{report}");
    }
}

#[tokio::test]
async fn a_zone_without_room_is_not_run() {
    let zone: DomainName = format!("{}a", "a.".repeat(125)).parse().unwrap();
    let backend = MemoryBackend::new([&zone]);
    let report = check(&Subject::new(|| backend.clone(), zone, &SystemClock)).await;
    assert!(matches!(report.checks()[0].outcome, Outcome::NotRun(_)), "{report}");
    assert!(report.require_passed().is_err());
}

#[async_trait]
impl DnsBackend for Broken {
    async fn apply(&self, zone: &DomainName, changes: &[Change]) -> Result<(), BackendError> {
        match self.flaw {
            Flaw::TakesOutsideNames if changes.iter().any(|change| !change.name().is_within(zone)) => Ok(()),
            Flaw::TakesUnknownZones if *zone != self::zone() => Ok(()),
            Flaw::LocksByInstance => {
                let _alone = self.lock.lock().await;
                self.apply_to_a_copy(zone, changes).await
            }
            Flaw::RemembersDroppedCalls => {
                if std::mem::replace(&mut *self.last.lock().unwrap(), changes.to_vec()) == changes {
                    return Ok(());
                }
                tokio::task::yield_now().await;
                self.inner.apply(zone, changes).await
            }
            Flaw::NewestFirst => {
                let reversed: Vec<_> = changes.iter().rev().cloned().collect();
                self.inner.apply(zone, &reversed).await
            }
            Flaw::FailsHalfWay | Flaw::TakesAnyNumber => self.one_by_one(zone, changes, false).await,
            Flaw::StopsHalfWay => self.one_by_one(zone, changes, true).await,
            Flaw::LosesConcurrentChanges => {
                // A copy of everything is changed and put back, as files and some services are.
                let before = self.inner.record_sets();
                tokio::task::yield_now().await;
                if self.inner.record_sets() == before {
                    self.inner.apply(zone, changes).await
                } else {
                    Ok(())
                }
            }
            _ => {
                for change in changes {
                    self.apply_one(zone, change).await?;
                }
                Ok(())
            }
        }
    }

    async fn read(
        &self,
        zone: &DomainName,
        name: &DomainName,
        record_type: RecordType,
    ) -> Result<Option<RecordSet>, BackendError> {
        let mut set = self.inner.read(zone, name, record_type).await?;
        if let (Flaw::ReadsOnePage, Some(set)) = (self.flaw, &mut set) {
            set.values = std::mem::take(&mut set.values).into_iter().take(100).collect();
        }
        Ok(set)
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }
}

impl Broken {
    /// Reads the texts, waits, and writes back what they have become.
    async fn apply_to_a_copy(&self, zone: &DomainName, changes: &[Change]) -> Result<(), BackendError> {
        let name = changes.first().map(Change::name).filter(|name| name.is_within(zone));
        let read = match name {
            Some(name) => self.inner.texts(zone, name).await?,
            None => BTreeSet::new(),
        };
        tokio::task::yield_now().await;
        let Some(name) = name.filter(|_| changes.len() == 1) else {
            return self.inner.apply(zone, changes).await;
        };
        let meanwhile = &self.inner.texts(zone, name).await? - &read;
        let again =
            read.into_iter().map(|value| Change::AddTxt { name: name.clone(), value, ttl: Ttl::ADDRESS });
        let all: Vec<_> =
            removals(name, &meanwhile).into_iter().chain(again).chain(changes.to_vec()).collect();
        self.inner.apply(zone, &all).await
    }

    async fn one_by_one(
        &self,
        zone: &DomainName,
        changes: &[Change],
        yields: bool,
    ) -> Result<(), BackendError> {
        for change in changes {
            self.inner.apply(zone, std::slice::from_ref(change)).await?;
            if yields {
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    async fn apply_one(&self, zone: &DomainName, change: &Change) -> Result<(), BackendError> {
        let Some(name) = Some(change.name()).filter(|name| name.is_within(zone)) else {
            return self.inner.apply(zone, std::slice::from_ref(change)).await;
        };
        let there = self.inner.texts(zone, name).await?;
        let changes = match (self.flaw, change.clone()) {
            (Flaw::ListsOnePage, Change::RemoveTxt { .. }) if self.inner.record_sets() > 100 => vec![],
            (Flaw::DropsQuotes, Change::AddTxt { name, value, ttl }) => {
                let bare = value.as_bytes().iter().filter(|octet| !br#""\\"#.contains(octet)).copied();
                let value = TxtValue::new(&bare.collect::<Vec<u8>>()).unwrap();
                vec![Change::AddTxt { name, value, ttl }]
            }
            (Flaw::LosesAdditions, Change::AddTxt { .. })
            | (Flaw::RemovesNothing, Change::RemoveTxt { .. }) => {
                vec![]
            }
            (Flaw::KeepsTwoCopies, Change::AddTxt { name, value, ttl }) if there.contains(&value) => {
                let copy = TxtValue::new(&[value.as_bytes(), b" "].concat()).unwrap();
                vec![Change::AddTxt { name, value: copy, ttl }]
            }
            (Flaw::ReplacesValues, addition @ Change::AddTxt { .. }) => {
                let mut changes = removals(name, &there);
                changes.push(addition);
                changes
            }
            (Flaw::RemovesSiblings, Change::RemoveTxt { .. }) => removals(name, &there),
            (Flaw::MissesTheMissing, Change::RemoveTxt { value, .. }) if !there.contains(&value) => {
                let kind = BackendErrorKind::Conflict;
                return Err(BackendError::new(kind, Operation::Apply, zone, "there is no such value"));
            }
            (Flaw::CutsLongValues, Change::AddTxt { name, value, ttl }) => {
                vec![Change::AddTxt {
                    name,
                    value: TxtValue::new(value.strings().next().unwrap()).unwrap(),
                    ttl,
                }]
            }
            (Flaw::FoldsCaseOfValues, Change::AddTxt { name, value, ttl }) => {
                let folded = TxtValue::new(&value.as_bytes().to_ascii_lowercase()).unwrap();
                vec![Change::AddTxt { name, value: folded, ttl }]
            }
            (Flaw::KeepsOldAddresses, Change::SetAddresses { name, addresses, ttl }) => {
                let old = self.inner.addresses(zone, &name).await?;
                let all = addresses.iter().chain(old.into_iter().filter(std::net::IpAddr::is_ipv4));
                vec![Change::SetAddresses { name, addresses: Addresses::new(all).unwrap(), ttl }]
            }
            (Flaw::NeverWithoutAddress, Change::SetAddresses { addresses, .. })
                if addresses == Addresses::default() =>
            {
                vec![]
            }
            (_, change) => vec![change],
        };
        self.inner.apply(zone, &changes).await
    }
}

fn removals(name: &DomainName, values: &BTreeSet<TxtValue>) -> Vec<Change> {
    values.iter().map(|value| Change::RemoveTxt { name: name.clone(), value: value.clone() }).collect()
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

/// The backend in memory as a service that can do less, and says so.
#[derive(Debug)]
struct Limited {
    claimed: Capabilities,
    true_ones: Capabilities,
    inner: MemoryBackend,
}

impl Limited {
    fn to(capabilities: Capabilities) -> Self {
        let inner = MemoryBackend::new([&zone()]);
        let max_changes = capabilities.max_changes.min(inner.capabilities().max_changes);
        let true_ones = Capabilities { max_changes, ..capabilities };
        Self { claimed: true_ones, true_ones, inner }
    }

    async fn allows(&self, zone: &DomainName, change: &Change) -> Result<(), BackendErrorKind> {
        let Capabilities { addresses, removes, any_name, any_text, max_values, .. } = self.true_ones;
        if !any_name {
            return Err(BackendErrorKind::NotInZone);
        }
        match change {
            Change::SetAddresses { .. } if !addresses => Err(BackendErrorKind::InvalidInput),
            Change::RemoveTxt { .. } if !removes => Err(BackendErrorKind::InvalidInput),
            Change::AddTxt { value, .. } if !any_text && value.as_bytes().len() != 43 => {
                Err(BackendErrorKind::InvalidInput)
            }
            Change::AddTxt { name, value, .. } => {
                let mut values = self.inner.texts(zone, name).await.unwrap_or_default();
                values.insert(value.clone());
                if values.len() > max_values { Err(BackendErrorKind::Quota) } else { Ok(()) }
            }
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl DnsBackend for Limited {
    async fn apply(&self, zone: &DomainName, changes: &[Change]) -> Result<(), BackendError> {
        let error = |kind| BackendError::new(kind, Operation::Apply, zone, "this service does not do it");
        if changes.len() > self.true_ones.max_changes {
            return Err(error(BackendErrorKind::InvalidInput));
        }
        for change in changes {
            self.allows(zone, change).await.map_err(error)?;
        }
        self.inner.apply(zone, changes).await
    }

    async fn read(
        &self,
        zone: &DomainName,
        name: &DomainName,
        record_type: RecordType,
    ) -> Result<Option<RecordSet>, BackendError> {
        if !self.true_ones.reads {
            let kind = BackendErrorKind::InvalidInput;
            return Err(BackendError::new(kind, Operation::Read, zone, "it cannot be read"));
        }
        self.inner.read(zone, name, record_type).await
    }

    fn capabilities(&self) -> Capabilities {
        self.claimed
    }
}
