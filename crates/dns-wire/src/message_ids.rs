//! Message ids.

use std::fmt;
use std::sync::atomic::{AtomicU16, Ordering};

use fleetcert_ambient::Entropy;

/// A sequence of ids that others cannot predict (RFC 5452 section 9.2), without a repetition within 65,536.
///
/// Random ids would repeat at times. If two equal updates are signed in the same second with the same id, a server
/// takes the second one for a replay.
///
/// ```
/// use fleetcert_ambient::SystemEntropy;
/// use fleetcert_dns_wire::MessageIds;
///
/// let ids = MessageIds::new(&SystemEntropy);
/// assert_ne!(ids.next(), ids.next());
/// ```
pub struct MessageIds {
    count: AtomicU16,
    /// Round functions of a Feistel network: a permutation of the 16-bit numbers.
    rounds: [[u8; 256]; ROUNDS],
}

/// Four rounds with random functions cannot be distinguished from a random permutation (Luby and Rackoff, 1988).
const ROUNDS: usize = 4;

impl MessageIds {
    /// Returns a sequence chosen at random.
    pub fn new(entropy: &dyn Entropy) -> Self {
        let mut rounds = [[0; 256]; ROUNDS];
        for round in &mut rounds {
            entropy.fill(round);
        }
        Self { count: AtomicU16::new(0), rounds }
    }

    /// Returns the next id.
    pub fn next(&self) -> u16 {
        let [mut left, mut right] = self.count.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        for round in &self.rounds {
            (left, right) = (right, left ^ round[usize::from(right)]);
        }
        u16::from_be_bytes([left, right])
    }
}

impl fmt::Debug for MessageIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageIds").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleetcert_ambient::SeededEntropy;
    use std::collections::HashSet;

    #[test]
    fn each_id_comes_once_per_cycle() {
        let ids = MessageIds::new(&SeededEntropy::new(1));
        let all: Vec<_> = (0..=u16::MAX).map(|_| ids.next()).collect();
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), 65_536);
        assert_eq!(ids.next(), all[0]);
    }

    #[test]
    fn sequences_differ_and_do_not_count() {
        let first = |seed| {
            let ids = MessageIds::new(&SeededEntropy::new(seed));
            [(); 64].map(|()| ids.next())
        };
        assert_ne!(first(1), first(2));
        let steps: HashSet<_> = first(1).windows(2).map(|pair| pair[1].wrapping_sub(pair[0])).collect();
        assert!(steps.len() > 48, "{steps:?}");
    }
}
