//! Reading record sets one by one.

use fleetcert_dns::BackendError;
use futures_util::FutureExt;

use super::{Held, Key, Sets};
use crate::client::Call;

/// Reads each set by itself, as many at the same time as the options allow; those that do not exist are left out.
pub(crate) async fn read_each<'r, V, F>(
    call: &Call<'_>,
    keys: &'r [Key],
    read: impl Fn(&'r Key) -> F,
) -> Result<Sets<V>, BackendError>
where
    V: Send + 'r,
    F: Future<Output = Result<Held<V>, BackendError>> + Send + 'r,
{
    let reads = keys.iter().map(|key| {
        let held = read(key);
        async move { Ok((key.clone(), held.await?)) }.boxed()
    });
    let found = call.side_by_side(reads.collect()).await?;
    Ok(found.into_iter().filter_map(|(key, held)| Some((key, held?))).collect())
}
