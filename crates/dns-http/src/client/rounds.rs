//! Calls that take several requests at a time, or several rounds.

use std::time::Duration;

use fleetcert_dns::BackendError;
use futures_util::future::BoxFuture;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::Call;
use super::retry::backed_off;

impl Call<'_> {
    /// Returns a pause before the round after this one; jitter keeps processes that conflicted apart.
    pub(crate) fn pause_after(&self, round: u32) -> Duration {
        backed_off(round, self.http().options(), self.http().random())
    }

    /// Runs all of `work`, at most as much of it at the same time as the options allow requests, and returns the
    /// results in their order. The first error ends it.
    pub(crate) async fn side_by_side<T: Send>(
        &self,
        work: Vec<BoxFuture<'_, Result<T, BackendError>>>,
    ) -> Result<Vec<T>, BackendError> {
        let at_once = self.http().options().requests_at_once.max(1);
        stream::iter(work).buffered(at_once).try_collect().await
    }
}
