//! Publishing, taking over, and sweeping up.

use std::collections::BTreeMap;
use std::sync::Arc;

use fleetcert_ambient::{Clock, timeout};
use fleetcert_names::DomainName;
use futures_util::FutureExt;

use super::batches::{Batch, batches};
use super::ledger::{Ledger, each_once};
use super::pace::Pace;
use super::{ChallengeError, ChallengeErrorKind, ChallengeOptions, ChallengeRecord, Published};
use crate::side_by_side::side_by_side;
use crate::{BackendError, BackendErrorKind, DnsBackend, Operation, Visibility};

/// Publishes challenge records and answers for their withdrawal. A clone is the same one.
#[derive(Clone, Debug)]
pub struct Challenges {
    pub(super) parts: Arc<Parts>,
}

#[derive(Debug)]
pub(super) struct Parts {
    pub(super) backend: Arc<dyn DnsBackend>,
    pub(super) visibility: Arc<dyn Visibility>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) options: ChallengeOptions,
    pub(super) ledger: Ledger,
}

/// How many zones are changed at the same time.
const ZONES_AT_ONCE: usize = 8;

impl Challenges {
    /// Records go to `backend`, and count as visible when `visibility` says so.
    pub fn new(
        backend: Arc<dyn DnsBackend>,
        visibility: Arc<dyn Visibility>,
        clock: Arc<dyn Clock>,
        options: ChallengeOptions,
    ) -> Self {
        let ledger = Ledger::default();
        Self { parts: Arc::new(Parts { backend, visibility, clock, options, ledger }) }
    }

    /// Publishes the records, with one call of the backend for each zone (more, where it takes fewer changes). A
    /// failure of the moment is tried again for `publish_within`. The same records again are fine.
    ///
    /// **Cancellation.** When the call is dropped, the records are orphans, and [`sweep`](Self::sweep) withdraws
    /// what of them came to be.
    ///
    /// # Errors
    /// [`NotPublished`](ChallengeErrorKind::NotPublished); then too all the records are orphans.
    pub async fn publish(&self, records: Vec<ChallengeRecord>) -> Result<Published, ChallengeError> {
        // A record that cannot be published must not become an orphan that can never be withdrawn.
        if let Some(stray) = records.iter().find(|record| !record.name.is_within(&record.zone)) {
            let why = format!("{} is outside the zone", stray.name);
            let error = BackendError::new(BackendErrorKind::NotInZone, Operation::Apply, &stray.zone, why);
            return Err(ChallengeError::of_records(ChallengeErrorKind::NotPublished, &records, Some(error)));
        }
        let published = self.adopt(records);
        match self.parts.add(published.records()).await {
            Ok(()) => Ok(published),
            Err(error) => {
                let kind = ChallengeErrorKind::NotPublished;
                Err(ChallengeError::of_records(kind, published.records(), error))
            }
        }
    }

    /// Takes over records that a journal says are out there, or may be: after a restart, or when an order goes on
    /// in another task. Nothing is published; where the journal cannot be sure, [`publish`](Self::publish) them.
    pub fn adopt(&self, records: Vec<ChallengeRecord>) -> Published {
        Published::holding(self.parts.clone(), each_once(records))
    }

    /// Withdraws the records, whether this process published them or not, and proves it by reading back. What is
    /// not there is withdrawn already. Tried again for `withdraw_within`.
    ///
    /// **Cancellation.** Some records may be withdrawn and some not; call it again.
    ///
    /// # Errors
    /// [`NotWithdrawn`](ChallengeErrorKind::NotWithdrawn), naming the records that are left. The others are gone.
    pub async fn withdraw(&self, records: &[ChallengeRecord]) -> Result<(), ChallengeError> {
        let orphans = self.parts.ledger.orphans_among(records);
        let withdrawal = self.parts.withdraw(records.to_vec()).await;
        self.parts.ledger.settle(orphans.iter().filter(|orphan| withdrawal.is_gone(&orphan.record)));
        withdrawal.into_result()
    }

    /// How many records dropped guards have left.
    pub fn orphans(&self) -> usize {
        self.parts.ledger.orphan_count()
    }

    /// Withdraws what dropped guards have left, and says how many records that were. Call it now and then, and
    /// before the program ends.
    ///
    /// **Cancellation.** What is not withdrawn yet stays an orphan.
    ///
    /// # Errors
    /// [`NotWithdrawn`](ChallengeErrorKind::NotWithdrawn), naming the records that are left; they stay orphans.
    pub async fn sweep(&self) -> Result<usize, ChallengeError> {
        let orphans = self.parts.ledger.orphans();
        if orphans.is_empty() {
            return Ok(0);
        }
        let records: Vec<_> = orphans.iter().map(|orphan| orphan.record.clone()).collect();
        let withdrawal = self.parts.withdraw(records.clone()).await;
        self.parts.ledger.settle(orphans.iter().filter(|orphan| withdrawal.is_gone(&orphan.record)));

        // An order that was taken up again meanwhile may have lost its record to this sweep.
        let taken_up = self.parts.ledger.held(&records);
        if let Err(error) = self.parts.add(&taken_up).await {
            return Err(ChallengeError::of_records(ChallengeErrorKind::NotPublished, &taken_up, error));
        }
        withdrawal.into_result().map(|()| records.len())
    }
}

impl Parts {
    /// Adds the records, or says why not: `None` when the time was over before there was any answer.
    async fn add(&self, records: &[ChallengeRecord]) -> Result<(), Option<BackendError>> {
        // Lives outside the work, so that it is still there when the time is over.
        let mut last_error = None;
        let work = self.add_with_patience(records, &mut last_error);
        match timeout(&*self.clock, self.options.publish_within, work).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Some(error)),
            Err(_) => Err(last_error),
        }
    }

    async fn add_with_patience(
        &self,
        records: &[ChallengeRecord],
        last_error: &mut Option<BackendError>,
    ) -> Result<(), BackendError> {
        let mut pace = Pace::new(&self.options);
        loop {
            let Err(error) = self.add_once(records).await else { return Ok(()) };
            let Some(wait) = error.retry_after() else { return Err(error) };
            tracing::debug!(%error, "publishing challenge records again");
            *last_error = Some(error);
            self.clock.sleep(pace.next(Some(wait))).await;
        }
    }

    async fn add_once(&self, records: &[ChallengeRecord]) -> Result<(), BackendError> {
        let mut zones: BTreeMap<&DomainName, Vec<Batch<'_>>> = BTreeMap::new();
        for batch in batches(records, self.backend.capabilities().max_changes) {
            zones.entry(batch.zone).or_default().push(batch);
        }
        let zones = zones.into_values().map(|batches| self.add_batches(batches).boxed()).collect();
        side_by_side(ZONES_AT_ONCE, zones).await.into_iter().collect()
    }

    async fn add_batches(&self, batches: Vec<Batch<'_>>) -> Result<(), BackendError> {
        for batch in batches {
            self.backend.apply(batch.zone, &batch.additions(self.options.ttl)).await?;
        }
        Ok(())
    }
}
