//! Withdrawing records and verifying it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use fleetcert_ambient::timeout;
use fleetcert_names::DomainName;
use futures_util::FutureExt;

use super::by_zone::{by_zone, removals};
use super::context::{ChallengeContext, ZONES_AT_ONCE};
use super::ledger::Claim;
use super::retry_delay::RetryDelay;
use super::{ChallengeError, ChallengeErrorKind, ChallengeRecord};
use crate::side_by_side::side_by_side;
use crate::{BackendError, DnsBackendExt, Quorum, TxtValue, Verdict};

/// The state of a withdrawal. While it exists, no other task of this process changes the records.
#[derive(Debug)]
pub(super) struct Withdrawal<'a> {
    claim: Option<Claim<'a>>,
    /// Start of the first removal. A record that appears later may have been missed.
    pub(super) began: SystemTime,
    /// Records to remove, chosen when the claim was granted.
    tried: Vec<ChallengeRecord>,
    left: Vec<ChallengeRecord>,
    last_error: Option<BackendError>,
}

/// The reason of a withdrawal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnBehalf {
    /// A guard's end: leaves records that others hold, and waits until its own are gone for good.
    Guard,
    /// A sweep: leaves every record that a guard holds. It runs again.
    Sweep,
    /// A caller that demands the withdrawal of these records.
    Caller,
}

/// The remaining records after an attempt, and its errors.
#[derive(Debug, Default)]
struct Attempt {
    left: Vec<ChallengeRecord>,
    errors: Vec<BackendError>,
}

impl Withdrawal<'_> {
    pub(super) fn is_left(&self, record: &ChallengeRecord) -> bool {
        self.left.contains(record)
    }

    pub(super) fn is_gone(&self, record: &ChallengeRecord) -> bool {
        !self.is_left(record)
    }

    /// Returns the records that were removed from the zone.
    pub(super) fn removed(&self) -> Vec<ChallengeRecord> {
        self.tried.iter().filter(|record| self.is_gone(record)).cloned().collect()
    }

    /// Allows others to change the records.
    pub(super) fn end_claim(&mut self) {
        self.claim = None;
    }

    pub(super) fn into_result(self) -> Result<(), ChallengeError> {
        if self.left.is_empty() {
            return Ok(());
        }
        Err(ChallengeError::of_records(ChallengeErrorKind::NotWithdrawn, &self.left, self.last_error))
    }
}

impl ChallengeContext {
    /// Withdraws until the removal of all records is verified, retrying does not help, or `withdraw_within` is over.
    pub(super) async fn withdraw(
        &self,
        mut records: Vec<ChallengeRecord>,
        on_behalf: OnBehalf,
    ) -> Withdrawal<'_> {
        // No call can have published a name outside its zone, and it must not make the others' call fail.
        records.retain(|record| record.name.is_within(&record.zone));
        let began = self.ambient.now();
        let mut withdrawal =
            Withdrawal { claim: None, began, tried: Vec::new(), left: records, last_error: None };
        let work = async {
            withdrawal.claim = Some(self.claim(&withdrawal.left).await);
            withdrawal.began = self.ambient.now();
            // Chosen once no other task changes the records.
            withdrawal.tried = match on_behalf {
                OnBehalf::Guard => self.ledger.held_once(&withdrawal.left),
                OnBehalf::Sweep => self.ledger.unheld(&withdrawal.left),
                OnBehalf::Caller => withdrawal.left.clone(),
            };
            withdrawal.left.clone_from(&withdrawal.tried);
            if !self.backend.capabilities().removes {
                // The service deletes the values by itself, or never.
                withdrawal.left.clear();
                return;
            }
            self.withdraw_with_retries(&mut withdrawal).await;
            if on_behalf != OnBehalf::Guard {
                return;
            }
            let Some(doubt) = self.ledger.doubt_about(&withdrawal.removed()) else { return };
            // The order's journal forgets them next, so they must be gone for good before.
            if let Ok(wait) = doubt.duration_since(self.ambient.now()) {
                self.ambient.sleep(wait).await;
                withdrawal.began = self.ambient.now();
                withdrawal.left.clone_from(&withdrawal.tried);
                self.withdraw_with_retries(&mut withdrawal).await;
            }
        };
        // After a timeout, `withdrawal` has the progress.
        let _ = timeout(&*self.ambient.clock, self.options.withdraw_within, work).await;
        withdrawal
    }

    async fn withdraw_with_retries(&self, withdrawal: &mut Withdrawal<'_>) {
        let mut delay = RetryDelay::new(&self.options);
        while let Some(wait) = self.withdraw_once(withdrawal, &mut delay).await {
            self.ambient.sleep(wait).await;
        }
    }

    /// Makes one attempt. Returns the delay before the next, if there is one.
    async fn withdraw_once(
        &self,
        withdrawal: &mut Withdrawal<'_>,
        delay: &mut RetryDelay,
    ) -> Option<Duration> {
        let removed = self.remove(&withdrawal.left).await;
        let mut errors = removed.errors;
        let Attempt { left, errors: more } = if self.backend.capabilities().reads {
            self.read_back(&withdrawal.left).await
        } else if self.options.quorum == Quorum::TrustBackend {
            Attempt { left: removed.left, errors: Vec::new() }
        } else {
            self.look_back(&withdrawal.left).await
        };
        errors.extend(more);
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
        (!hopeless).then(|| delay.next(asked_for))
    }

    /// Removes the records. Remaining are those whose removal the backend did not confirm.
    async fn remove(&self, records: &[ChallengeRecord]) -> Attempt {
        let zones = by_zone(records).into_iter();
        let zones = zones.map(|(zone, records)| self.remove_of_zone(zone, records).boxed()).collect();
        let mut all = Attempt::default();
        for Attempt { left, errors } in side_by_side(ZONES_AT_ONCE, zones).await {
            all.left.extend(left);
            all.errors.extend(errors);
        }
        all
    }

    async fn remove_of_zone(&self, zone: &DomainName, records: Vec<&ChallengeRecord>) -> Attempt {
        let mut done = Attempt::default();
        // One record that the server does not allow to change must not keep the others in the zone.
        for part in self.backend.apply_each(zone, &removals(&records)).await {
            if let Err(error) = part.result {
                done.errors.push(error);
                done.left.extend(records[part.changes].iter().map(|record| (*record).clone()));
            }
        }
        done
    }

    /// Returns those records that exist, or cannot be proved gone, at the server that accepts the changes.
    async fn read_back(&self, records: &[ChallengeRecord]) -> Attempt {
        let places: BTreeSet<_> = records.iter().map(|record| (&record.zone, &record.name)).collect();
        let reads = places
            .into_iter()
            .map(|(zone, name)| async move { ((zone, name), self.backend.texts(zone, name).await) }.boxed());
        let mut found: BTreeMap<(&DomainName, &DomainName), BTreeSet<TxtValue>> = BTreeMap::new();
        let mut errors = Vec::new();
        for (place, answer) in side_by_side(self.options.looks_at_once, reads.collect()).await {
            match answer {
                Ok(texts) => {
                    found.insert(place, texts);
                }
                Err(error) => errors.push(error),
            }
        }
        let there = |record: &&ChallengeRecord| {
            found.get(&(&record.zone, &record.name)).is_none_or(|texts| texts.contains(&record.value))
        };
        Attempt { left: records.iter().filter(there).cloned().collect(), errors }
    }

    /// Returns the same, by the authoritative servers, for services that cannot be read: a record is gone if some of
    /// them answer without it and none with it.
    async fn look_back(&self, records: &[ChallengeRecord]) -> Attempt {
        let looks = records.iter().map(|record| {
            let look = self.visibility.look(&record.zone, &record.name, &record.value);
            async move { (record, look.await) }.boxed()
        });
        let mut found = Attempt::default();
        for (record, answer) in side_by_side(self.options.looks_at_once, looks.collect()).await {
            match answer {
                Ok(sighting) => {
                    let gone = sighting.servers.iter().any(|server| server.verdict == Verdict::NotSeen);
                    if !gone || sighting.seen_at().next().is_some() {
                        found.left.push(record.clone());
                    }
                }
                Err(error) => {
                    found.left.push(record.clone());
                    found.errors.push(error);
                }
            }
        }
        found
    }
}
