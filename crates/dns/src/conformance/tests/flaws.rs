//! What breaks a promise is caught.

use std::collections::BTreeSet;

use super::broken::{Broken, Flaw};
use super::*;

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
