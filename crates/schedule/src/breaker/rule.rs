//! What opens a breaker, and for how long.

use std::time::Duration;

/// Why work failed, as far as a breaker is concerned.
///
/// What fails because of the name alone is no failure here and is not told: a refused name, a CSR that the CA does not
/// take, a rate limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// No answer at all: no connection, no address, no TLS. No device can cause it, so whose work it was does not
    /// matter.
    Unreachable,
    /// An answer that the work failed: an error of the server (5xx), a validation that failed, a change that the name
    /// server refused. A device may have caused it for itself, so different names must fail.
    Failed,
    /// The server says that it has no time (503), and when to come back, if it does.
    Busy(Option<Duration>),
}

/// The numbers of a [`Breaker`](super::Breaker).
///
/// ```
/// use fleetcert_schedule::breaker::BreakerRule;
///
/// // A fleet of twelve has not many names that could fail.
/// let rule = BreakerRule { names: 3, ..BreakerRule::default() };
/// assert_eq!(rule.unreachable, 3);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerRule {
    /// So many different names must fail, and as many as succeed, for it to open. More than a device may have; counted
    /// from 1 to 32.
    pub names: usize,
    /// So many times in a row it must be unreachable to open; zero counts as one.
    pub unreachable: u32,
    /// Results older than this do not count.
    pub window: Duration,
    /// How long it stays open the first time. Each probe that fails doubles it.
    pub first_wait: Duration,
    /// How long it stays open at most.
    pub longest_wait: Duration,
    /// After this time a probe of which nothing was heard counts for nothing, and another is made.
    pub probe_within: Duration,
}

impl BreakerRule {
    /// The most different names that are counted.
    pub(crate) const MOST_NAMES: usize = 32;
}

impl Default for BreakerRule {
    /// Five names in a quarter of an hour, or three times unreachable; open for a minute at first, and for an hour at
    /// most; ten minutes for a probe.
    fn default() -> Self {
        Self {
            names: 5,
            unreachable: 3,
            window: Duration::from_secs(15 * 60),
            first_wait: Duration::from_secs(60),
            longest_wait: Duration::from_secs(3600),
            probe_within: Duration::from_secs(600),
        }
    }
}
