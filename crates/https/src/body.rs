//! Reading an answer up to a limit.

/// An answer's body that could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// It has more bytes than the limit. Nothing of it is kept.
    #[error("the answer has more than {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The connection failed or the time was over.
    #[error("the answer broke off")]
    Broken(#[from] reqwest::Error),
}

/// Reads the body of `response`, at most `limit` bytes of it.
///
/// Cancelled, it leaves the rest unread and the connection is closed.
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
