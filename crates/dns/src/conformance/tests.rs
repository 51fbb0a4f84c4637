//! The suite, run on the backend in memory, and on backends with one flaw each or with fewer capabilities.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use fleetcert_ambient::{Clock, SystemClock};
use fleetcert_names::DomainName;

use super::{Check, Outcome, Report, Subject, check};
use crate::{
    Addresses, BackendError, BackendErrorKind, Capabilities, Change, DnsBackend, DnsBackendExt,
    MemoryBackend, Operation, RecordData, RecordSet, RecordType, Ttl,
};

mod broken;
mod flaws;
mod limits;

fn zone() -> DomainName {
    "fleet.test".parse().unwrap()
}

/// The machine's clock with short waits cut to a twentieth: the suite waits between two looks at a server, and these
/// backends are never late.
#[derive(Debug)]
struct FastClock;

impl Clock for FastClock {
    fn now(&self) -> SystemTime {
        SystemClock.now()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let is_pause = duration < Duration::from_secs(1);
        Box::pin(async move { SystemClock.sleep(if is_pause { duration / 20 } else { duration }).await })
    }
}

async fn report_on(backend: impl DnsBackend + 'static) -> Report {
    let backend = Arc::new(backend);
    check(&Subject::new(|| backend.clone(), zone(), &FastClock)).await
}

#[test]
fn future_is_send() {
    fn is_send<T: Send>(_: T) {}
    let backend = MemoryBackend::new([]);
    is_send(check(&Subject::new(|| backend.clone(), zone(), &SystemClock)));
}

#[tokio::test]
async fn memory_backend_passes() {
    let backend = MemoryBackend::new([&zone()]);
    let report = report_on(backend.clone()).await;
    report.require_passed().unwrap();
    let as_usual = |check: &Check| check.outcome == Outcome::Passed && check.note.is_none();
    assert!(report.checks().iter().all(as_usual), "{report}");
    assert_eq!(backend.record_sets(), 0);
}

#[tokio::test]
async fn records_of_an_earlier_run_are_removed() {
    let backend = MemoryBackend::new([&zone()]);
    let name = |label: &str| format!("{label}.fleetcert-conformance.fleet.test").parse().unwrap();
    for label in ["add", "n17", "paged3", "addresses"] {
        backend.add_txt(&zone(), &name(label), &"old".parse().unwrap(), Ttl::CHALLENGE).await.unwrap();
    }
    let old = Addresses::new(["10.9.9.9".parse().unwrap()]).unwrap();
    backend.set_addresses(&zone(), &name("nowhere"), old, Ttl::ADDRESS).await.unwrap();
    report_on(backend.clone()).await.require_passed().unwrap();
    assert_eq!(backend.record_sets(), 0);
}

#[tokio::test]
async fn lower_load_is_reported() {
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

#[tokio::test]
async fn zone_whose_name_is_too_long_is_not_run() {
    let zone: DomainName = format!("{}a", "a.".repeat(125)).parse().unwrap();
    let backend = MemoryBackend::new([&zone]);
    let report = check(&Subject::new(|| backend.clone(), zone, &SystemClock)).await;
    assert!(matches!(report.checks()[0].outcome, Outcome::NotRun(_)), "{report}");
    assert!(report.require_passed().is_err());
}
