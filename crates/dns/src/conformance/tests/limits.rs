//! Checks of missing capabilities neither pass nor fail.

use super::*;

fn unsupported(report: &Report) -> Vec<&'static str> {
    let unsupported = |check: &&Check| matches!(check.outcome, Outcome::Unsupported(_));
    report.checks().iter().filter(unsupported).map(|check| check.name).collect()
}

#[tokio::test]
async fn service_without_addresses_and_batches_is_unsupported_there() {
    let capabilities =
        Capabilities { addresses: false, atomic: false, max_values: 64, max_changes: 1, ..Capabilities::ALL };
    let report = report_on(Limited::to(capabilities)).await;
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
    assert!(report.to_string().contains("unsupported: it does not support addresses"), "{report}");
}

#[tokio::test]
async fn service_like_acme_dns_passes_only_what_it_can_show() {
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
    let report = report_on(Limited::to(capabilities)).await;
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
        let report = report_on(Limited::to(capabilities)).await;
        report.require_passed().unwrap();
        assert!(unsupported(&report).len() >= least, "{capabilities:?}\n{report}");
    }
}

#[tokio::test]
async fn backend_that_accepts_more_than_its_capabilities_fails() {
    for (name, claimed) in [
        ("no addresses is no record", Capabilities { addresses: false, ..Capabilities::ALL }),
        (
            "a value of more than 255 octets stays whole",
            Capabilities { any_text: false, ..Capabilities::ALL },
        ),
    ] {
        let backend = Limited { claimed, ..Limited::to(Capabilities::ALL) };
        let inner = backend.inner.clone();
        let report = report_on(backend).await;
        assert!(report.failed().any(|check| check.name == name), "{report}");
        assert_eq!(inner.record_sets(), 0, "accepted records are cleaned up");
    }
}

/// The backend in memory with fewer capabilities.
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
