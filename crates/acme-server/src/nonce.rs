//! Nonces (RFC 8555 section 6.5).

use parking_lot::Mutex;
use std::collections::{HashSet, VecDeque};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fleetcert_ambient::Entropy;

/// The nonces that were given out and not used yet. Of more than the bound, the oldest are forgotten.
#[derive(Debug)]
pub(crate) struct Nonces {
    state: Mutex<NonceQueue>,
    most: usize,
}

type Nonce = [u8; 16];

#[derive(Debug, Default)]
struct NonceQueue {
    unused: HashSet<Nonce>,
    /// In the order of giving; used ones stay here until they are the oldest.
    given: VecDeque<Nonce>,
}

impl Nonces {
    pub(crate) fn new(most: usize) -> Self {
        Self { state: Mutex::default(), most: most.max(1) }
    }

    /// A fresh one, in base64url.
    pub(crate) fn give(&self, entropy: &dyn Entropy) -> String {
        let mut nonce = Nonce::default();
        entropy.fill(&mut nonce);
        let mut state = self.lock();
        if state.given.len() >= self.most
            && let Some(oldest) = state.given.pop_front()
        {
            state.unused.remove(&oldest);
        }
        state.unused.insert(nonce);
        state.given.push_back(nonce);
        URL_SAFE_NO_PAD.encode(nonce)
    }

    /// Whether `text` was given out, and not used before. It is used now.
    pub(crate) fn take(&self, text: &str) -> bool {
        let mut nonce = Nonce::default();
        matches!(URL_SAFE_NO_PAD.decode_slice(text, &mut nonce), Ok(16)) && self.lock().unused.remove(&nonce)
    }

    fn lock(&self) -> parking_lot::MutexGuard<'_, NonceQueue> {
        self.state.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleetcert_ambient::SeededEntropy;

    #[test]
    fn a_nonce_serves_once() {
        let nonces = Nonces::new(8);
        let nonce = nonces.give(&SeededEntropy::new(1));
        assert!(nonces.take(&nonce));
        assert!(!nonces.take(&nonce));
    }

    #[test]
    fn what_was_not_given_is_not_taken() {
        let nonces = Nonces::new(8);
        for text in ["", "AAAA", "AAAAAAAAAAAAAAAAAAAAAA", "not base64!", &"A".repeat(100)] {
            assert!(!nonces.take(text), "{text}");
        }
    }

    #[test]
    fn the_oldest_of_too_many_are_forgotten() {
        let (nonces, entropy) = (Nonces::new(3), SeededEntropy::new(1));
        let given: Vec<String> = (0..5).map(|_| nonces.give(&entropy)).collect();
        let good: Vec<bool> = given.iter().map(|nonce| nonces.take(nonce)).collect();
        assert_eq!(good, [false, false, true, true, true]);
        assert_eq!(nonces.lock().given.len(), 3);
    }
}
