//! Publishing, adopting and sweeping.

use std::sync::Arc;

use super::by_zone::{additions, by_zone};
use super::context::{ChallengeContext, ZONES_AT_ONCE};
use super::ledger::{Ledger, Orphan, RecordsOut, each_once};
use super::retry_delay::RetryDelay;
use super::withdrawal::{OnBehalf, Withdrawal};
use super::{ChallengeError, ChallengeErrorKind, ChallengeOptions, ChallengeRecord, Published};
use crate::side_by_side::side_by_side;
use crate::{BackendError, DnsBackend, DnsBackendExt, Operation, Visibility};
use fleetcert_ambient::{Ambient, timeout};

/// Publishes challenge records and tracks them until they are withdrawn. Clones share their state.
#[derive(Clone, Debug)]
pub struct Challenges {
    pub(super) context: Arc<ChallengeContext>,
}

impl Challenges {
    /// Returns challenges that publish to `backend` and count as visible by `visibility`.
    pub fn new(
        backend: Arc<dyn DnsBackend>,
        visibility: Arc<dyn Visibility>,
        ambient: Ambient,
        options: ChallengeOptions,
    ) -> Self {
        let ledger = Ledger::new(options.warn_above);
        Self { context: Arc::new(ChallengeContext { backend, visibility, ambient, options, ledger }) }
    }

    /// Publishes the records, with one call of the backend for each zone, or more if it accepts fewer changes per
    /// call. Retries temporary failures for `publish_within`. Publishing a record again is allowed; the call waits for
    /// a withdrawal of it in flight.
    ///
    /// **Cancellation.** If the call is dropped, the records are orphans, and [`sweep`](Self::sweep) withdraws those
    /// that were published.
    ///
    /// # Errors
    /// [`NotPublished`](ChallengeErrorKind::NotPublished). All the records are then orphans, unless a name is outside
    /// its zone: in this case nothing is tried.
    pub async fn publish(&self, records: Vec<ChallengeRecord>) -> Result<Published, ChallengeError> {
        // A record that cannot be published must not become an orphan that can never be withdrawn.
        let check = |record: &ChallengeRecord| Operation::Apply.check_name(&record.zone, &record.name);
        if let Err(error) = records.iter().try_for_each(check) {
            return Err(ChallengeError::of_records(ChallengeErrorKind::NotPublished, &records, Some(error)));
        }
        let published = self.adopt(records);
        match self.context.add(published.records(), |_, records| records.to_vec()).await {
            Ok(()) => Ok(published),
            Err(error) => {
                let kind = ChallengeErrorKind::NotPublished;
                Err(ChallengeError::of_records(kind, published.records(), error))
            }
        }
    }

    /// Takes over records that were, or may have been, published according to a journal: after a restart, or when an
    /// order continues in another task. Publishes nothing; if the journal is not certain, [`publish`](Self::publish)
    /// them.
    pub fn adopt(&self, records: Vec<ChallengeRecord>) -> Published {
        Published::holding(self.context.clone(), each_once(records))
    }

    /// Withdraws the records, even if another process published them, and verifies it by reading. A record that does
    /// not exist counts as withdrawn. Retries for `withdraw_within`.
    ///
    /// **Cancellation.** Some records may be withdrawn and some not; call it again.
    ///
    /// # Errors
    /// [`NotWithdrawn`](ChallengeErrorKind::NotWithdrawn) with the remaining records. The others are gone.
    pub async fn withdraw(&self, records: &[ChallengeRecord]) -> Result<(), ChallengeError> {
        let orphans = self.context.ledger.orphans_among(records);
        let withdrawal = self.context.withdraw(records.to_vec(), OnBehalf::Caller).await;
        self.context.settle(&orphans, &withdrawal);
        withdrawal.into_result()
    }

    /// Returns the options.
    pub fn options(&self) -> &ChallengeOptions {
        &self.context.options
    }

    /// Returns the number of records in each zone that are, or may be, published and that this process tracks.
    pub fn records_out(&self) -> Vec<RecordsOut> {
        self.context.ledger.records_out()
    }

    /// Returns the number of records that dropped guards have left.
    pub fn orphans(&self) -> usize {
        self.context.ledger.orphan_count()
    }

    /// Withdraws the records of dropped guards and returns the number of records that are settled. Call it
    /// periodically and before the program ends. A record that a dropped call may still publish is withdrawn, but
    /// stays an orphan for `late_changes_within`.
    ///
    /// **Cancellation.** Records that are not withdrawn yet stay orphans.
    ///
    /// # Errors
    /// [`NotWithdrawn`](ChallengeErrorKind::NotWithdrawn) with the remaining records; they stay orphans.
    pub async fn sweep(&self) -> Result<usize, ChallengeError> {
        let orphans = self.context.ledger.orphans();
        if orphans.is_empty() {
            return Ok(0);
        }
        let records: Vec<_> = orphans.iter().map(|orphan| orphan.record.clone()).collect();
        let mut withdrawal = self.context.withdraw(records, OnBehalf::Sweep).await;
        let settled = self.context.settle(&orphans, &withdrawal);
        self.context.give_back(&mut withdrawal).await;
        withdrawal.into_result().map(|()| settled)
    }
}

impl ChallengeContext {
    /// Publishes records again that a guard took while this withdrawal removed them. Allows others to change the
    /// records again.
    pub(super) async fn give_back(&self, withdrawal: &mut Withdrawal<'_>) {
        withdrawal.end_claim();
        let taken_up = self.ledger.held(&withdrawal.removed());
        if taken_up.is_empty() {
            return;
        }
        // The guard may be gone when the claim is granted.
        if let Err(error) = self.add(&taken_up, Ledger::held).await {
            // The withdrawal has succeeded. The other guard notices by itself that its records are missing.
            let error = ChallengeError::of_records(ChallengeErrorKind::NotPublished, &taken_up, error);
            tracing::warn!(%error, "challenge records that an order holds again are missing");
        }
    }

    /// Forgets those orphans that are gone for good.
    fn settle(&self, orphans: &[Orphan], withdrawal: &Withdrawal<'_>) -> usize {
        let gone = orphans.iter().filter(|orphan| withdrawal.is_gone(&orphan.record));
        self.ledger.settle(gone, withdrawal.began)
    }

    /// Adds the records that `choose` returns once no other task changes them. The error is `None` on a timeout
    /// without any answer.
    async fn add(
        &self,
        records: &[ChallengeRecord],
        choose: fn(&Ledger, &[ChallengeRecord]) -> Vec<ChallengeRecord>,
    ) -> Result<(), Option<BackendError>> {
        // Declared outside the work, so that it survives a timeout.
        let mut last_error = None;
        let work = async {
            let _claim = self.claim(records).await;
            let chosen = choose(&self.ledger, records);
            let attempt = Attempt { context: self, records: &chosen, is_certain: false };
            self.add_with_retries(&chosen, &mut last_error).await?;
            // A change sent by an earlier attempt may still be in flight.
            if last_error.is_none() {
                attempt.succeed();
            }
            Ok(())
        };
        match timeout(&*self.ambient.clock, self.options.publish_within, work).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Some(error)),
            Err(_) => Err(last_error),
        }
    }

    async fn add_with_retries(
        &self,
        records: &[ChallengeRecord],
        last_error: &mut Option<BackendError>,
    ) -> Result<(), BackendError> {
        let mut delay = RetryDelay::new(&self.options);
        loop {
            let Err(error) = self.add_once(records).await else { return Ok(()) };
            let Some(wait) = error.retry_after() else { return Err(error) };
            tracing::debug!(%error, "retrying the publication of challenge records");
            *last_error = Some(error);
            self.ambient.sleep(delay.next(Some(wait))).await;
        }
    }

    async fn add_once(&self, records: &[ChallengeRecord]) -> Result<(), BackendError> {
        let changes: Vec<_> = by_zone(records)
            .into_iter()
            .map(|(zone, records)| (zone, additions(&records, self.options.ttl)))
            .collect();
        let zones =
            changes.iter().map(|(zone, changes)| self.backend.apply_in_parts(zone, changes)).collect();
        side_by_side(ZONES_AT_ONCE, zones).await.into_iter().collect()
    }
}

/// An attempt to publish. Unless it succeeds at once, the records may still appear later.
struct Attempt<'a> {
    context: &'a ChallengeContext,
    records: &'a [ChallengeRecord],
    is_certain: bool,
}

impl Attempt<'_> {
    fn succeed(mut self) {
        self.is_certain = true;
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.is_certain {
            let now = self.context.ambient.now();
            let until = now.checked_add(self.context.options.late_changes_within).unwrap_or(now);
            self.context.ledger.doubt(self.records, until);
        }
    }
}
