//! Withdrawing records, with proof.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use fleetcert_ambient::timeout;
use fleetcert_names::DomainName;
use futures_util::FutureExt;

use super::by_zone::{by_zone, removals};
use super::ledger::Claim;
use super::pace::Pace;
use super::parts::{Parts, ZONES_AT_ONCE};
use super::{ChallengeError, ChallengeErrorKind, ChallengeRecord};
use crate::side_by_side::side_by_side;
use crate::{BackendError, DnsBackendExt, Quorum, TxtValue, Verdict};

/// What became of a withdrawal. As long as it lives, nobody else in this process changes the records.
#[derive(Debug)]
pub(super) struct Withdrawal<'a> {
    claim: Option<Claim<'a>>,
    /// When the first removal began: what comes into the zone later may not have been seen.
    pub(super) began: SystemTime,
    /// Those that were to be removed when their turn came.
    tried: Vec<ChallengeRecord>,
    left: Vec<ChallengeRecord>,
    last_error: Option<BackendError>,
}

/// For whom records are withdrawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnBehalf {
    /// A guard, which leaves to others what they hold too, and waits until its records are gone for good.
    Guard,
    /// A sweep, which touches nothing that a guard holds. It comes again.
    Sweep,
    /// Whoever says that these must go.
    Caller,
}

/// What is left of some records after a try, and what went wrong in it.
#[derive(Debug, Default)]
struct Try {
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

    /// The records that were taken out of the zone.
    pub(super) fn removed(&self) -> Vec<ChallengeRecord> {
        self.tried.iter().filter(|record| self.is_gone(record)).cloned().collect()
    }

    /// Lets others change the records.
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

impl Parts {
    /// Withdraws until all the records are proved gone, or trying on does not help, or `withdraw_within` is over.
    pub(super) async fn withdraw(
        &self,
        mut records: Vec<ChallengeRecord>,
        on_behalf: OnBehalf,
    ) -> Withdrawal<'_> {
        // Nobody can have published a name outside its zone, and it must not spoil the others' call.
        records.retain(|record| record.name.is_within(&record.zone));
        let began = self.clock.now();
        let mut withdrawal =
            Withdrawal { claim: None, began, tried: Vec::new(), left: records, last_error: None };
        let work = async {
            withdrawal.claim = Some(self.claim(&withdrawal.left).await);
            withdrawal.began = self.clock.now();
            // Asked when nobody else changes them any more.
            withdrawal.tried = match on_behalf {
                OnBehalf::Guard => self.ledger.held_once(&withdrawal.left),
                OnBehalf::Sweep => self.ledger.unheld(&withdrawal.left),
                OnBehalf::Caller => withdrawal.left.clone(),
            };
            withdrawal.left.clone_from(&withdrawal.tried);
            if !self.backend.capabilities().removes {
                // The service forgets them by itself, or never.
                withdrawal.left.clear();
                return;
            }
            self.withdraw_once_or_more(&mut withdrawal).await;
            if on_behalf != OnBehalf::Guard {
                return;
            }
            let Some(doubt) = self.ledger.doubt_about(&withdrawal.removed()) else { return };
            // The journal of the order forgets them next, so they are gone for good before.
            if let Ok(wait) = doubt.duration_since(self.clock.now()) {
                self.clock.sleep(wait).await;
                withdrawal.began = self.clock.now();
                withdrawal.left.clone_from(&withdrawal.tried);
                self.withdraw_once_or_more(&mut withdrawal).await;
            }
        };
        // When the time is over, `withdrawal` says how far the work came.
        let _ = timeout(&*self.clock, self.options.withdraw_within, work).await;
        withdrawal
    }

    async fn withdraw_once_or_more(&self, withdrawal: &mut Withdrawal<'_>) {
        let mut pace = Pace::new(&self.options);
        while let Some(wait) = self.withdraw_once(withdrawal, &mut pace).await {
            self.clock.sleep(wait).await;
        }
    }

    /// One try; returns the pause before the next, if there is to be one.
    async fn withdraw_once(&self, withdrawal: &mut Withdrawal<'_>, pace: &mut Pace) -> Option<Duration> {
        let removed = self.remove(&withdrawal.left).await;
        let mut errors = removed.errors;
        let Try { left, errors: more } = if self.backend.capabilities().reads {
            self.read_back(&withdrawal.left).await
        } else if self.options.quorum == Quorum::TrustBackend {
            Try { left: removed.left, errors: Vec::new() }
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
        (!hopeless).then(|| pace.next(asked_for))
    }

    /// Removes the records. Left are those of which the backend did not say that they are removed.
    async fn remove(&self, records: &[ChallengeRecord]) -> Try {
        let zones = by_zone(records).into_iter();
        let zones = zones.map(|(zone, records)| self.remove_of_zone(zone, records).boxed()).collect();
        let mut all = Try::default();
        for Try { left, errors } in side_by_side(ZONES_AT_ONCE, zones).await {
            all.left.extend(left);
            all.errors.extend(errors);
        }
        all
    }

    async fn remove_of_zone(&self, zone: &DomainName, records: Vec<&ChallengeRecord>) -> Try {
        let mut done = Try::default();
        // One record that the server does not let us touch must not keep the others in the zone.
        for part in self.backend.apply_each(zone, &removals(&records)).await {
            if let Err(error) = part.result {
                done.errors.push(error);
                done.left.extend(records[part.changes].iter().map(|record| (*record).clone()));
            }
        }
        done
    }

    /// Which of the records are there, or cannot be proved gone, by the server that takes the changes.
    async fn read_back(&self, records: &[ChallengeRecord]) -> Try {
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
        Try { left: records.iter().filter(there).cloned().collect(), errors }
    }

    /// The same, by the authoritative servers, for services that cannot be read: gone is what some of them answer
    /// without and none with.
    async fn look_back(&self, records: &[ChallengeRecord]) -> Try {
        let looks = records.iter().map(|record| {
            let look = self.visibility.look(&record.zone, &record.name, &record.value);
            async move { (record, look.await) }.boxed()
        });
        let mut found = Try::default();
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
