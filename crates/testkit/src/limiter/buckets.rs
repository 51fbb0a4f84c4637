//! All buckets together.

use std::collections::HashMap;

use super::key::Key;
use super::rate::Nanos;

/// Times by key, of which those that have passed mean nothing any more: buckets that are full.
#[derive(Debug)]
pub(super) struct Buckets {
    full_at: HashMap<Key, Nanos>,
    sweep_at: usize,
}

/// Number of buckets below which nothing is swept.
const FEW: usize = 1 << 12;
/// Maximum number of buckets. A bucket beyond it is not kept, as if it were full, so that nobody who only asks makes the CA
/// run out of memory.
const MOST: usize = 1 << 23;

impl Buckets {
    pub(super) fn new() -> Self {
        Self { full_at: HashMap::new(), sweep_at: FEW }
    }

    pub(super) fn get(&self, key: Key) -> Option<Nanos> {
        self.full_at.get(&key).copied()
    }

    pub(super) fn set(&mut self, key: Key, full_at: Nanos, now: Nanos) {
        if self.full_at.len() >= self.sweep_at {
            self.full_at.retain(|_, full_at| *full_at > now);
            // Half of what is kept or more is new at the next sweep, so that sweeping costs little for each.
            self.sweep_at = (2 * self.full_at.len()).clamp(FEW, MOST);
            if self.full_at.len() <= self.full_at.capacity() / 4 {
                self.full_at.shrink_to(self.sweep_at);
            }
        }
        if self.full_at.len() < MOST || self.full_at.contains_key(&key) {
            self.full_at.insert(key, full_at);
        }
    }

    pub(super) fn forget(&mut self, key: Key) {
        self.full_at.remove(&key);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.full_at.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_buckets_are_forgotten() {
        let mut buckets = Buckets::new();
        for key in 0..1_000_000 {
            let now = u64::try_from(key).unwrap();
            buckets.set(key, now + 100, now);
        }
        assert!(buckets.len() <= FEW);
        assert_eq!(buckets.get(999_999), Some(1_000_099));
        assert_eq!(buckets.get(0), None);
    }
}
