//! Where the devices are: from their reports to the zone.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use fleetcert_ambient::timeout;
use fleetcert_dns::{
    Addresses, BackendError, BackendErrorKind, Change, DnsBackendExt, Operation, PartOutcome,
};
use fleetcert_names::{HostName, NameError};
use fleetcert_protocol::{AddressReport, AddressesAccepted};
use fleetcert_schedule::retry_delay;
use fleetcert_store::{Expect, Record, Transaction};

use crate::orders::Verdict;
use crate::records::{self, ADDRESSES, AddressRecord, ignore_conflict};
use crate::{Action, Engine, EngineError, EngineErrorKind, Event, Grant};

/// So many names are brought to the zone in one go.
const BATCH: usize = 256;
/// A worker that stops in the middle of a batch leaves it to the next after this time.
const LEASE: Duration = Duration::from_secs(60);
/// A backend has a limit of its own for each call; this is for one that has none.
const APPLY_WITHIN: Duration = Duration::from_secs(300);
const PAGE: usize = 256;

impl Engine {
    /// Notes where a device says it is. The zone follows; what is there already is not written again.
    ///
    /// # Errors
    /// `AddressNotAllowed` with the address, `Denied`, `Unavailable`.
    pub async fn report_addresses(
        &self,
        grant: &Grant,
        report: &AddressReport,
    ) -> Result<AddressesAccepted, EngineError> {
        grant.require(Action::ReportAddresses)?;
        for address in report.addresses() {
            let allowed = self.parts().addresses.check(*address);
            allowed.map_err(|refusal| EngineError::new(EngineErrorKind::AddressNotAllowed, refusal))?;
        }
        let sorted: BTreeSet<IpAddr> = report.addresses().iter().copied().collect();
        let wanted = AddressRecord { addresses: sorted.into_iter().collect(), failures: 0 };
        let key = grant.name().as_str();
        let found = self.parts().store.read(ADDRESSES, key).await?;
        if let Some(found) = &found
            && records::decode::<AddressRecord>(found)?.addresses == wanted.addresses
        {
            return Ok(AddressesAccepted { changed: false });
        }
        // A report that loses against a newer one of the same device would bring back an old address: the
        // device is told to report again.
        let expect = found.map_or(Expect::Absent, |found| Expect::Version(found.version));
        let write =
            Transaction::new().put(ADDRESSES, key, expect, records::encode(&wanted), Some(self.now()));
        self.parts().store.commit(write).await?;
        self.notify(&Event::AddressesChanged { name: grant.name(), addresses: &wanted.addresses });
        self.wake_zone_worker();
        Ok(AddressesAccepted { changed: true })
    }

    /// Brings what is due to the zone; says whether there may be more.
    pub(crate) async fn publish_addresses(&self) -> Result<bool, EngineError> {
        let now = self.now();
        let due = self.parts().store.claim(ADDRESSES, now, now + LEASE, BATCH).await?;
        let more = due.len() == BATCH;
        // A damaged record is told and left out, so that it holds up nobody else.
        let batch: Vec<Due> =
            due.into_iter().filter_map(|record| self.readable(self.read_due(record))).collect();
        let changes: Vec<Change> = batch.iter().map(|due| due.change.clone()).collect();
        // One name that the server does not take must not keep the others out of the zone.
        let zone = &self.parts().options.zone;
        let applied = self.parts().backend.apply_each(zone, &changes);
        let Ok(parts) = timeout(&*self.parts().ambient.clock, APPLY_WITHIN, applied).await else {
            let why = format!("no answer within {} s", APPLY_WITHIN.as_secs());
            let error = BackendError::new(BackendErrorKind::Unavailable, Operation::Apply, zone, why);
            self.postpone(&batch, &error).await?;
            return Ok(more);
        };
        for PartOutcome { changes, result } in parts {
            let part = &batch[changes];
            match result {
                Ok(()) => {
                    self.heard("", &Verdict::ZONE_WORKED);
                    self.settle(part, 0, None).await?;
                    self.notify(&Event::AddressesPublished { names: part.len() });
                }
                Err(error) => self.postpone(part, &error).await?,
            }
        }
        Ok(more)
    }

    /// Makes every name due, so that a zone that forgot them gets them again.
    pub(crate) async fn republish_all(&self) -> Result<(), EngineError> {
        let store = &self.parts().store;
        let mut after: Option<String> = None;
        loop {
            let page = store.page(ADDRESSES, after.as_deref(), PAGE).await?;
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
        let write = Transaction::new().put(ADDRESSES, record.key, expect, record.value, Some(self.now()));
        // Who wrote it meanwhile has made it due.
        ignore_conflict(self.parts().store.commit(write).await)
    }

    async fn postpone(&self, part: &[Due], error: &BackendError) -> Result<(), EngineError> {
        let failures = part.iter().map(|due| due.record.failures).max().unwrap_or_default().saturating_add(1);
        let delay = match error.retry_after() {
            // It passes: soon again, and never so late that a zone that is back waits for us.
            Some(wait) => wait.max(Duration::from_secs(1 << failures.min(8))),
            None => retry_delay(failures, self.random()),
        };
        let retry_at = self.now() + delay;
        if error.kind() == BackendErrorKind::Unavailable {
            self.heard("", &Verdict::ZONE_AWAY);
        }
        self.notify(&Event::ZoneFailed { error, retry_at });
        self.settle(part, failures, Some(retry_at)).await
    }

    /// Writes the outcome of a batch, and when it is due again.
    async fn settle(&self, part: &[Due], failures: u32, due: Option<SystemTime>) -> Result<(), EngineError> {
        let commits = part.iter().map(|one| {
            let record = AddressRecord { addresses: one.record.addresses.clone(), failures };
            let expect = Expect::Version(one.stored.version);
            let write =
                Transaction::new().put(ADDRESSES, &one.stored.key, expect, records::encode(&record), due);
            self.parts().store.commit(write)
        });
        for (one, result) in part.iter().zip(futures_util::future::join_all(commits).await) {
            match result {
                Err(error) if error.is_conflict() => self.overtaken(&one.stored.key).await?,
                result => ignore_conflict(result)?,
            }
        }
        Ok(())
    }

    /// A newer report was written while we wrote the zone. It is due, unless another node has brought it to the
    /// zone already; ours may have come after that and undone it.
    async fn overtaken(&self, key: &str) -> Result<(), EngineError> {
        match self.parts().store.read(ADDRESSES, key).await? {
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
        let addresses = Addresses::new(record.addresses.iter().copied()).map_err(|error| corrupt(&error))?;
        let ttl = self.parts().options.address_ttl;
        let change = Change::SetAddresses { name: name.as_domain().clone(), addresses, ttl };
        Ok(Due { stored, record, change })
    }
}

/// A name that the zone does not have yet.
struct Due {
    stored: Record,
    record: AddressRecord,
    change: Change,
}
