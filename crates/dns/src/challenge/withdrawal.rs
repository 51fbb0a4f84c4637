//! Withdrawing records, with proof.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fleetcert_ambient::timeout;
use fleetcert_names::DomainName;
use futures_util::FutureExt;

use super::batches::{Batch, batches};
use super::challenges::Parts;
use super::pace::Pace;
use super::{ChallengeError, ChallengeErrorKind, ChallengeRecord};
use crate::side_by_side::side_by_side;
use crate::{BackendError, BackendErrorKind, RecordData, RecordSet, RecordType};

/// What became of a withdrawal.
#[derive(Debug)]
pub(super) struct Withdrawal {
    left: Vec<ChallengeRecord>,
    last_error: Option<BackendError>,
}

impl Withdrawal {
    pub(super) fn is_left(&self, record: &ChallengeRecord) -> bool {
        self.left.contains(record)
    }

    pub(super) fn is_gone(&self, record: &ChallengeRecord) -> bool {
        !self.is_left(record)
    }

    pub(super) fn into_result(self) -> Result<(), ChallengeError> {
        if self.left.is_empty() {
            return Ok(());
        }
        Err(ChallengeError::of_records(ChallengeErrorKind::NotWithdrawn, &self.left, self.last_error))
    }
}

impl Parts {
    /// Withdraws until all the records are proved gone, or trying on does not help, or `withdraw_within` is over.
    pub(super) async fn withdraw(&self, mut records: Vec<ChallengeRecord>) -> Withdrawal {
        // Nobody can have published a name outside its zone, and it must not spoil the others' call.
        records.retain(|record| record.name.is_within(&record.zone));
        let mut withdrawal = Withdrawal { left: records, last_error: None };
        let work = async {
            let mut pace = Pace::new(&self.options);
            while let Some(wait) = self.withdraw_once(&mut withdrawal, &mut pace).await {
                self.clock.sleep(wait).await;
            }
        };
        // When the time is over, `withdrawal` says how far the work came.
        let _ = timeout(&*self.clock, self.options.withdraw_within, work).await;
        withdrawal
    }

    /// One try; returns the pause before the next, if there is to be one.
    async fn withdraw_once(&self, withdrawal: &mut Withdrawal, pace: &mut Pace) -> Option<Duration> {
        let mut errors = self.remove(&withdrawal.left).await;
        let (left, read_errors) = self.still_there(&withdrawal.left).await;
        errors.extend(read_errors);
        withdrawal.left = left;
        if withdrawal.left.is_empty() {
            return None;
        }
        let asked_for = errors.iter().filter_map(BackendError::retry_after).max();
        let hopeless = !errors.is_empty() && asked_for.is_none();
        if let Some(error) = errors.pop() {
            tracing::debug!(%error, left = withdrawal.left.len(), "withdrawing challenge records");
            withdrawal.last_error = Some(error);
        }
        (!hopeless).then(|| pace.next(asked_for))
    }

    async fn remove(&self, records: &[ChallengeRecord]) -> Vec<BackendError> {
        let mut errors = Vec::new();
        for batch in batches(records, self.backend.capabilities().max_changes) {
            errors.extend(self.remove_batch(&batch).await);
        }
        errors
    }

    async fn remove_batch(&self, batch: &Batch<'_>) -> Vec<BackendError> {
        let removals = batch.removals();
        let Err(error) = self.backend.apply(batch.zone, &removals).await else { return Vec::new() };
        // One record that the server does not let us touch must not keep the others in the zone.
        let one_may_spoil_all = matches!(
            error.kind(),
            BackendErrorKind::Refused | BackendErrorKind::NotInZone | BackendErrorKind::InvalidInput
        );
        if removals.len() < 2 || !one_may_spoil_all {
            return vec![error];
        }
        let mut errors = Vec::new();
        for removal in removals {
            errors.extend(self.backend.apply(batch.zone, &[removal]).await.err());
        }
        errors
    }

    /// Which of the records are there, or cannot be proved gone.
    async fn still_there(&self, records: &[ChallengeRecord]) -> (Vec<ChallengeRecord>, Vec<BackendError>) {
        let places: BTreeSet<_> = records.iter().map(|record| (&record.zone, &record.name)).collect();
        let reads = places.into_iter().map(|(zone, name)| self.read(zone, name).boxed()).collect();
        let mut sets: BTreeMap<(&DomainName, &DomainName), Option<RecordSet>> = BTreeMap::new();
        let mut errors = Vec::new();
        for (place, answer) in side_by_side(self.options.looks_at_once, reads).await {
            match answer {
                Ok(set) => {
                    sets.insert(place, set);
                }
                Err(error) => errors.push(error),
            }
        }
        let there = |record: &&ChallengeRecord| match sets.get(&(&record.zone, &record.name)) {
            Some(Some(set)) => set.values.contains(&RecordData::Txt(record.value.clone())),
            Some(None) => false,
            None => true,
        };
        let left = records.iter().filter(there).cloned().collect();
        (left, errors)
    }

    async fn read<'a>(
        &self,
        zone: &'a DomainName,
        name: &'a DomainName,
    ) -> ((&'a DomainName, &'a DomainName), Result<Option<RecordSet>, BackendError>) {
        ((zone, name), self.backend.read(zone, name, RecordType::Txt).await)
    }
}
