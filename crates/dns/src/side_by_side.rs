//! Concurrent calls up to a limit.

use futures_util::future::BoxFuture;
use futures_util::{StreamExt, stream};

/// Runs all of `work`, at most `limit` at the same time, and returns the results in the order of completion.
///
/// The work is boxed: the compiler cannot prove that a stream of borrowing closures is `Send`.
pub(crate) async fn side_by_side<T: Send>(limit: usize, work: Vec<BoxFuture<'_, T>>) -> Vec<T> {
    stream::iter(work).buffer_unordered(limit.max(1)).collect().await
}
