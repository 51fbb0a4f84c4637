//! Repeatable random numbers.

use std::time::Duration;

use fleetcert_ambient::{Entropy, SeededEntropy};

/// Random numbers from a seed.
#[derive(Debug)]
pub(super) struct Chance(SeededEntropy);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(SeededEntropy::new(seed))
    }

    pub(super) fn number(&self) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// Returns a number below `end`; 0 if `end` is 0.
    pub(super) fn below(&self, end: u32) -> u32 {
        ((u128::from(self.number()) * u128::from(end)) >> 64) as u32
    }

    /// Returns a whole number of seconds, from `least` on and below `most`.
    pub(super) fn seconds(&self, least: Duration, most: Duration) -> Duration {
        let span = most.saturating_sub(least).as_secs().min(u64::from(u32::MAX)) as u32;
        least + Duration::from_secs(self.below(span).into())
    }

    /// Returns `per_million` millionths of `count`, rounded up or down at random.
    pub(super) fn share(&self, count: u32, per_million: u32) -> u32 {
        let millionths = u64::from(count) * u64::from(per_million);
        let more = u64::from(self.below(1_000_000)) < millionths % 1_000_000;
        u32::try_from(millionths / 1_000_000).unwrap_or(u32::MAX) + u32::from(more)
    }
}
