//! The backend.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dns_update::{DnsRecord, DnsRecordType, DnsUpdater};
use fleetcert_ambient::{Ambient, timeout};
use fleetcert_dns::{
    BackendError, BackendErrorKind, Capabilities, Change, DnsBackend, Operation, RecordData, RecordSet,
    RecordType, Ttl, TxtValue,
};
use fleetcert_names::DomainName;

use super::LongTailFault;
use crate::locks::Locks;

/// What a [`LongTailBackend`] may and can do.
#[derive(Clone, Debug)]
pub struct LongTailOptions {
    /// The zones that the provider has. Others are [`NotInZone`](BackendErrorKind::NotInZone): the errors of
    /// `dns-update` do not tell that reliably.
    pub zones: BTreeSet<DomainName>,
    /// The time for one call with all that `dns-update` does in it. Default: 60 seconds.
    pub call_within: Duration,
    /// Whether the provider's records can be listed; some can only be written. Default: yes.
    pub reads: bool,
    /// Maximum values of one name. Default: no bound that a fleet meets. Some dynamic DNS services keep one or two.
    pub max_values: usize,
    /// Minimum time to live that the provider takes. Default: a minute.
    pub min_ttl: Ttl,
    /// Whether errors have the texts of `dns-update`. **They can hold tokens**, as parts of URLs. Default: no.
    pub show_texts: bool,
}

impl LongTailOptions {
    /// Returns the defaults, for these zones.
    pub fn new(zones: impl IntoIterator<Item = DomainName>) -> Self {
        Self {
            zones: zones.into_iter().collect(),
            call_within: Duration::from_secs(60),
            reads: true,
            max_values: usize::MAX,
            min_ttl: Ttl::ADDRESS,
            show_texts: false,
        }
    }
}

/// Adds and removes challenge values by `dns-update`. See the [page of the module](super) for what it cannot do. A
/// clone is the same backend.
#[derive(Clone, Debug)]
pub struct LongTailBackend {
    inner: Arc<LongTailState>,
}

struct LongTailState {
    provider: DnsUpdater,
    options: LongTailOptions,
    ambient: Ambient,
    /// Most providers read, merge and write.
    names: Locks<DomainName>,
}

/// Each is several requests, one after the other.
const MAX_CHANGES: usize = 20;

impl LongTailBackend {
    /// A backend over this provider. Sends nothing before the first call.
    pub fn new(provider: DnsUpdater, options: LongTailOptions, ambient: Ambient) -> Self {
        Self { inner: Arc::new(LongTailState { provider, options, ambient, names: Locks::default() }) }
    }
}

#[async_trait]
impl DnsBackend for LongTailBackend {
    async fn apply(&self, zone: &DomainName, changes: &[Change]) -> Result<(), BackendError> {
        let call = Call { inner: &self.inner, operation: Operation::Apply, zone };
        call.require_zone()?;
        self.capabilities().check(zone, changes)?;
        if changes.is_empty() {
            return Ok(());
        }
        let names = changes.iter().map(|change| change.name().clone()).collect();
        call.in_time(async {
            let _locked = self.inner.names.lock(names).await;
            for change in changes {
                call.make(change).await?;
            }
            Ok(())
        })
        .await
    }

    async fn read(
        &self,
        zone: &DomainName,
        name: &DomainName,
        record_type: RecordType,
    ) -> Result<Option<RecordSet>, BackendError> {
        let call = Call { inner: &self.inner, operation: Operation::Read, zone };
        call.require_zone()?;
        self.capabilities().check_read(zone, name)?;
        let min_ttl = self.inner.options.min_ttl;
        if record_type != RecordType::Txt {
            return Err(call.error(BackendErrorKind::InvalidInput, "it knows only TXT records"));
        }
        let records = call
            .in_time(async {
                let provider = &self.inner.provider;
                let listed = provider.list_rrset(name.as_str(), DnsRecordType::TXT, zone.as_str()).await;
                listed.map_err(|error| call.failed(&error))
            })
            .await?;
        let values: BTreeSet<_> = records.iter().filter_map(value).collect();
        Ok((!values.is_empty()).then_some(RecordSet { ttl: min_ttl, values }))
    }

    fn capabilities(&self) -> Capabilities {
        let LongTailOptions { reads, max_values, min_ttl, .. } = self.inner.options;
        Capabilities {
            atomic: false,
            addresses: false,
            any_text: false,
            reads,
            max_values,
            min_ttl,
            max_changes: MAX_CHANGES,
            ..Capabilities::ALL
        }
    }
}

fn value(record: &DnsRecord) -> Option<RecordData> {
    let DnsRecord::TXT(text) = record else { return None };
    text.parse().ok().map(RecordData::Txt)
}

/// One call of the backend, with what its errors tell.
#[derive(Clone, Copy)]
struct Call<'a> {
    inner: &'a LongTailState,
    operation: Operation,
    zone: &'a DomainName,
}

impl Call<'_> {
    fn require_zone(&self) -> Result<(), BackendError> {
        if self.inner.options.zones.contains(self.zone) {
            return Ok(());
        }
        Err(self.error(BackendErrorKind::NotInZone, "the backend was not given this zone"))
    }

    async fn make(&self, change: &Change) -> Result<(), BackendError> {
        let (provider, origin) = (&self.inner.provider, self.zone.as_str());
        let made = match change {
            Change::AddTxt { name, value, ttl } => {
                let ttl = (*ttl).max(self.inner.options.min_ttl).as_secs();
                provider.add_to_rrset(name.as_str(), DnsRecordType::TXT, ttl, vec![txt(value)], origin).await
            }
            Change::RemoveTxt { name, value } if value.is_dns01() => {
                provider.remove_from_rrset(name.as_str(), DnsRecordType::TXT, vec![txt(value)], origin).await
            }
            Change::RemoveTxt { .. } => Ok(()),
            Change::SetAddresses { .. } => unreachable!("addresses are refused before"),
        };
        made.map_err(|error| self.failed(&error))
    }

    async fn in_time<T>(
        &self,
        work: impl Future<Output = Result<T, BackendError>>,
    ) -> Result<T, BackendError> {
        let within = self.inner.options.call_within;
        match timeout(&*self.inner.ambient.clock, within, work).await {
            Ok(done) => done,
            Err(elapsed) => Err(self.error(BackendErrorKind::Unavailable, elapsed)),
        }
    }

    fn failed(&self, error: &dns_update::Error) -> BackendError {
        let fault = LongTailFault::new(error, self.inner.options.show_texts);
        self.error(fault.kind(), fault)
    }

    fn error(
        &self,
        kind: BackendErrorKind,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> BackendError {
        BackendError::new(kind, self.operation, self.zone, source)
    }
}

fn txt(value: &TxtValue) -> DnsRecord {
    // It has the characters of base64url only.
    DnsRecord::TXT(value.to_string())
}

impl fmt::Debug for LongTailState {
    /// The provider has secrets, and does not keep them from being printed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LongTailBackend").field("options", &self.options).finish_non_exhaustive()
    }
}
