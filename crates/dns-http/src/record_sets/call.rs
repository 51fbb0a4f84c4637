//! What each call does with record sets, whoever the provider is.

use std::collections::BTreeMap;

use fleetcert_dns::{BackendError, Capabilities, Change, Operation, RecordSet};
use fleetcert_names::DomainName;
use futures_util::FutureExt;

use super::locks::{Locked, Locks, lock_within};
use super::{Held, Key};
use crate::client::{Api, Call};

/// Begins a call that changes record sets: what does not fit is refused, and the names are locked until the second value
/// is dropped. `None` when there is nothing to do.
///
/// # Errors
/// Those of [`Call::require_fit`] and [`lock_within`].
pub(crate) async fn begin<'a>(
    api: &'a Api,
    zone: &'a DomainName,
    changes: &[Change],
    capabilities: &Capabilities,
    locks: &Locks<DomainName>,
) -> Result<Option<(Call<'a>, Locked<DomainName>)>, BackendError> {
    let call = api.call(Operation::Apply, zone);
    call.require_fit(changes, capabilities)?;
    if changes.is_empty() {
        return Ok(None);
    }
    let names = changes.iter().map(|change| change.name().clone()).collect();
    let locked = lock_within(&call, locks, names).await?;
    Ok(Some((call, locked)))
}

/// The sets that there are of these, each read by itself, as many at the same time as requests may be.
pub(crate) async fn read_each<'r, V, F>(
    call: &Call<'_>,
    keys: impl IntoIterator<Item = Key>,
    read: impl Fn(Key) -> F,
) -> Result<BTreeMap<Key, (RecordSet, V)>, BackendError>
where
    V: Send + 'r,
    F: Future<Output = Result<Held<V>, BackendError>> + Send + 'r,
{
    let reads = keys.into_iter().map(|key| {
        let held = read(key.clone());
        async move { Ok((key, held.await?)) }.boxed()
    });
    let found = call.side_by_side(reads.collect()).await?;
    Ok(found.into_iter().filter_map(|(key, held)| Some((key, held?))).collect())
}

/// What the contract shows of a set: one with values that none of our changes can make alone is none.
pub(crate) fn shown<V>(held: Held<V>) -> Option<RecordSet> {
    held.map(|(set, _)| set).filter(|set| !set.values.is_empty())
}
