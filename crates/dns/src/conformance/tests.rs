//! The suite is run on the backend in memory, and on backends that break one promise each.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use fleetcert_ambient::SystemClock;
use fleetcert_names::DomainName;

use super::{Outcome, Subject, check};
use crate::{
    Addresses, BackendError, BackendErrorKind, Capabilities, Change, DnsBackend, MemoryBackend, Operation,
    RecordData, RecordSet, RecordType, TxtValue,
};

fn zone() -> DomainName {
    "fleet.test".parse().unwrap()
}

#[test]
fn it_can_go_to_another_task() {
    fn is_send<T: Send>(_: T) {}
    let backend = MemoryBackend::new([]);
    is_send(check(&Subject::new(&backend, zone(), &SystemClock)));
}

#[tokio::test]
async fn memory_passes() {
    let backend = MemoryBackend::new([&zone()]);
    let report = check(&Subject::new(&backend, zone(), &SystemClock)).await;
    report.require_passed().unwrap();
    assert!(report.checks().iter().all(|check| check.outcome == Outcome::Passed), "{report}");
    assert_eq!(backend.record_sets(), 0);
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
}

/// The backend in memory, with one flaw.
#[derive(Debug)]
struct Broken {
    flaw: Flaw,
    inner: MemoryBackend,
}

#[tokio::test(start_paused = true)]
async fn every_flaw_is_caught_and_every_check_can_fail() {
    use Flaw::*;
    let mut caught = BTreeSet::new();
    for (flaw, expected) in [
        (LosesAdditions, "a value that was added is read"),
        (LosesAdditions, "names that differ by case are one"),
        (KeepsTwoCopies, "adding a value twice is adding it once"),
        (ReplacesValues, "two owners add a value each at one name at the same time"),
        (RemovesSiblings, "removing a value keeps its siblings"),
        (MissesTheMissing, "removing what is not there is no error"),
        (CutsLongValues, "a value of more than 255 octets stays whole"),
        (FoldsCaseOfValues, "values that differ by case are two"),
        (KeepsOldAddresses, "A and AAAA are replaced in one call"),
        (NeverWithoutAddress, "no addresses is no record"),
        (NewestFirst, "changes are made in their order"),
        (TakesOutsideNames, "a name outside the zone is refused"),
        (TakesUnknownZones, "a zone that the backend does not have is refused"),
        (FailsHalfWay, "a list that fails changes nothing"),
        (TakesAnyNumber, "more changes than are allowed are refused"),
        (LosesConcurrentChanges, "100 concurrent changes at distinct names"),
        (StopsHalfWay, "a cancelled call is made or not made"),
        (RemovesNothing, "nothing is left behind"),
    ] {
        let backend = Broken { flaw, inner: MemoryBackend::new([&zone()]) };
        let report = check(&Subject::new(&backend, zone(), &SystemClock)).await;
        let failed: BTreeSet<_> = report.failed().map(|check| check.name).collect();
        assert!(failed.contains(expected), "{flaw:?} was not caught:\n{report}");
        assert!(report.require_passed().is_err());
        caught.insert(expected);
    }
    let backend = MemoryBackend::new([&zone()]);
    let report = check(&Subject::new(&backend, zone(), &SystemClock)).await;
    assert_eq!(report.checks().iter().map(|check| check.name).collect::<BTreeSet<_>>(), caught);
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_never_answers_fails_every_check() {
    let backend = Limited { atomic: true, addresses: true, answers: false };
    let subject =
        Subject { call_within: Duration::from_secs(1), ..Subject::new(&backend, zone(), &SystemClock) };
    let report = check(&subject).await;
    assert!(report.checks().iter().all(|check| matches!(check.outcome, Outcome::Failed(_))), "{report}");
}

#[tokio::test]
async fn what_a_backend_cannot_do_is_not_called_passed() {
    let backend = Limited { atomic: false, addresses: false, answers: true };
    let report = check(&Subject::new(&backend, zone(), &SystemClock)).await;
    let unsupported: Vec<_> = report
        .checks()
        .iter()
        .filter(|check| matches!(check.outcome, Outcome::Unsupported(_)))
        .map(|check| check.name)
        .collect();
    assert_eq!(
        unsupported,
        [
            "A and AAAA are replaced in one call",
            "no addresses is no record",
            "a list that fails changes nothing",
            "a cancelled call is made or not made",
        ]
    );
    assert!(report.to_string().contains("unsupported: it takes no addresses"), "{report}");
}

#[tokio::test]
async fn a_backend_that_takes_one_change_at_a_time_passes() {
    let backend = OneAtATime(MemoryBackend::new([&zone()]));
    let report = check(&Subject::new(&backend, zone(), &SystemClock)).await;
    report.require_passed().unwrap();
    assert_eq!(
        report.checks().iter().filter(|check| check.outcome != Outcome::Passed).count(),
        2,
        "{report}"
    );
}

#[tokio::test]
async fn a_zone_without_room_is_not_run() {
    let zone: DomainName = format!("{}a", "a.".repeat(125)).parse().unwrap();
    let backend = MemoryBackend::new([&zone]);
    let report = check(&Subject::new(&backend, zone, &SystemClock)).await;
    assert!(matches!(report.checks()[0].outcome, Outcome::NotRun(_)), "{report}");
    assert!(report.require_passed().is_err());
}

#[async_trait]
impl DnsBackend for Broken {
    async fn apply(&self, zone: &DomainName, changes: &[Change]) -> Result<(), BackendError> {
        match self.flaw {
            Flaw::TakesOutsideNames if changes.iter().any(|change| !change.name().is_within(zone)) => Ok(()),
            Flaw::TakesUnknownZones if *zone != self::zone() => Ok(()),
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
        self.inner.read(zone, name, record_type).await
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }
}

impl Broken {
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
        let there: BTreeSet<TxtValue> = match self.inner.read(zone, name, RecordType::Txt).await? {
            None => BTreeSet::new(),
            Some(set) => set.values.into_iter().filter_map(as_text).collect(),
        };
        let changes = match (self.flaw, change.clone()) {
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
                let mut all: BTreeSet<_> = addresses.iter().collect();
                if let Some(set) = self.inner.read(zone, &name, RecordType::A).await? {
                    all.extend(set.values.iter().filter_map(as_v4));
                }
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

fn as_text(data: RecordData) -> Option<TxtValue> {
    match data {
        RecordData::Txt(value) => Some(value),
        RecordData::A(_) | RecordData::Aaaa(_) => None,
    }
}

fn as_v4(data: &RecordData) -> Option<std::net::IpAddr> {
    match data {
        RecordData::A(address) => Some((*address).into()),
        RecordData::Aaaa(_) | RecordData::Txt(_) => None,
    }
}

/// A backend that can do little, or never answers.
#[derive(Debug)]
struct Limited {
    atomic: bool,
    addresses: bool,
    answers: bool,
}

#[async_trait]
impl DnsBackend for Limited {
    async fn apply(&self, _: &DomainName, _: &[Change]) -> Result<(), BackendError> {
        if self.answers { Ok(()) } else { std::future::pending().await }
    }

    async fn read(
        &self,
        _: &DomainName,
        _: &DomainName,
        _: RecordType,
    ) -> Result<Option<RecordSet>, BackendError> {
        if self.answers { Ok(None) } else { std::future::pending().await }
    }

    fn capabilities(&self) -> Capabilities {
        let memory = MemoryBackend::new([]).capabilities();
        Capabilities { atomic: self.atomic, addresses: self.addresses, max_changes: 10, ..memory }
    }
}

/// The backend in memory as a service that has a call for one record.
#[derive(Debug)]
struct OneAtATime(MemoryBackend);

#[async_trait]
impl DnsBackend for OneAtATime {
    async fn apply(&self, zone: &DomainName, changes: &[Change]) -> Result<(), BackendError> {
        if changes.len() > 1 {
            let kind = BackendErrorKind::InvalidInput;
            return Err(BackendError::new(kind, Operation::Apply, zone, "one change at a time"));
        }
        self.0.apply(zone, changes).await
    }

    async fn read(
        &self,
        zone: &DomainName,
        name: &DomainName,
        record_type: RecordType,
    ) -> Result<Option<RecordSet>, BackendError> {
        self.0.read(zone, name, record_type).await
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { max_changes: 1, ..self.0.capabilities() }
    }
}
