//! The extension trait over a backend with few changes per call and forbidden names.

use std::sync::Arc;

use super::*;
use crate::MemoryBackend;
use crate::scripted::Scripted;

fn zone() -> DomainName {
    "fleet.test".parse().unwrap()
}

fn name(number: usize) -> DomainName {
    format!("d{number}.fleet.test").parse().unwrap()
}

/// A backend that accepts two changes per call.
fn narrow(refuses: Option<(DomainName, BackendErrorKind)>) -> Scripted {
    Scripted::new([&zone()]).taking(2).forbidding(refuses)
}

fn additions(count: usize) -> Vec<Change> {
    let add =
        |number| Change::AddTxt { name: name(number), value: "1".parse().unwrap(), ttl: Ttl::CHALLENGE };
    (0..count).map(add).collect()
}

#[tokio::test]
async fn single_changes_work_on_a_dyn_backend() {
    let backend: Arc<dyn DnsBackend> = Arc::new(MemoryBackend::new([&zone()]));
    let (one, two): (TxtValue, TxtValue) = ("1".parse().unwrap(), "2".parse().unwrap());
    backend.add_txt(&zone(), &name(0), &one, Ttl::CHALLENGE).await.unwrap();
    backend.add_txt(&zone(), &name(0), &two, Ttl::CHALLENGE).await.unwrap();
    let addresses = ["10.1.1.4", "fd00::4"].map(|text| text.parse::<IpAddr>().unwrap());
    backend.set_addresses(&zone(), &name(0), Addresses::new(addresses).unwrap(), Ttl::ADDRESS).await.unwrap();
    backend.remove_txt(&zone(), &name(0), &one).await.unwrap();
    assert_eq!(backend.texts(&zone(), &name(0)).await.unwrap(), [two].into());
    assert_eq!(backend.addresses(&zone(), &name(0)).await.unwrap(), addresses.into());
    assert!(backend.texts(&zone(), &name(1)).await.unwrap().is_empty());
    assert!(backend.addresses(&zone(), &name(1)).await.unwrap().is_empty());
    let error = backend.texts(&"other.test".parse().unwrap(), &name(0)).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::NotInZone);
}

#[tokio::test]
async fn long_list_is_made_in_parts_up_to_the_first_failure() {
    let backend = narrow(None);
    backend.apply_in_parts(&zone(), &additions(5)).await.unwrap();
    backend.apply_in_parts(&zone(), &[]).await.unwrap();
    assert_eq!((backend.sizes(), backend.inner.record_sets()), (vec![2, 2, 1], 5));

    let backend = narrow(Some((name(3), BackendErrorKind::Refused)));
    let error = backend.apply_in_parts(&zone(), &additions(6)).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Refused);
    assert_eq!((backend.sizes(), backend.inner.record_sets()), (vec![2, 2], 2));
}

#[tokio::test]
async fn rejected_change_does_not_affect_others() {
    for kind in [BackendErrorKind::Refused, BackendErrorKind::NotInZone, BackendErrorKind::InvalidInput] {
        let backend = narrow(Some((name(3), kind)));
        let outcomes = backend.apply_each(&zone(), &additions(5)).await;
        let told: Vec<_> = outcomes.iter().map(|part| (part.changes.clone(), part.result.is_ok())).collect();
        assert_eq!(told, [(0..2, true), (2..3, true), (3..4, false), (4..5, true)]);
        assert_eq!(backend.inner.record_sets(), 4);
    }
}

#[tokio::test]
async fn unavailable_server_is_not_called_for_each_change() {
    let backend = narrow(Some((name(1), BackendErrorKind::Unavailable)));
    let outcomes = backend.apply_each(&zone(), &additions(3)).await;
    let told: Vec<_> = outcomes.iter().map(|part| (part.changes.clone(), part.result.is_ok())).collect();
    assert_eq!(told, [(0..2, false), (2..3, true)]);
    assert_eq!(backend.sizes(), [2, 1]);
    // Each change of a part that was rejected is tried once.
    let backend = narrow(Some((name(0), BackendErrorKind::Refused)));
    assert!(backend.apply_each(&zone(), &additions(1)).await[0].result.is_err());
    assert_eq!(backend.sizes(), [1]);
}
