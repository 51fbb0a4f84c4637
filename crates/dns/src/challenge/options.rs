//! Options of challenges.

use std::time::Duration;

use crate::{Quorum, Ttl};

/// Times and limits of [`Challenges`](super::Challenges). The defaults suit a zone whose secondaries are notified of
/// changes (NOTIFY); a provider that takes minutes needs a longer `visible_within`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChallengeOptions {
    /// Servers that must show a value. Default: all.
    pub quorum: Quorum,
    /// Time limit for retries of a publication. Default: 20 seconds.
    pub publish_within: Duration,
    /// Time limit until the values are visible. Default: 2 minutes.
    pub visible_within: Duration,
    /// Delay between publication and the first look. With [`Quorum::TrustBackend`], the only wait. Default: none, as
    /// an authoritative server does not cache an early answer.
    pub first_look_after: Duration,
    /// Back-off after a look that did not find everything, and after a failed attempt; it doubles each time. Default:
    /// 100 milliseconds.
    pub look_interval: Duration,
    /// Maximum of this back-off. Default: 5 seconds.
    pub max_look_interval: Duration,
    /// Maximum concurrent looks and reads. Default: 16.
    pub looks_at_once: usize,
    /// Time limit for retries of a withdrawal. Default: 30 seconds.
    pub withdraw_within: Duration,
    /// Time for which a change may still take effect after its call was dropped or failed. Records that are withdrawn
    /// within this time are withdrawn once more after it, or by a sweep if `withdraw_within` ends first. Default: 10
    /// seconds.
    pub late_changes_within: Duration,
    /// TTL of the records. Default: [`Ttl::CHALLENGE`].
    pub ttl: Ttl,
    /// Number of challenge records in a zone above which a warning is logged. Default: 1,000, far more than a process
    /// has orders in flight, and far fewer than what slows servers down.
    pub warn_above: usize,
}

impl Default for ChallengeOptions {
    fn default() -> Self {
        Self {
            quorum: Quorum::All,
            publish_within: Duration::from_secs(20),
            visible_within: Duration::from_secs(120),
            first_look_after: Duration::ZERO,
            look_interval: Duration::from_millis(100),
            max_look_interval: Duration::from_secs(5),
            looks_at_once: 16,
            withdraw_within: Duration::from_secs(30),
            late_changes_within: Duration::from_secs(10),
            ttl: Ttl::CHALLENGE,
            warn_above: 1000,
        }
    }
}
