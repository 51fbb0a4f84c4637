//! Choices from a seed.

use std::time::Duration;

use fleetcert_ambient::{Entropy, SeededEntropy};

pub(crate) struct Random(SeededEntropy);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(SeededEntropy::new(seed))
    }

    /// Below `bound`, which is small, so that the remainder has no bias that matters.
    pub(crate) fn below(&self, bound: u64) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_le_bytes(bytes) % bound
    }

    pub(crate) fn between(&self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    pub(crate) fn percent(&self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn index(&self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap()
    }

    pub(crate) fn one_of<'a, T>(&self, from: &'a [T]) -> &'a T {
        &from[self.index(from.len())]
    }

    /// A duration of any order of magnitude, up to 2^`most` nanoseconds.
    pub(crate) fn duration(&self, most: u64) -> Duration {
        Duration::from_nanos(self.below(1 << self.between(1, most)))
    }
}
