//! How patient the life of a challenge record is.

use std::time::Duration;

use crate::{Quorum, Ttl};

/// Times and limits of [`Challenges`](super::Challenges). The defaults suit a zone with secondaries that are told
/// of changes (NOTIFY); a provider that takes minutes needs a longer `visible_within`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChallengeOptions {
    /// How many servers must show a value, or whether any is asked. Default: all.
    pub quorum: Quorum,
    /// How long a publication that fails for the moment is tried again. Default: 20 seconds.
    pub publish_within: Duration,
    /// How long to wait until the values are visible. Default: 2 minutes.
    pub visible_within: Duration,
    /// The pause between publication and the first look; with [`Quorum::TrustBackend`], all that is waited.
    /// Default: none, since an authoritative server that is asked too early does not remember it.
    pub first_look_after: Duration,
    /// The pause after a look that did not find everything, and after a try that failed; it doubles each time.
    /// Default: 100 milliseconds.
    pub look_interval: Duration,
    /// What the doubling stops at. Default: 5 seconds.
    pub max_look_interval: Duration,
    /// How many names are looked at, or read, at the same time. Default: 16.
    pub looks_at_once: usize,
    /// How long a withdrawal is tried. Default: 30 seconds.
    pub withdraw_within: Duration,
    /// A change may still be made so long after its call was dropped, or failed. What is withdrawn within this time is
    /// withdrawn once more after it; where `withdraw_within` ends before, a sweep does that. Default: 10 seconds.
    pub late_changes_within: Duration,
    /// The time to live of the records. Default: [`Ttl::CHALLENGE`].
    pub ttl: Ttl,
    /// When a zone has more challenge records than this, it is told. Default: 1,000, far more than the orders that a
    /// process works on, and far less than what makes servers fail.
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
