//! The guard of published records.

use std::sync::Arc;
use std::time::Duration;

use fleetcert_ambient::timeout;
use futures_util::FutureExt;

use super::context::ChallengeContext;
use super::ledger::RecordsOut;
use super::retry_delay::RetryDelay;
use super::withdrawal::OnBehalf;
use super::{ChallengeError, ChallengeErrorKind, ChallengeRecord, Unfinished};
use crate::side_by_side::side_by_side;
use crate::{BackendError, Quorum, Sighting};

/// Records that are, or may be, published and must be withdrawn.
///
/// Call [`withdraw`](Self::withdraw) at the end. If the guard is dropped instead, its records are orphans until
/// [`Challenges::sweep`](super::Challenges::sweep) withdraws them. If several guards hold the same record, the last of
/// them withdraws it.
#[derive(Debug)]
#[must_use = "a guard that is dropped leaves its records to the next sweep"]
pub struct Published {
    context: Arc<ChallengeContext>,
    records: Vec<ChallengeRecord>,
}

impl Published {
    pub(super) fn holding(context: Arc<ChallengeContext>, records: Vec<ChallengeRecord>) -> Self {
        for RecordsOut { zone, records, .. } in context.ledger.hold(&records) {
            tracing::warn!(%zone, records, "the zone has too many challenge records");
        }
        Self { context, records }
    }

    /// Returns the records without duplicates.
    pub fn records(&self) -> &[ChallengeRecord] {
        &self.records
    }

    /// Waits until enough servers show every record, and returns the last verdicts in the order of
    /// [`records`](Self::records). Looks at several records at the same time, for at most `visible_within`, and not
    /// beyond the expiry of the first record. With [`Quorum::TrustBackend`], no server is asked.
    ///
    /// **Cancellation.** Dropping the wait changes nothing.
    ///
    /// # Errors
    /// [`NotVisible`](ChallengeErrorKind::NotVisible) with the last sighting of each missing record. Fails at once if
    /// the servers of a zone cannot be found and waiting does not help.
    pub async fn wait_until_visible(&self) -> Result<Vec<Sighting>, ChallengeError> {
        let mut watch = Watch {
            context: &self.context,
            sightings: self.records.iter().map(|record| (record, None)).collect(),
            last_error: None,
        };
        let limit = self.time_to_look();
        let in_time = timeout(&*self.context.ambient.clock, limit, watch.until_all_seen()).await;
        match in_time {
            Ok(true) => Ok(watch.sightings.into_iter().filter_map(|(_, sighting)| sighting).collect()),
            Ok(false) | Err(_) => Err(watch.into_error()),
        }
    }

    /// Withdraws the records and verifies it by reading. Retries for `withdraw_within`. If an attempt to publish them
    /// failed, withdraws them a second time after `late_changes_within`.
    ///
    /// **Cancellation.** If the call is dropped, the records are orphans.
    ///
    /// # Errors
    /// [`NotWithdrawn`](ChallengeErrorKind::NotWithdrawn); the remaining records are then orphans.
    pub async fn withdraw(mut self) -> Result<(), ChallengeError> {
        let context = self.context.clone();
        let mut withdrawal = context.withdraw(self.records.clone(), OnBehalf::Guard).await;
        let (left, done): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.records).into_iter().partition(|record| withdrawal.is_left(record));
        context.ledger.release(&done, withdrawal.began);
        self.records = left;
        context.give_back(&mut withdrawal).await;
        withdrawal.into_result()
    }

    fn time_to_look(&self) -> Duration {
        let now = self.context.ambient.now();
        let until_expiry = |record: &ChallengeRecord| record.expires.duration_since(now).unwrap_or_default();
        let first_expiry = self.records.iter().map(until_expiry).min();
        self.context.options.visible_within.min(first_expiry.unwrap_or(Duration::MAX))
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        let orphans = self.context.ledger.abandon(&self.records);
        if orphans > 0 {
            tracing::warn!(orphans, "challenge records remain published; a sweep withdraws them");
        }
    }
}

/// One wait: every record with its last sighting.
struct Watch<'a> {
    context: &'a ChallengeContext,
    sightings: Vec<(&'a ChallengeRecord, Option<Sighting>)>,
    last_error: Option<BackendError>,
}

impl Watch<'_> {
    /// Looks until every record is visible. Returns `false` if looking further does not help.
    async fn until_all_seen(&mut self) -> bool {
        self.context.ambient.sleep(self.context.options.first_look_after).await;
        let mut delay = RetryDelay::new(&self.context.options);
        if self.context.options.quorum == Quorum::TrustBackend {
            self.sightings.iter_mut().for_each(|(_, sighting)| *sighting = Some(Sighting::of_nobody()));
            return true;
        }
        loop {
            let waiting = self.look().await;
            if waiting == 0 {
                return true;
            }
            let wait = match &self.last_error {
                Some(error) if error.retry_after().is_none() => return false,
                Some(error) => error.retry_after(),
                None => None,
            };
            self.context.ambient.sleep(delay.next(wait)).await;
        }
    }

    /// Looks once at every record that is not visible yet. Returns the number of those that still are not.
    async fn look(&mut self) -> usize {
        let context = self.context;
        let unseen = self.sightings.iter_mut().filter(|(_, sighting)| !is_seen(context, sighting.as_ref()));
        let looks = unseen.map(|(record, sighting)| look_at(context, record, sighting).boxed()).collect();
        let answers = side_by_side(context.options.looks_at_once, looks).await;
        self.last_error = answers.into_iter().filter_map(Result::err).last();
        self.sightings.iter().filter(|(_, sighting)| !is_seen(context, sighting.as_ref())).count()
    }

    fn into_error(self) -> ChallengeError {
        let context = self.context;
        let unseen = self.sightings.into_iter().filter(|(_, sighting)| !is_seen(context, sighting.as_ref()));
        let unfinished = unseen
            .map(|(record, last_sighting)| Unfinished { record: record.clone(), last_sighting })
            .collect();
        ChallengeError::new(ChallengeErrorKind::NotVisible, unfinished, self.last_error)
    }
}

async fn look_at(
    context: &ChallengeContext,
    record: &ChallengeRecord,
    sighting: &mut Option<Sighting>,
) -> Result<(), BackendError> {
    *sighting = Some(context.visibility.look(&record.zone, &record.name, &record.value).await?);
    Ok(())
}

fn is_seen(context: &ChallengeContext, sighting: Option<&Sighting>) -> bool {
    sighting.is_some_and(|sighting| sighting.satisfies(context.options.quorum))
}
