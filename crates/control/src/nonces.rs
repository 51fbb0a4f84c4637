//! Nonces: chosen by the server, valid once, for a few minutes of the server's clock.

use std::collections::HashSet;
use std::fmt;
use std::time::{Duration, SystemTime};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fleetcert_ambient::Entropy;
use parking_lot::Mutex;

/// Issues nonces and takes each back once.
///
/// A nonce carries its own expiry under a MAC, so that issuing costs no memory; only those that came back are
/// remembered, until they expire. The key is new for each `Nonces`: after a restart the old nonces are void,
/// and a device asks for a new one.
pub(crate) struct Nonces {
    key: hmac::Key,
    lifetime: Duration,
    used: Mutex<UsedNonces>,
}

/// Nonces that came back, in two generations of one lifetime each: when the younger is a lifetime old, every nonce
/// of the elder has expired, and the elder is dropped as a whole.
#[derive(Debug)]
struct UsedNonces {
    turned_at: SystemTime,
    younger: HashSet<[u8; RANDOM]>,
    elder: HashSet<[u8; RANDOM]>,
}

/// Why a nonce is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NonceRefusal {
    /// It is not ours, or expired, or came back before: ask for a new one.
    Bad,
    /// More nonces came back within a lifetime than fit in memory.
    Full,
}

const RANDOM: usize = 16;
const EXPIRY: usize = 8;
const MAC: usize = 16;
/// Maximum nonces in one generation, about 100 bytes each. A fleet of 90,000 that reports every five minutes uses a
/// tenth of it.
const MAX_USED: usize = 1_000_000;

impl Nonces {
    /// Makes a source of nonces that are valid for `lifetime`.
    pub(crate) fn new(lifetime: Duration, now: SystemTime, entropy: &dyn Entropy) -> Self {
        let mut key = [0; 32];
        entropy.fill(&mut key);
        let used = UsedNonces { turned_at: now, younger: HashSet::new(), elder: HashSet::new() };
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, &key), lifetime, used: Mutex::new(used) }
    }

    /// Returns a new nonce.
    pub(crate) fn issue(&self, now: SystemTime, entropy: &dyn Entropy) -> String {
        let mut nonce = [0; RANDOM + EXPIRY + MAC];
        entropy.fill(&mut nonce[..RANDOM]);
        let expiry = millis(now + self.lifetime).to_be_bytes();
        nonce[RANDOM..RANDOM + EXPIRY].copy_from_slice(&expiry);
        let mac = hmac::sign(&self.key, &nonce[..RANDOM + EXPIRY]);
        nonce[RANDOM + EXPIRY..].copy_from_slice(&mac.as_ref()[..MAC]);
        URL_SAFE_NO_PAD.encode(nonce)
    }

    /// Takes a nonce back. Of any number of calls with the same one, one succeeds.
    ///
    /// # Errors
    /// See [`NonceRefusal`].
    pub(crate) fn redeem(&self, nonce: &str, now: SystemTime) -> Result<(), NonceRefusal> {
        let random = self.authentic(nonce, now).ok_or(NonceRefusal::Bad)?;
        let mut used = self.used.lock();
        used.turn(now, self.lifetime);
        if used.elder.contains(&random) {
            return Err(NonceRefusal::Bad);
        }
        if used.younger.len() >= MAX_USED {
            return Err(NonceRefusal::Full);
        }
        if used.younger.insert(random) { Ok(()) } else { Err(NonceRefusal::Bad) }
    }

    /// Returns the random part of a nonce that this server issued and that has not expired.
    fn authentic(&self, nonce: &str, now: SystemTime) -> Option<[u8; RANDOM]> {
        // Nothing of another length is decoded.
        if nonce.len() != (RANDOM + EXPIRY + MAC).div_ceil(3) * 4 - 2 {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(nonce).ok()?;
        let (signed, mac) = bytes.split_at_checked(RANDOM + EXPIRY)?;
        let expected = hmac::sign(&self.key, signed);
        let same = subtle::ConstantTimeEq::ct_eq(&expected.as_ref()[..MAC], mac);
        let (random, expiry) = signed.split_at(RANDOM);
        let expiry = u64::from_be_bytes(expiry.try_into().ok()?);
        (bool::from(same) && millis(now) < expiry).then(|| random.try_into().ok()).flatten()
    }
}

impl UsedNonces {
    fn turn(&mut self, now: SystemTime, lifetime: Duration) {
        let age = now.duration_since(self.turned_at).unwrap_or_default();
        if age < lifetime {
            return;
        }
        // After two lifetimes without a call even the younger ones have expired.
        self.elder = if age < lifetime * 2 { std::mem::take(&mut self.younger) } else { HashSet::new() };
        self.younger.clear();
        self.turned_at = now;
    }
}

fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl fmt::Debug for Nonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nonces").field("lifetime", &self.lifetime).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleetcert_ambient::SeededEntropy;

    const LIFETIME: Duration = Duration::from_secs(300);

    fn start() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)
    }

    fn nonces() -> (Nonces, SeededEntropy) {
        let entropy = SeededEntropy::new(1);
        (Nonces::new(LIFETIME, start(), &entropy), entropy)
    }

    #[test]
    fn nonce_is_valid_once_within_its_lifetime() {
        let (nonces, entropy) = nonces();
        for wait in [0, 1, 150, 299] {
            let nonce = nonces.issue(start(), &entropy);
            let late = start() + Duration::from_secs(wait);
            assert_eq!(nonces.redeem(&nonce, late), Ok(()), "{wait} s");
            for again in 0..400 {
                let again = late + Duration::from_secs(again);
                assert_eq!(nonces.redeem(&nonce, again), Err(NonceRefusal::Bad));
            }
        }
    }

    #[test]
    fn nonce_expires_after_its_lifetime() {
        let (nonces, entropy) = nonces();
        let nonce = nonces.issue(start(), &entropy);
        assert_eq!(nonces.redeem(&nonce, start() + LIFETIME), Err(NonceRefusal::Bad));
    }

    #[test]
    fn changed_or_foreign_nonce_is_refused() {
        let (nonces, entropy) = nonces();
        let nonce = nonces.issue(start(), &entropy);
        for index in 0..nonce.len() {
            let mut changed = nonce.clone().into_bytes();
            changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(nonces.redeem(&changed, start()), Err(NonceRefusal::Bad), "{changed}");
        }
        let other = Nonces::new(LIFETIME, start(), &SeededEntropy::new(2));
        assert_eq!(other.redeem(&nonce, start()), Err(NonceRefusal::Bad));
        for text in ["", "A", "====", &"A".repeat(10_000)] {
            assert_eq!(nonces.redeem(text, start()), Err(NonceRefusal::Bad));
        }
    }

    #[test]
    fn one_of_a_thousand_concurrent_redemptions_succeeds() {
        let (nonces, entropy) = nonces();
        let nonce = nonces.issue(start(), &entropy);
        let won: usize = std::thread::scope(|scope| {
            let redeem = || (0..100).filter(|_| nonces.redeem(&nonce, start()).is_ok()).count();
            let threads: Vec<_> = (0..10).map(|_| scope.spawn(redeem)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(won, 1);
    }
}
