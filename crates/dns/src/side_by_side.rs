//! Several calls at the same time, but not more than a limit.

use futures_util::future::BoxFuture;
use futures_util::{StreamExt, stream};

/// Runs all of `work`, at most `limit` at the same time, and returns the results as they come.
///
/// The work is boxed: of a stream of borrowing closures the compiler cannot prove that it is `Send`.
pub(crate) async fn side_by_side<T: Send>(limit: usize, work: Vec<BoxFuture<'_, T>>) -> Vec<T> {
    stream::iter(work).buffer_unordered(limit.max(1)).collect().await
}
