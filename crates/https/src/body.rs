//! Reading the body of a response up to a limit.

/// The error for a response body that could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// The body is larger than the limit. None of it is kept.
    #[error("the response is larger than {limit} bytes")]
    TooLarge {
        /// Limit in bytes.
        limit: usize,
    },
    /// The connection failed, or the exchange timed out.
    #[error("the response was cut off")]
    Broken(#[from] reqwest::Error),
}

/// Reads the body of `response`, at most `limit` bytes of it.
///
/// **Cancellation.** Dropping the future leaves the rest unread and closes the connection.
///
/// # Errors
/// [`BodyError`].
pub async fn read_body(mut response: reqwest::Response, limit: usize) -> Result<Vec<u8>, BodyError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if chunk.len() > limit - body.len() {
            return Err(BodyError::TooLarge { limit });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
