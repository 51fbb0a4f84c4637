//! Randomness as a trait, with the sources of programs and of tests.

use parking_lot::Mutex;
use std::fmt;

/// A source of random bytes.
///
/// Implementers MUST return bytes fit for keys and labels, unless the type's documentation says that it is for tests.
pub trait Entropy: Send + Sync + fmt::Debug {
    /// Fills `bytes` with random bytes.
    fn fill(&self, bytes: &mut [u8]);

    /// Returns a random number.
    fn random(&self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }
}

/// The random number generator of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        // Without random bytes, names and nonces would be predictable: it is safer to stop.
        getrandom::fill(bytes).expect("the operating system gives random bytes");
    }
}

/// A reproducible stream for a seed. **For tests only**: anyone can predict it.
#[derive(Debug)]
pub struct SeededEntropy {
    state: Mutex<u64>,
}

impl SeededEntropy {
    /// Returns the stream of `seed`.
    pub fn new(seed: u64) -> Self {
        Self { state: Mutex::new(seed) }
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        let mut state = self.state.lock();
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&next(&mut state).to_le_bytes()[..chunk.len()]);
        }
    }
}

/// SplitMix64 (Steele, Lea and Flood, 2014): full period and no bad seeds.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sixteen_bytes(source: &dyn Entropy) -> [u8; 16] {
        let mut bytes = [0; 16];
        source.fill(&mut bytes);
        bytes
    }

    #[test]
    fn equal_seeds_repeat_and_other_seeds_differ() {
        assert_eq!(sixteen_bytes(&SeededEntropy::new(1)), sixteen_bytes(&SeededEntropy::new(1)));
        assert_ne!(sixteen_bytes(&SeededEntropy::new(1)), sixteen_bytes(&SeededEntropy::new(2)));
    }

    #[test]
    fn stream_does_not_repeat_itself() {
        let source = SeededEntropy::new(1);
        assert_ne!(sixteen_bytes(&source), sixteen_bytes(&source));
    }

    #[test]
    fn system_entropy_does_not_repeat() {
        assert_ne!(sixteen_bytes(&SystemEntropy), sixteen_bytes(&SystemEntropy));
    }
}
