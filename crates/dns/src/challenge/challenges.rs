//! Publishing, taking over, and sweeping up.

use std::sync::Arc;

use super::by_zone::{additions, by_zone};
use super::ledger::{Ledger, Orphan, RecordsOut, each_once};
use super::pace::Pace;
use super::parts::{Parts, ZONES_AT_ONCE};
use super::withdrawal::{OnBehalf, Withdrawal};
use super::{ChallengeError, ChallengeErrorKind, ChallengeOptions, ChallengeRecord, Published};
use crate::side_by_side::side_by_side;
use crate::{BackendError, DnsBackend, DnsBackendExt, Operation, Visibility};
use fleetcert_ambient::{Clock, timeout};

/// Publishes challenge records and answers for their withdrawal. A clone is the same one.
#[derive(Clone, Debug)]
pub struct Challenges {
    pub(super) parts: Arc<Parts>,
}

impl Challenges {
    /// Records go to `backend`, and count as visible when `visibility` says so.
    pub fn new(
        backend: Arc<dyn DnsBackend>,
        visibility: Arc<dyn Visibility>,
        clock: Arc<dyn Clock>,
        options: ChallengeOptions,
    ) -> Self {
        let ledger = Ledger::new(options.warn_above);
        Self { parts: Arc::new(Parts { backend, visibility, clock, options, ledger }) }
    }

    /// Publishes the records, with one call of the backend for each zone (more, where it takes fewer changes). A
    /// failure of the moment is tried again for `publish_within`. The same records again are fine; where a withdrawal
    /// of one of them is under way, that is waited for.
    ///
    /// **Cancellation.** When the call is dropped, the records are orphans, and [`sweep`](Self::sweep) withdraws
    /// what of them came to be.
    ///
    /// # Errors
    /// [`NotPublished`](ChallengeErrorKind::NotPublished); then too all the records are orphans, except that nothing
    /// is tried and nothing left when the name of one is outside its zone.
    pub async fn publish(&self, records: Vec<ChallengeRecord>) -> Result<Published, ChallengeError> {
        // A record that cannot be published must not become an orphan that can never be withdrawn.
        let check = |record: &ChallengeRecord| Operation::Apply.check_name(&record.zone, &record.name);
        if let Err(error) = records.iter().try_for_each(check) {
            return Err(ChallengeError::of_records(ChallengeErrorKind::NotPublished, &records, Some(error)));
        }
        let published = self.adopt(records);
        match self.parts.add(published.records(), |_, records| records.to_vec()).await {
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
        let withdrawal = self.parts.withdraw(records.to_vec(), OnBehalf::Caller).await;
        self.parts.settle(&orphans, &withdrawal);
        withdrawal.into_result()
    }

    /// How patient it is, and what it warns of.
    pub fn options(&self) -> &ChallengeOptions {
        &self.parts.options
    }

    /// How many records are out, or may be, that this process answers for: one entry for each zone that has any.
    pub fn records_out(&self) -> Vec<RecordsOut> {
        self.parts.ledger.records_out()
    }

    /// How many records dropped guards have left.
    pub fn orphans(&self) -> usize {
        self.parts.ledger.orphan_count()
    }

    /// Withdraws what dropped guards have left, and says how many records are settled by it. Call it now and then,
    /// and before the program ends. What a dropped call may still publish is withdrawn and stays an orphan for
    /// `late_changes_within`.
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
        let mut withdrawal = self.parts.withdraw(records, OnBehalf::Sweep).await;
        let settled = self.parts.settle(&orphans, &withdrawal);
        self.parts.give_back(&mut withdrawal).await;
        withdrawal.into_result().map(|()| settled)
    }
}

impl Parts {
    /// Publishes those of the records again that a guard holds: an order that was taken up again while they were
    /// withdrawn has lost them. Others may change the records again.
    pub(super) async fn give_back(&self, withdrawal: &mut Withdrawal<'_>) {
        withdrawal.end_claim();
        let taken_up = self.ledger.held(&withdrawal.removed());
        if taken_up.is_empty() {
            return;
        }
        // Its guard may be gone when the turn comes.
        if let Err(error) = self.add(&taken_up, Ledger::held).await {
            // What was to be withdrawn is. The other guard sees by itself that its records are missing.
            let error = ChallengeError::of_records(ChallengeErrorKind::NotPublished, &taken_up, error);
            tracing::warn!(%error, "challenge records that were taken up again are missing");
        }
    }

    /// Forgets those of the orphans that are gone for good.
    fn settle(&self, orphans: &[Orphan], withdrawal: &Withdrawal<'_>) -> usize {
        let gone = orphans.iter().filter(|orphan| withdrawal.is_gone(&orphan.record));
        self.ledger.settle(gone, withdrawal.began)
    }

    /// Adds the records, or says why not: `None` when the time was over before there was any answer. Which of them
    /// is asked when nobody else changes them any more.
    async fn add(
        &self,
        records: &[ChallengeRecord],
        choose: fn(&Ledger, &[ChallengeRecord]) -> Vec<ChallengeRecord>,
    ) -> Result<(), Option<BackendError>> {
        // Lives outside the work, so that it is still there when the time is over.
        let mut last_error = None;
        let work = async {
            let _claim = self.claim(records).await;
            let chosen = choose(&self.ledger, records);
            let attempt = Attempt { parts: self, records: &chosen, is_certain: false };
            self.add_with_patience(&chosen, &mut last_error).await?;
            // What an earlier try sent may still be under way.
            if last_error.is_none() {
                attempt.went_well();
            }
            Ok(())
        };
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
        let changes: Vec<_> = by_zone(records)
            .into_iter()
            .map(|(zone, records)| (zone, additions(&records, self.options.ttl)))
            .collect();
        let zones =
            changes.iter().map(|(zone, changes)| self.backend.apply_in_parts(zone, changes)).collect();
        side_by_side(ZONES_AT_ONCE, zones).await.into_iter().collect()
    }
}

/// A publication of which some may still be made later, unless all went well at once.
struct Attempt<'a> {
    parts: &'a Parts,
    records: &'a [ChallengeRecord],
    is_certain: bool,
}

impl Attempt<'_> {
    fn went_well(mut self) {
        self.is_certain = true;
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.is_certain {
            let now = self.parts.clock.now();
            let until = now.checked_add(self.parts.options.late_changes_within).unwrap_or(now);
            self.parts.ledger.doubt(self.records, until);
        }
    }
}
