//! The settings of a breaker, and the failures that it counts.

use std::time::Duration;

/// The cause of a failure, as far as a breaker is concerned.
///
/// Do not report failures that only one name causes: a refused name, a CSR that the CA rejects, a rate limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// No answer: no connection, no address, no TLS. No device can cause it, so the name does not matter.
    Unreachable,
    /// A failure that the server reports: an error (5xx), a failed validation, a refused change of the zone. One device
    /// may have caused it, so different names must fail.
    Failed,
    /// The server is busy (503), with the time from `Retry-After` if there is one.
    Busy(Option<Duration>),
}

/// The settings of a [`Breaker`](super::Breaker).
///
/// ```
/// use fleetcert_schedule::breaker::BreakerRule;
///
/// // In a fleet of twelve only a few names can fail.
/// let rule = BreakerRule { names: 3, ..BreakerRule::default() };
/// assert_eq!(rule.unreachable, 3);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerRule {
    /// Number of different names that must fail, and at least half of all names, for the breaker to open: 1 to 32, more
    /// than one device has. Default: 5.
    pub names: usize,
    /// Number of unreachable attempts in a row for the breaker to open; zero counts as one. Default: 3.
    pub unreachable: u32,
    /// Age after which a result does not count. Default: 15 minutes.
    pub window: Duration,
    /// Time for which the breaker stays open at first. Each failed probe doubles it. Default: one minute.
    pub first_wait: Duration,
    /// Maximum time for which the breaker stays open. Default: one hour.
    pub longest_wait: Duration,
    /// Time after which a probe without a result is given up and another one is allowed. Default: ten minutes.
    pub probe_within: Duration,
}

impl BreakerRule {
    /// Maximum number of names.
    pub(crate) const MAX_NAMES: usize = 32;
}

impl Default for BreakerRule {
    /// Five names in 15 minutes, or three unreachable attempts; open for a minute at first, for an hour at most; ten
    /// minutes for a probe.
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
