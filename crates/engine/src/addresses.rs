//! Where the devices are: from their reports to the zone.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use fleetcert_dns::{Addresses, BackendError, Change};
use fleetcert_names::{DomainName, HostName};
use fleetcert_protocol::{AddressReport, AddressesAccepted};
use fleetcert_schedule::retry_delay;
use fleetcert_store::{Expect, Record, Transaction};

use crate::records::{self, ADDRESSES, AddressRecord};
use crate::{Action, Engine, EngineError, EngineErrorKind, Event, Grant};

/// So many names are brought to the zone in one go.
const BATCH: usize = 256;
/// A worker that stops in the middle of a batch leaves it to the next after this time.
const LEASE: Duration = Duration::from_secs(60);
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
        // A damaged record is told and left out, so that it holds up nobody else.
        let batch: Vec<Due> = due.iter().filter_map(|record| self.readable(decode_due(record))).collect();
        let zone = &self.parts().options.zone;
        for part in batch.chunks(self.parts().backend.capabilities().max_changes.max(1)) {
            let changes: Vec<Change> = part.iter().map(|due| self.change(due)).collect::<Result<_, _>>()?;
            match self.parts().backend.apply(zone, &changes).await {
                Ok(()) => {
                    self.settle(part, |_| None).await?;
                    self.notify(&Event::AddressesPublished { names: part.len() });
                }
                Err(error) => self.postpone(part, &error).await?,
            }
        }
        Ok(due.len() == BATCH)
    }

    /// Makes every name due, so that a zone that forgot them gets them again.
    pub(crate) async fn republish_all(&self) -> Result<(), EngineError> {
        let store = &self.parts().store;
        let mut after: Option<String> = None;
        loop {
            let page = store.page(ADDRESSES, after.as_deref(), PAGE).await?;
            for record in &page {
                let expect = Expect::Version(record.version);
                let due = Some(self.now());
                let write = Transaction::new().put(ADDRESSES, &record.key, expect, record.value.clone(), due);
                ignore_conflict(store.commit(write).await)?;
            }
            match page.into_iter().next_back() {
                Some(last) => after = Some(last.key),
                None => return Ok(()),
            }
        }
    }

    fn change(&self, due: &Due) -> Result<Change, EngineError> {
        let addresses = Addresses::new(due.record.addresses.iter().copied())
            .map_err(|error| EngineError::new(EngineErrorKind::Corrupt, error))?;
        Ok(Change::SetAddresses { name: due.name.clone(), addresses, ttl: self.parts().options.address_ttl })
    }

    async fn postpone(&self, part: &[Due], error: &BackendError) -> Result<(), EngineError> {
        let failures = part.iter().map(|due| due.record.failures).max().unwrap_or_default().saturating_add(1);
        // A zone that is away for a moment must not cost a minute: the first tries come quickly.
        let quick = error.retry_after().filter(|_| failures <= 5);
        let delay = match quick {
            Some(wait) => wait.max(Duration::from_secs(1 << failures.min(5))),
            None => retry_delay(failures.saturating_sub(4).max(1), self.random()),
        };
        let retry_at = self.now() + delay;
        self.notify(&Event::ZoneFailed { error, retry_at });
        self.settle(part, |due| {
            due.failures = failures;
            Some(retry_at)
        })
        .await
    }

    /// Writes the outcome of a batch; `outcome` changes the record and says when it is due again.
    async fn settle(
        &self,
        part: &[Due],
        outcome: impl Fn(&mut AddressRecord) -> Option<SystemTime>,
    ) -> Result<(), EngineError> {
        let commits = part.iter().map(|due| {
            let mut record = AddressRecord { addresses: due.record.addresses.clone(), failures: 0 };
            let at = outcome(&mut record);
            let expect = Expect::Version(due.stored.version);
            let write =
                Transaction::new().put(ADDRESSES, &due.stored.key, expect, records::encode(&record), at);
            self.parts().store.commit(write)
        });
        for result in futures_util::future::join_all(commits).await {
            // A conflict is a newer report: it is due, and brings the zone on.
            ignore_conflict(result)?;
        }
        Ok(())
    }
}

/// A name that the zone does not have yet.
struct Due {
    stored: Record,
    name: DomainName,
    record: AddressRecord,
}

fn decode_due(stored: &Record) -> Result<Due, EngineError> {
    let name: HostName = stored
        .key
        .parse()
        .map_err(|error: fleetcert_names::NameError| EngineError::new(EngineErrorKind::Corrupt, error))?;
    Ok(Due { stored: stored.clone(), name: name.as_domain().clone(), record: records::decode(stored)? })
}

fn ignore_conflict<T>(result: Result<T, fleetcert_store::StoreError>) -> Result<(), EngineError> {
    match result {
        Ok(_) => Ok(()),
        Err(error) if error.is_conflict() => Ok(()),
        Err(error) => Err(error.into()),
    }
}
