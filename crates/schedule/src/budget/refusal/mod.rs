//! What a CA says when it refuses, read into a value.
//!
//! [`RefusalText::read`] takes the parts of an HTTP response, and [`RefusalText::of_order`] says which bucket of the
//! mirror must learn it. The sentences are those of Let's Encrypt's server, Boulder. A CA that says less is believed
//! in what it says.
//!
//! ```
//! use fleetcert_schedule::budget::refusal::{Parts, RefusalText};
//! use fleetcert_schedule::budget::{Account, Budgets, LimitKind, Limits, NameSet};
//! use std::time::{Duration, SystemTime};
//!
//! let detail = "too many certificates (50) already issued for \"example.com\" in the last 168h0m0s, \
//!     retry after 2026-11-25 12:00:00 UTC: see \
//!     https://letsencrypt.org/docs/rate-limits/#new-certificates-per-registered-domain";
//! let parts = Parts {
//!     status: 429,
//!     problem: Some("urn:ietf:params:acme:error:rateLimited"),
//!     detail: Some(detail),
//!     retry_after: Some("3600"),
//!     ..Parts::default()
//! };
//! let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_000_000);
//! let text = RefusalText::read(&parts, now).expect("a refusal");
//!
//! let account = Account::new("https://ca.example/acct/1").expect("visible ASCII");
//! let names = NameSet::new(&["d1.fleet.example.com".parse()?]).expect("one name");
//! let mut budgets = Budgets::new(Limits::lets_encrypt_production(), 100_000);
//! let (key, refusal) = text.of_order(budgets.limits(), &account, &names).expect("a limit");
//! assert_eq!(key.to_string(), "CertificatesPerDomain example.com");
//! budgets.correct(&key, refusal, now);
//! # Ok::<(), fleetcert_names::NameError>(())
//! ```

mod bucket;
mod duration;
mod pause;
mod sentence;
#[cfg(test)]
mod tests;
mod wait;

pub use pause::Pause;

use std::time::{Duration, SystemTime};

use fleetcert_names::DomainName;

use super::key::LimitKind;

/// The parts of a response of which a refusal is made. All of them may be hostile.
#[derive(Clone, Copy, Debug, Default)]
pub struct Parts<'a> {
    /// The HTTP status.
    pub status: u16,
    /// The `type` of the problem document (RFC 7807), if there is one.
    pub problem: Option<&'a str>,
    /// The `detail` of the problem document, if there is one. Only its first 64 KiB are read.
    pub detail: Option<&'a str>,
    /// The header `Retry-After`: seconds or a date (RFC 9110 section 10.2.3).
    pub retry_after: Option<&'a str>,
    /// The URL of the header `Link` with `rel="help"`.
    pub help: Option<&'a str>,
}

/// A refusal, as far as it could be understood.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RefusalText {
    /// A rate limit (HTTP 429, or the problem `rateLimited`).
    Limit(LimitText),
    /// The account may not order for these names, until an operator lifts it. Time does not help.
    Paused(Pause),
    /// A server that has too much to do (HTTP 503): no limit of an account, and nothing for a budget. It is for the
    /// [pacer](crate::pacer).
    Busy {
        /// How long to wait.
        retry_after: Duration,
    },
}

/// What the refusal of a rate limit says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitText {
    /// The limit; `None` when the text is not one of those that are known.
    pub kind: Option<LimitKind>,
    /// The burst and the period that the sentence names. They show an override.
    pub seen: Option<(u32, Duration)>,
    /// The name in quotes.
    pub subject: Option<DomainName>,
    /// The time that the sentence names, on the CA's clock. It has whole seconds.
    pub retry_at: Option<SystemTime>,
    /// How long to wait: the header, or else the time in the sentence, or else [`DEFAULT_WAIT`]; at most
    /// [`MAX_WAIT`].
    pub retry_after: Duration,
}

/// How long to wait when a refusal does not say. Who is refused again and again should wait longer each time.
pub const DEFAULT_WAIT: Duration = Duration::from_secs(60);

/// The longest wait that is believed. In a week each bucket of Let's Encrypt that names a time is full again.
pub const MAX_WAIT: Duration = Duration::from_secs(7 * 86_400);

const MAX_DETAIL: usize = 64 * 1024;
const RATE_LIMITED: &str = "urn:ietf:params:acme:error:rateLimited";

impl RefusalText {
    /// Reads a refusal; `None` when the response is no refusal because of load: its status is neither 429 nor 503,
    /// and its problem is not `rateLimited`.
    ///
    /// It never fails: what is not understood is a limit of no known kind.
    pub fn read(parts: &Parts<'_>, now: SystemTime) -> Option<Self> {
        let detail = clip(parts.detail.unwrap_or_default());
        let header = parts.retry_after.and_then(|text| wait::header(text, now));
        // Boulder itself says so, under the type of a limit, when it sheds load.
        if parts.status == 503 {
            let retry_after = header.unwrap_or(DEFAULT_WAIT).min(MAX_WAIT);
            return Some(Self::Busy { retry_after });
        }
        if parts.status != 429 && parts.problem != Some(RATE_LIMITED) {
            return None;
        }
        if let Some(pause) = Pause::read(detail).filter(|_| header.is_none()) {
            return Some(Self::Paused(pause));
        }
        let help = clip(parts.help.unwrap_or_default());
        let sentence = sentence::read(detail);
        let anchored = sentence::anchor(detail).or_else(|| sentence::anchor(help));
        // The anchor is what changes least. Numbers of a sentence that says another thing are not its numbers.
        let agreed = anchored.is_none() || sentence.kind.is_none() || anchored == sentence.kind;
        let retry_at = sentence.retry_at;
        let retry_after =
            header.or_else(|| retry_at?.duration_since(now).ok()).unwrap_or(DEFAULT_WAIT).min(MAX_WAIT);
        Some(Self::Limit(LimitText {
            kind: anchored.or(sentence.kind),
            seen: sentence.seen.filter(|_| agreed),
            subject: sentence.subject.filter(|_| agreed),
            retry_at,
            retry_after,
        }))
    }

    /// How long to wait; `None` when time does not help.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Limit(text) => Some(text.retry_after),
            Self::Busy { retry_after } => Some(*retry_after),
            Self::Paused(_) => None,
        }
    }
}

/// The beginning of a text that may be of any length.
fn clip(text: &str) -> &str {
    let mut end = text.len().min(MAX_DETAIL);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}
