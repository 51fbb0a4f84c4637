//! Read, merge, write, and again when somebody else was faster.

use std::collections::BTreeMap;

use async_trait::async_trait;
use fleetcert_dns::{BackendError, BackendErrorKind, RecordSet};

use super::{Edit, Key};
use crate::client::Call;

/// How a provider reads and writes whole record sets.
#[async_trait]
pub(crate) trait RecordSets: Sync {
    /// What is read besides the set and needed to write it on condition: an ETag, or the records as the provider
    /// spells them. `()` for a provider that writes without a condition.
    type Version: Clone + Send + Sync;

    /// Whether a set that is replaced as a whole is read before: for what it costs, what is so already is not written,
    /// and a write on condition has its condition.
    const READS_BEFORE_REPLACING: bool = true;

    /// The sets with these keys that there are.
    async fn held(
        &self,
        call: &Call<'_>,
        keys: &[Key],
    ) -> Result<BTreeMap<Key, (RecordSet, Self::Version)>, BackendError>;

    /// Writes these sets, in as few requests as can be.
    ///
    /// # Errors
    /// `Conflict` when one of them is no longer as it was read.
    async fn write(&self, call: &Call<'_>, changes: &[SetChange<Self::Version>]) -> Result<(), BackendError>;
}

/// A record set as it was and as it is to be. The two differ, or the set was not read.
#[derive(Clone, Debug)]
pub(crate) struct SetChange<V> {
    pub(crate) key: Key,
    pub(crate) before: Option<(RecordSet, V)>,
    pub(crate) after: Option<RecordSet>,
}

/// So often a list is begun anew because another process changed a set in between.
const MAX_ROUNDS: u32 = 8;

/// Makes the edits: reads their sets, writes those that change, and begins anew after a `Conflict`. What was written
/// before the conflict reads as done then. Callers hold the locks of the names.
///
/// # Errors
/// Those of reading and writing; `Conflict` when it does not get through.
pub(crate) async fn rewrite<R: RecordSets>(
    sets: &R,
    call: &Call<'_>,
    edits: &BTreeMap<Key, Edit>,
) -> Result<(), BackendError> {
    let is_read = |edit: &Edit| R::READS_BEFORE_REPLACING || matches!(edit, Edit::Values { .. });
    let keys: Vec<Key> = edits.iter().filter(|(_, edit)| is_read(edit)).map(|(key, _)| key.clone()).collect();
    let mut round = 1;
    loop {
        let mut held = sets.held(call, &keys).await?;
        let changes: Vec<_> = edits
            .iter()
            .filter_map(|(key, edit)| {
                let before = held.remove(key);
                let after = edit.applied_to(before.as_ref().map(|(set, _)| set));
                let same = is_read(edit) && before.as_ref().map(|(set, _)| set) == after.as_ref();
                (!same).then(|| SetChange { key: key.clone(), before, after })
            })
            .collect();
        if changes.is_empty() {
            return Ok(());
        }
        match sets.write(call, &changes).await {
            Err(error) if error.kind() == BackendErrorKind::Conflict && round < MAX_ROUNDS => {
                let pause = call.pause_after(round);
                if pause >= call.left() {
                    return Err(error.at_attempt(round));
                }
                tracing::debug!(round, ?pause, %error, "record sets are read again");
                call.http().clock().sleep(pause).await;
                round += 1;
            }
            done => {
                return done.map_err(|error| match error.kind() {
                    BackendErrorKind::Conflict => error.at_attempt(round),
                    _ => error,
                });
            }
        }
    }
}
