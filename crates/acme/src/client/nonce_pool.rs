//! Nonces of replies, kept for the next requests.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

use http::HeaderMap;
use parking_lot::Mutex;

/// A pool of nonces. Every reply brings one and every request takes one, so that the pool holds as many as there were
/// concurrent requests, and no newNonce is sent in the steady state (RFC 8555 section 6.5).
#[derive(Debug, Default)]
pub(super) struct NoncePool {
    nonces: Mutex<VecDeque<(String, SystemTime)>>,
}

const MAX_NONCES: usize = 128;
const MAX_LENGTH: usize = 256;
/// Age from which a nonce is dropped: CAs forget nonces, and the refusal costs the request that the nonce saved.
const MAX_AGE: Duration = Duration::from_secs(180);

impl NoncePool {
    /// Adds a nonce. The oldest is dropped when there are too many.
    pub(super) fn put(&self, nonce: String, now: SystemTime) {
        let mut nonces = self.nonces.lock();
        nonces.push_back((nonce, now));
        if nonces.len() > MAX_NONCES {
            nonces.pop_front();
        }
    }

    /// Takes the newest nonce, because CAs forget the oldest first. `None` if it is too old.
    pub(super) fn take(&self, now: SystemTime) -> Option<String> {
        let mut nonces = self.nonces.lock();
        let (nonce, since) = nonces.pop_back()?;
        if now.duration_since(since).unwrap_or_default() > MAX_AGE {
            nonces.clear();
            return None;
        }
        Some(nonce)
    }
}

/// Returns the nonce of a reply. One with other characters than base64url's MUST be ignored (RFC 8555 section 6.5.1).
pub(super) fn replay_nonce(headers: &HeaderMap) -> Option<String> {
    let nonce = headers.get("replay-nonce")?.to_str().ok()?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    ((1..=MAX_LENGTH).contains(&nonce.len()) && nonce.bytes().all(allowed)).then(|| nonce.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: SystemTime = SystemTime::UNIX_EPOCH;

    #[test]
    fn newest_nonce_comes_first_and_the_pool_is_bounded() {
        let pool = NoncePool::default();
        for number in 0..MAX_NONCES + 2 {
            pool.put(format!("n{number}"), START);
        }
        assert_eq!(pool.take(START).unwrap(), format!("n{}", MAX_NONCES + 1));
        let rest: Vec<_> = std::iter::from_fn(|| pool.take(START)).collect();
        assert_eq!(rest.len(), MAX_NONCES - 1);
        assert_eq!(rest.last().unwrap(), "n2");
    }

    #[test]
    fn old_nonces_are_dropped() {
        let pool = NoncePool::default();
        pool.put("a".into(), START);
        pool.put("b".into(), START);
        assert_eq!(pool.take(START + MAX_AGE + Duration::from_secs(1)), None);
        assert_eq!(pool.take(START), None, "and the older ones with it");
    }

    #[test]
    fn nonce_with_other_characters_than_base64url_is_ignored() {
        let of = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("Replay-Nonce", http::HeaderValue::from_static(text));
            replay_nonce(&headers)
        };
        assert_eq!(of("aZ0-_").as_deref(), Some("aZ0-_"));
        assert_eq!(of(""), None);
        assert_eq!(of("a b"), None);
        assert_eq!(of("a=="), None);
        assert_eq!(replay_nonce(&HeaderMap::new()), None);
    }
}
