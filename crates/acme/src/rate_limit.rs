//! Refusals because of a rate limit, read into values.
//!
//! The sentences are those of Boulder, the server of Let's Encrypt. From another CA's refusal only the wait is read.

mod duration;
mod pause;
mod sentence;
#[cfg(test)]
mod tests;

pub use pause::NamePause;
pub(crate) use pause::without_url;

use std::time::{Duration, SystemTime};

use fleetcert_schedule::budget::ReachedLimit;

/// Refusal because of a rate limit: HTTP 429, or the problem
/// [`RateLimited`](crate::ProblemKind::RateLimited).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RateLimit {
    /// A limit is reached. The wait is the one that the CA names, or a minute, and at most a week: by then each bucket of
    /// Let's Encrypt is full again. [`ReachedLimit::of_order`] finds the bucket.
    Reached(ReachedLimit),
    /// The CA has paused names of the account. Only an operator can lift the pause.
    Paused(NamePause),
}

/// Wait where the refusal names none.
const DEFAULT_WAIT: Duration = Duration::from_secs(60);
/// Longest wait that is read.
const MAX_WAIT: Duration = Duration::from_secs(7 * 86_400);
/// Maximum octets of a sentence that are read.
const MAX_DETAIL: usize = 64 * 1024;

impl RateLimit {
    /// Reads the `detail` of a problem document and the wait of a `Retry-After` header. Every text is accepted: one
    /// that is not understood is a limit of unknown kind.
    pub(crate) fn read(detail: &str, retry_after: Option<Duration>, now: SystemTime) -> Self {
        let detail = clip(detail);
        if let Some(pause) = NamePause::read(detail).filter(|_| retry_after.is_none()) {
            return Self::Paused(pause);
        }
        let sentence = sentence::read(detail);
        let anchored = sentence::anchor(detail);
        // The anchor changes least. Numbers of a sentence about another limit are not its numbers.
        let agreed = anchored.is_none() || sentence.kind.is_none() || anchored == sentence.kind;
        let until = || sentence.retry_at?.duration_since(now).ok();
        Self::Reached(ReachedLimit {
            kind: anchored.or(sentence.kind),
            seen: sentence.seen.filter(|_| agreed),
            retry_after: retry_after.or_else(until).unwrap_or(DEFAULT_WAIT).min(MAX_WAIT),
            subject: sentence.subject.filter(|_| agreed),
        })
    }
}

/// Returns the beginning of a text.
fn clip(text: &str) -> &str {
    let mut end = text.len().min(MAX_DETAIL);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}
