//! The backend that all providers with record sets share.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use fleetcert_dns::{
    Advice, BackendError, BackendErrorKind, Capabilities, Change, DnsBackend, Operation, RecordSet,
    RecordType, Ttl,
};
use fleetcert_names::DomainName;

use crate::client::{Api, Call};
use crate::locks::{Locks, lock_within};
use crate::record_sets::{Edit, Guesses, Held, Key, Remembered, SetChange, Sets, edits};
use crate::zones::ZoneCache;

/// The API of one provider: its messages, and how it finds a zone, reads record sets and writes them.
///
/// [`HttpBackend`] does the rest: checks, locks, caches, merging, and rounds after a conflict.
#[async_trait]
pub(crate) trait Provider: Send + Sync + fmt::Debug + Sized + 'static {
    /// Facts about a zone that every call needs, such as the provider's id of it. Kept for an hour at most, or until a
    /// call ends with `NotInZone`: the zone may have been created again under another id.
    type Zone: Clone + Send + Sync + fmt::Debug;
    /// Data that is read with a record set and needed to write it on condition: an ETag, or the records as the provider
    /// spells them. `()` if the API writes without a condition.
    type Version: Clone + PartialEq + Send + Sync + fmt::Debug;

    /// Whether a set that is replaced as a whole is read first. It costs a request, saves a write that changes nothing,
    /// and gives a conditional write its condition.
    const READS_BEFORE_REPLACING: bool = true;
    /// Whether a call writes on the condition of what was written last instead of reading first; see [`Guesses`].
    const GUESSES: bool = false;
    /// Whether calls for one zone wait for each other; otherwise, calls for one name do.
    const LOCKS_ZONE: bool = false;
    /// Maximum rounds of reading and writing, each after a conflict with another process.
    const MAX_ROUNDS: u32 = 8;
    /// Number of conflicts, with the sets unchanged in between, after which the change itself is invalid.
    const MAX_REFUSALS: u32 = u32::MAX;

    /// Returns the API that calls go through.
    fn api(&self) -> &Api;

    /// Returns what the provider can do.
    fn capabilities(&self) -> Capabilities;

    /// Returns the minimum time to live in the zone.
    fn min_ttl(&self, _: &Self::Zone) -> Ttl {
        self.capabilities().min_ttl
    }

    /// Returns the reason why the provider cannot make the changes, beyond what its capabilities say.
    fn refuses(&self, _: &[Change]) -> Option<&'static str> {
        None
    }

    /// Returns whether the set is stored as it is wanted, so that nothing is to be written.
    fn is_stored((stored, _): &(RecordSet, Self::Version), wanted: &RecordSet) -> bool {
        stored == wanted
    }

    /// Finds the zone of the call.
    async fn zone(&self, call: &Call<'_>) -> Result<Self::Zone, BackendError>;

    /// Reads the sets with these keys; those that do not exist are left out.
    async fn read(
        &self,
        call: &Call<'_>,
        zone: &Self::Zone,
        keys: &[Key],
    ) -> Result<Sets<Self::Version>, BackendError>;

    /// Writes the sets in as few requests as possible, and returns those that a later call may guess.
    ///
    /// # Errors
    /// `Conflict` if one of them is no longer as it was read.
    async fn write(
        &self,
        call: &Call<'_>,
        zone: &Self::Zone,
        changes: &[SetChange<Self::Version>],
    ) -> Result<Vec<(Key, Held<Self::Version>)>, BackendError>;

    /// Makes the edits without reading whole sets, if the API can: returns `true` if they are made. Callers hold the
    /// locks.
    async fn edit(
        &self,
        _: &Call<'_>,
        _: &Self::Zone,
        _: &BTreeMap<Key, Edit>,
    ) -> Result<bool, BackendError> {
        Ok(false)
    }

    /// Returns advice about the zone; see [`DnsBackend::advice`].
    async fn advice(&self, _: &Call<'_>) -> Result<Vec<Advice>, BackendError> {
        Ok(Vec::new())
    }
}

/// A backend for the API of one provider. A clone is the same backend.
///
/// You meet it under the name of the provider, such as `CloudflareBackend`; the page of the provider's module says what
/// a call costs and what the API cannot do. Clones, and all calls of one process, take turns at a name; other processes
/// are noticed by conditional writes where the API has them.
///
/// **Cancellation.** A call that is dropped sends no further request; the last one may have been carried out.
#[expect(private_bounds, reason = "the providers are those of this crate")]
pub struct HttpBackend<P: Provider> {
    state: Arc<ProviderState<P>>,
}

struct ProviderState<P: Provider> {
    provider: P,
    zones: ZoneCache<P::Zone>,
    locks: Locks<DomainName>,
    remembered: Remembered<P::Version>,
}

#[expect(private_bounds, reason = "the providers are those of this crate")]
impl<P: Provider> HttpBackend<P> {
    /// Returns a backend over this provider. Sends nothing.
    pub(crate) fn over(provider: P) -> Self {
        let (zones, locks) = (ZoneCache::default(), Locks::default());
        Self { state: Arc::new(ProviderState { provider, zones, locks, remembered: Remembered::default() }) }
    }
}

impl<P: Provider> Clone for HttpBackend<P> {
    fn clone(&self) -> Self {
        Self { state: self.state.clone() }
    }
}

impl<P: Provider> fmt::Debug for HttpBackend<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HttpBackend").field(&self.state.provider).finish()
    }
}

#[async_trait]
impl<P: Provider> DnsBackend for HttpBackend<P> {
    async fn apply(&self, zone: &DomainName, changes: &[Change]) -> Result<(), BackendError> {
        let state = &*self.state;
        let provider = &state.provider;
        let call = provider.api().call(Operation::Apply, zone);
        call.check_changes(&provider.capabilities(), changes)?;
        if changes.is_empty() {
            return Ok(());
        }
        if let Some(why) = provider.refuses(changes) {
            return Err(call.error(BackendErrorKind::InvalidInput, why));
        }
        let names: BTreeSet<_> = match P::LOCKS_ZONE {
            true => [zone.clone()].into(),
            false => changes.iter().map(|change| change.name().clone()).collect(),
        };
        let _locked = lock_within(&call, &state.locks, names).await?;
        let made = async {
            let found = state.zone(&call).await?;
            let edits = edits(changes, provider.min_ttl(&found));
            match provider.edit(&call, &found, &edits).await? {
                true => Ok(()),
                false => state.rewrite(&call, &found, &edits).await,
            }
        };
        state.forget_absent(zone, made.await)
    }

    async fn read(
        &self,
        zone: &DomainName,
        name: &DomainName,
        record_type: RecordType,
    ) -> Result<Option<RecordSet>, BackendError> {
        let state = &*self.state;
        let call = state.provider.api().call(Operation::Read, zone);
        call.check_read(&state.provider.capabilities(), name)?;
        let read = async {
            let found = state.zone(&call).await?;
            state.provider.read(&call, &found, &[(name.clone(), record_type)]).await
        };
        let sets = state.forget_absent(zone, read.await)?;
        // A set that holds only values that the contract has no form for does not exist in its terms.
        Ok(sets.into_values().next().map(|(set, _)| set).filter(|set| !set.values.is_empty()))
    }

    fn capabilities(&self) -> Capabilities {
        self.state.provider.capabilities()
    }

    async fn advice(&self, zone: &DomainName) -> Result<Vec<Advice>, BackendError> {
        let provider = &self.state.provider;
        provider.advice(&provider.api().call(Operation::Read, zone)).await
    }
}

impl<P: Provider> ProviderState<P> {
    async fn zone(&self, call: &Call<'_>) -> Result<P::Zone, BackendError> {
        if let Some(known) = self.zones.get(call.zone, call.now()) {
            return Ok(known);
        }
        let found = self.provider.zone(call).await?;
        self.zones.put(call.zone, found.clone(), call.now());
        Ok(found)
    }

    fn forget_absent<T>(
        &self,
        zone: &DomainName,
        answer: Result<T, BackendError>,
    ) -> Result<T, BackendError> {
        if answer.as_ref().is_err_and(|error| error.kind() == BackendErrorKind::NotInZone) {
            self.zones.forget(zone);
        }
        answer
    }

    /// Makes the edits: reads their sets, writes those that change, and begins again after a conflict. What was written
    /// before the conflict reads as done then. Callers hold the locks.
    ///
    /// # Errors
    /// Those of reading and writing; `Conflict` if other processes were faster in every round.
    async fn rewrite(
        &self,
        call: &Call<'_>,
        zone: &P::Zone,
        edits: &BTreeMap<Key, Edit>,
    ) -> Result<(), BackendError> {
        let is_read = |edit: &Edit| P::READS_BEFORE_REPLACING || matches!(edit, Edit::Values { .. });
        let keys: Vec<_> =
            edits.iter().filter(|(_, edit)| is_read(edit)).map(|(key, _)| key.clone()).collect();
        let guesses = Guesses::new(&self.remembered, call.zone, edits, P::GUESSES);
        let mut refused = (Vec::new(), 0);
        let mut round = 1;
        loop {
            let (mut sets, unknown) = guesses.split(&keys);
            if !unknown.is_empty() {
                sets.extend(self.provider.read(call, zone, &unknown).await?);
            }
            let changes: Vec<_> = edits
                .iter()
                .filter_map(|(key, edit)| {
                    let before = sets.remove(key);
                    let after = edit.applied_to(before.as_ref().map(|(set, _)| set));
                    let is_stored = match (&before, &after) {
                        (None, None) => true,
                        (Some(before), Some(after)) => P::is_stored(before, after),
                        _ => false,
                    };
                    (!(is_stored && is_read(edit))).then(|| SetChange { key: key.clone(), before, after })
                })
                .collect();
            if changes.is_empty() {
                return Ok(());
            }
            let guessed = guesses.are_allowed();
            let Err(error) = guesses.settle(self.provider.write(call, zone, &changes).await) else {
                return Ok(());
            };
            if error.kind() != BackendErrorKind::Conflict {
                return Err(error);
            }
            if !guessed {
                let times = if refused.0 == changes { refused.1 + 1 } else { 1 };
                refused = (changes, times);
                if times >= P::MAX_REFUSALS {
                    let said = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                    let why = format!("refused {times} times although no set changed in between: {said}");
                    return Err(call.error(BackendErrorKind::InvalidInput, why));
                }
            }
            let pause = call.pause_after(round);
            if round >= P::MAX_ROUNDS || pause >= call.left() {
                return Err(error.at_attempt(round));
            }
            tracing::debug!(round, ?pause, %error, "another process changed the record sets; reading them again");
            call.http().clock().sleep(pause).await;
            round += 1;
        }
    }
}

#[cfg(test)]
mod tests;
