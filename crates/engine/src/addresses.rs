//! Addresses of devices: from their reports to the zone.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fleetcert_ambient::timeout;
use fleetcert_dns::{
    Addresses as AddressSet, BackendError, BackendErrorKind, Change, DnsBackend, DnsBackendExt, Operation,
    PartOutcome, Ttl,
};
use fleetcert_names::{DomainName, HostName, NameError};
use fleetcert_protocol::{AddressReport, AddressesAccepted};
use fleetcert_schedule::retry_delay;
use fleetcert_store::{Expect, Record, Transaction};
use tokio::sync::Notify;

use crate::context::ServiceContext;
use crate::orders::{Breakers, Subject, Verdict};
use crate::policy::AddressPolicy;
use crate::records::{self, ADDRESSES, AddressRecord, ignore_conflict};
use crate::{Action, EngineError, EngineErrorKind, EngineOptions, Event, Grant};

/// Maximum names in one batch of changes.
const BATCH_SIZE: usize = 256;
/// Lease of a batch. A worker that stops in the middle leaves it to the next one.
const BATCH_LEASE: Duration = Duration::from_secs(60);
/// Time limit of a batch, for a backend that has none of its own.
const BATCH_TIMEOUT: Duration = Duration::from_secs(300);
/// Records in one page of the store.
const PAGE_SIZE: usize = 256;

/// The service that takes address reports and brings the zone to them.
#[derive(Debug)]
pub(crate) struct Addresses {
    context: ServiceContext,
    zone: DomainName,
    ttl: Ttl,
    republish_at_start: bool,
    backend: Arc<dyn DnsBackend>,
    policy: Arc<dyn AddressPolicy>,
    breakers: Arc<Breakers>,
    work: Notify,
}

impl Addresses {
    pub(crate) fn new(
        context: ServiceContext,
        options: &EngineOptions,
        backend: Arc<dyn DnsBackend>,
        policy: Arc<dyn AddressPolicy>,
        breakers: Arc<Breakers>,
    ) -> Self {
        Self {
            context,
            zone: options.zone.clone(),
            ttl: options.address_ttl,
            republish_at_start: options.republish_at_start,
            backend,
            policy,
            breakers,
            work: Notify::new(),
        }
    }

    /// Brings reported addresses to the zone. Never returns.
    pub(crate) async fn run(&self) {
        if self.republish_at_start {
            while self.context.is_store_unavailable(self.republish_all().await).await {}
        }
        loop {
            match self.publish_due().await {
                Ok(true) => {}
                Ok(false) => self.context.wait_for(&self.work).await,
                Err(error) => self.context.back_off(&error).await,
            }
        }
    }

    /// Stores the addresses that a device reports. An unchanged report is not written.
    pub(crate) async fn report(
        &self,
        grant: &Grant,
        report: &AddressReport,
    ) -> Result<AddressesAccepted, EngineError> {
        grant.require(Action::ReportAddresses)?;
        for address in report.addresses() {
            let allowed = self.policy.check(*address);
            allowed.map_err(|refusal| EngineError::new(EngineErrorKind::AddressNotAllowed, refusal))?;
        }
        let sorted: BTreeSet<IpAddr> = report.addresses().iter().copied().collect();
        let wanted = AddressRecord { addresses: sorted.into_iter().collect(), failures: 0 };
        let key = grant.name().as_str();
        let found = self.context.store.read(ADDRESSES, key).await?;
        if let Some(found) = &found
            && records::decode::<AddressRecord>(found)?.addresses == wanted.addresses
        {
            return Ok(AddressesAccepted { changed: false });
        }
        // A report that loses against a newer one of the same device would bring back an old address, so the call
        // fails and the device reports again.
        let expect = found.map_or(Expect::Absent, |found| Expect::Version(found.version));
        let write = Transaction::new().put(
            ADDRESSES,
            key,
            expect,
            records::encode(&wanted),
            Some(self.context.now()),
        );
        self.context.store.commit(write).await?;
        self.context.notify(&Event::AddressesChanged { name: grant.name(), addresses: &wanted.addresses });
        self.work.notify_one();
        Ok(AddressesAccepted { changed: true })
    }

    /// Brings what is due to the zone. Returns whether there may be more.
    async fn publish_due(&self) -> Result<bool, EngineError> {
        let now = self.context.now();
        let due = self.context.store.claim(ADDRESSES, now, now + BATCH_LEASE, BATCH_SIZE).await?;
        let more = due.len() == BATCH_SIZE;
        // A damaged record is reported and left out, so that it holds up no other.
        let batch: Vec<Due> =
            due.into_iter().filter_map(|record| self.context.ok_or_report(self.read_due(record))).collect();
        let changes: Vec<Change> = batch.iter().map(|due| due.change.clone()).collect();
        // One name that the server does not take must not keep the others out of the zone.
        let zone = &self.zone;
        let applied = self.backend.apply_each(zone, &changes);
        let Ok(parts) = timeout(&*self.context.ambient.clock, BATCH_TIMEOUT, applied).await else {
            let why = format!("no answer within {} s", BATCH_TIMEOUT.as_secs());
            let error = BackendError::new(BackendErrorKind::Unavailable, Operation::Apply, zone, why);
            self.postpone(&batch, &error).await?;
            return Ok(more);
        };
        for PartOutcome { changes, result } in parts {
            let part = &batch[changes];
            match result {
                Ok(()) => {
                    self.breakers.record_outcome(Subject::Zone(&self.zone), &Verdict::ZONE_WORKED);
                    self.record_result(part, 0, None).await?;
                    self.context.notify(&Event::AddressesPublished { names: part.len() });
                }
                Err(error) => self.postpone(part, &error).await?,
            }
        }
        Ok(more)
    }

    /// Makes every name due, for a zone that lost its records.
    async fn republish_all(&self) -> Result<(), EngineError> {
        let store = &self.context.store;
        let mut after: Option<String> = None;
        loop {
            let page = store.page(ADDRESSES, after.as_deref(), PAGE_SIZE).await?;
            after = match page.last() {
                Some(last) => Some(last.key.clone()),
                None => return Ok(()),
            };
            for record in page {
                self.make_due(record).await?;
            }
        }
    }

    async fn make_due(&self, record: Record) -> Result<(), EngineError> {
        let expect = Expect::Version(record.version);
        let write =
            Transaction::new().put(ADDRESSES, record.key, expect, record.value, Some(self.context.now()));
        // A newer write has made it due.
        ignore_conflict(self.context.store.commit(write).await)
    }

    async fn postpone(&self, part: &[Due], error: &BackendError) -> Result<(), EngineError> {
        let failures = part.iter().map(|due| due.record.failures).max().unwrap_or_default().saturating_add(1);
        let delay = match error.retry_after() {
            // A temporary failure: retry soon, and never so late that a zone that works again waits for us.
            Some(wait) => wait.max(Duration::from_secs(1 << failures.min(8))),
            None => retry_delay(failures, self.context.random()),
        };
        let retry_at = self.context.now() + delay;
        if error.kind() == BackendErrorKind::Unavailable {
            self.breakers.record_outcome(Subject::Zone(&self.zone), &Verdict::ZONE_UNREACHABLE);
        }
        self.context.notify(&Event::ZoneFailed { error, retry_at });
        self.record_result(part, failures, Some(retry_at)).await
    }

    /// Stores the result of a batch, and when it is due again.
    async fn record_result(
        &self,
        part: &[Due],
        failures: u32,
        due: Option<SystemTime>,
    ) -> Result<(), EngineError> {
        let commits = part.iter().map(|one| {
            let record = AddressRecord { addresses: one.record.addresses.clone(), failures };
            let expect = Expect::Version(one.stored.version);
            let write =
                Transaction::new().put(ADDRESSES, &one.stored.key, expect, records::encode(&record), due);
            self.context.store.commit(write)
        });
        for (one, result) in part.iter().zip(futures_util::future::join_all(commits).await) {
            match result {
                Err(error) if error.is_conflict() => self.republish_newer(&one.stored.key).await?,
                result => ignore_conflict(result)?,
            }
        }
        Ok(())
    }

    /// Makes a newer report due again that was stored while this worker wrote the zone. If another node has brought it
    /// to the zone already, this worker's write may have undone it.
    async fn republish_newer(&self, key: &str) -> Result<(), EngineError> {
        match self.context.store.read(ADDRESSES, key).await? {
            Some(newer) if newer.due.is_none() => self.make_due(newer).await,
            _ => Ok(()),
        }
    }

    fn read_due(&self, stored: Record) -> Result<Due, EngineError> {
        let corrupt = |error: &dyn std::error::Error| {
            EngineError::new(EngineErrorKind::Corrupt, format!("record {}: {error}", stored.key))
        };
        let name: HostName = stored.key.parse().map_err(|error: NameError| corrupt(&error))?;
        let record: AddressRecord = records::decode(&stored)?;
        let addresses = AddressSet::new(record.addresses.iter().copied()).map_err(|error| corrupt(&error))?;
        let change = Change::SetAddresses { name: name.as_domain().clone(), addresses, ttl: self.ttl };
        Ok(Due { stored, record, change })
    }
}

/// A name whose addresses the zone does not have yet.
struct Due {
    stored: Record,
    record: AddressRecord,
    change: Change,
}
