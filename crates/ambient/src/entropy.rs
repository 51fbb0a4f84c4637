//! Randomness as a seam.

use parking_lot::Mutex;
use std::fmt;

/// A source of random bytes.
///
/// Implementers MUST give bytes fit for keys and labels, except where the type says that it is for tests.
pub trait Entropy: Send + Sync + fmt::Debug {
    /// Fills `bytes`.
    fn fill(&self, bytes: &mut [u8]);

    /// Returns a random number.
    fn random(&self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }
}

/// The random numbers of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        // A program that cannot get random bytes must not go on to make names and nonces without them.
        getrandom::fill(bytes).expect("the operating system gives random bytes");
    }
}

/// Bytes that look random and repeat for the same seed. **For tests only**: anybody can foretell them.
#[derive(Debug)]
pub struct SeededEntropy {
    state: Mutex<u64>,
}

impl SeededEntropy {
    /// The stream that belongs to `seed`.
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

/// SplitMix64 (Steele, Lea and Flood, 2014): a full period and no bad seeds, in four lines.
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

    fn sixteen(source: &dyn Entropy) -> [u8; 16] {
        let mut bytes = [0; 16];
        source.fill(&mut bytes);
        bytes
    }

    #[test]
    fn a_seed_repeats_and_two_seeds_differ() {
        assert_eq!(sixteen(&SeededEntropy::new(1)), sixteen(&SeededEntropy::new(1)));
        assert_ne!(sixteen(&SeededEntropy::new(1)), sixteen(&SeededEntropy::new(2)));
    }

    #[test]
    fn the_stream_goes_on() {
        let source = SeededEntropy::new(1);
        assert_ne!(sixteen(&source), sixteen(&source));
    }

    #[test]
    fn the_system_does_not_repeat() {
        assert_ne!(sixteen(&SystemEntropy), sixteen(&SystemEntropy));
    }
}
