//! The guard of published records.

use std::sync::Arc;
use std::time::Duration;

use fleetcert_ambient::timeout;
use futures_util::FutureExt;

use super::ledger::RecordsOut;
use super::pace::Pace;
use super::parts::Parts;
use super::withdrawal::OnBehalf;
use super::{ChallengeError, ChallengeErrorKind, ChallengeRecord, Unfinished};
use crate::side_by_side::side_by_side;
use crate::{BackendError, Quorum, Sighting};

/// Records that are out there, or may be, and must not stay.
///
/// End it with [`withdraw`](Self::withdraw). Dropped without, its records are orphans until
/// [`Challenges::sweep`](super::Challenges::sweep) withdraws them. When several guards hold the same record, the
/// last of them withdraws it.
#[derive(Debug)]
#[must_use = "a guard that is dropped leaves its records to the next sweep"]
pub struct Published {
    parts: Arc<Parts>,
    records: Vec<ChallengeRecord>,
}

impl Published {
    pub(super) fn holding(parts: Arc<Parts>, records: Vec<ChallengeRecord>) -> Self {
        for RecordsOut { zone, records, .. } in parts.ledger.hold(&records) {
            tracing::warn!(%zone, records, "challenge records pile up in the zone");
        }
        Self { parts, records }
    }

    /// The records, each once.
    pub fn records(&self) -> &[ChallengeRecord] {
        &self.records
    }

    /// Waits until enough servers show every record, and returns what they said, in the order of
    /// [`records`](Self::records). It looks at several records at the same time, for at most `visible_within`, and
    /// not beyond the moment when the first of the records expires. With [`Quorum::TrustBackend`] nobody is asked.
    ///
    /// **Cancellation.** Dropping the wait changes nothing.
    ///
    /// # Errors
    /// [`NotVisible`](ChallengeErrorKind::NotVisible), with the last sighting of each record that is missing. At
    /// once when the servers of a zone cannot be looked at and waiting does not help.
    pub async fn wait_until_visible(&self) -> Result<Vec<Sighting>, ChallengeError> {
        let mut watch = Watch {
            parts: &self.parts,
            places: self.records.iter().map(|record| (record, None)).collect(),
            last_error: None,
        };
        let limit = self.time_to_look();
        let in_time = timeout(&*self.parts.clock, limit, watch.until_all_seen()).await;
        match in_time {
            Ok(true) => Ok(watch.places.into_iter().filter_map(|(_, sighting)| sighting).collect()),
            Ok(false) | Err(_) => Err(watch.into_error()),
        }
    }

    /// Withdraws the records and proves it by reading back. Tried again for `withdraw_within`. When their publication
    /// failed once, it does so a second time after `late_changes_within`.
    ///
    /// **Cancellation.** When the call is dropped, the records are orphans.
    ///
    /// # Errors
    /// [`NotWithdrawn`](ChallengeErrorKind::NotWithdrawn); then too the records that are left are orphans.
    pub async fn withdraw(mut self) -> Result<(), ChallengeError> {
        let parts = self.parts.clone();
        let mut withdrawal = parts.withdraw(self.records.clone(), OnBehalf::Guard).await;
        let (left, done): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.records).into_iter().partition(|record| withdrawal.is_left(record));
        parts.ledger.release(&done, withdrawal.began);
        self.records = left;
        parts.give_back(&mut withdrawal).await;
        withdrawal.into_result()
    }

    fn time_to_look(&self) -> Duration {
        let now = self.parts.clock.now();
        let until_expiry = |record: &ChallengeRecord| record.expires.duration_since(now).unwrap_or_default();
        let first_expiry = self.records.iter().map(until_expiry).min();
        self.parts.options.visible_within.min(first_expiry.unwrap_or(Duration::MAX))
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        let orphans = self.parts.ledger.abandon(&self.records);
        if orphans > 0 {
            tracing::warn!(orphans, "challenge records were left behind; a sweep withdraws them");
        }
    }
}

/// One wait: every record with the last that was seen of it.
struct Watch<'a> {
    parts: &'a Parts,
    places: Vec<(&'a ChallengeRecord, Option<Sighting>)>,
    last_error: Option<BackendError>,
}

impl Watch<'_> {
    /// Looks until all is seen; `false` when looking on does not help.
    async fn until_all_seen(&mut self) -> bool {
        self.parts.clock.sleep(self.parts.options.first_look_after).await;
        let mut pace = Pace::new(&self.parts.options);
        if self.parts.options.quorum == Quorum::TrustBackend {
            self.places.iter_mut().for_each(|(_, sighting)| *sighting = Some(Sighting::of_nobody()));
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
            self.parts.clock.sleep(pace.next(wait)).await;
        }
    }

    /// Looks once at every record that is not seen yet, and says how many are still not.
    async fn look(&mut self) -> usize {
        let parts = self.parts;
        let unseen = self.places.iter_mut().filter(|(_, sighting)| !is_seen(parts, sighting.as_ref()));
        let looks = unseen.map(|(record, sighting)| look_at(parts, record, sighting).boxed()).collect();
        let answers = side_by_side(parts.options.looks_at_once, looks).await;
        self.last_error = answers.into_iter().filter_map(Result::err).last();
        self.places.iter().filter(|(_, sighting)| !is_seen(parts, sighting.as_ref())).count()
    }

    fn into_error(self) -> ChallengeError {
        let parts = self.parts;
        let unseen = self.places.into_iter().filter(|(_, sighting)| !is_seen(parts, sighting.as_ref()));
        let unfinished = unseen
            .map(|(record, last_sighting)| Unfinished { record: record.clone(), last_sighting })
            .collect();
        ChallengeError::new(ChallengeErrorKind::NotVisible, unfinished, self.last_error)
    }
}

async fn look_at(
    parts: &Parts,
    record: &ChallengeRecord,
    sighting: &mut Option<Sighting>,
) -> Result<(), BackendError> {
    *sighting = Some(parts.visibility.look(&record.zone, &record.name, &record.value).await?);
    Ok(())
}

fn is_seen(parts: &Parts, sighting: Option<&Sighting>) -> bool {
    sighting.is_some_and(|sighting| sighting.satisfies(parts.options.quorum))
}
