//! Many token buckets in bounded memory.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::SystemTime;

use crate::budget::{Bucket, Limit};

/// One limit for each of many keys: devices, tenants, addresses.
///
/// It has a fixed number of places, 16 bytes each. A key belongs to eight places, chosen with a secret number. If all
/// eight are taken, the bucket that will be full first is dropped, which has spent least. So an attacker with many keys
/// can only make the table forget keys that spent little; those that spent most stay longest.
///
/// A decision costs about as much as hashing the key, for any number of keys.
///
/// ```
/// use fleetcert_schedule::quota::{self, Quota, QuotaDecision};
/// use std::time::{Duration, SystemTime};
///
/// let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
/// let mut requests = Quota::new(quota::CSRS_PER_DEVICE, 10_000, 0x5eed);
/// assert!((0..10).all(|_| requests.spend("device 1", now).is_allowed()));
/// // Ten at once, and one in six minutes.
/// let retry_at = Some(now + Duration::from_secs(360));
/// assert_eq!(requests.spend("device 1", now), QuotaDecision::Denied { retry_at });
/// assert!(requests.spend("device 2", now).is_allowed());
/// ```
#[derive(Clone)]
pub struct Quota {
    limit: Limit,
    secret: u64,
    sets: Box<[[Place; WAYS]]>,
}

/// A hashed key, and its bucket.
#[derive(Clone, Copy)]
struct Place {
    tag: u64,
    bucket: Bucket,
}

const WAYS: usize = 8;
const EMPTY: Place = Place { tag: 0, bucket: Bucket::FULL };

/// The decision of a quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a decision that is ignored limits nothing"]
pub enum QuotaDecision {
    /// Allowed.
    Allowed {
        /// Number of further requests that would be allowed now.
        remaining: u32,
    },
    /// Denied.
    Denied {
        /// Time at which a request is allowed again; `None` after the end of time (the year 2262).
        retry_at: Option<SystemTime>,
    },
}

impl QuotaDecision {
    /// Returns whether the request is allowed.
    pub fn is_allowed(self) -> bool {
        matches!(self, Self::Allowed { .. })
    }
}

impl Quota {
    /// Returns full buckets for at least `capacity` keys, rounded up to eight times a power of two, at most 2^27. `secret`
    /// is a random number: an attacker who knows it could choose keys that displace those of others.
    pub fn new(limit: Limit, capacity: usize, secret: u64) -> Self {
        let sets = capacity.min(MAX_PLACES).div_ceil(WAYS).next_power_of_two();
        Self { limit, secret, sets: vec![[EMPTY; WAYS]; sets].into_boxed_slice() }
    }

    /// Takes a token of this key, if one is available. A denial changes nothing.
    pub fn spend<K: Hash + ?Sized>(&mut self, key: &K, now: SystemTime) -> QuotaDecision {
        let (tag, set) = self.find(key);
        let Some(set) = self.sets.get_mut(set) else { return QuotaDecision::Denied { retry_at: None } };
        let found = set.iter().position(|place| place.tag == tag);
        let before = found.map_or(Bucket::FULL, |i| set[i].bucket);
        let decision = before.spend(&self.limit, now, 1);
        if decision.allowed {
            let forgotten = || (0..WAYS).min_by_key(|i| set[*i].bucket).unwrap_or_default();
            set[found.unwrap_or_else(forgotten)] = Place { tag, bucket: decision.bucket };
            return QuotaDecision::Allowed { remaining: decision.remaining() };
        }
        QuotaDecision::Denied { retry_at: decision.retry_in().and_then(|wait| now.checked_add(wait)) }
    }

    /// Returns the decision of [`spend`](Self::spend) without taking a token. Use it for requests that are charged only if
    /// they fail, such as wrong signatures: look before, spend after.
    pub fn look<K: Hash + ?Sized>(&self, key: &K, now: SystemTime) -> QuotaDecision {
        let (tag, set) = self.find(key);
        let set = self.sets.get(set).map(|set| &set[..]).unwrap_or_default();
        let bucket = set.iter().find(|place| place.tag == tag).map_or(Bucket::FULL, |place| place.bucket);
        let decision = bucket.spend(&self.limit, now, 1);
        if decision.allowed {
            // The token is not taken.
            return QuotaDecision::Allowed { remaining: decision.remaining().saturating_add(1) };
        }
        QuotaDecision::Denied { retry_at: decision.retry_in().and_then(|wait| now.checked_add(wait)) }
    }

    fn find<K: Hash + ?Sized>(&self, key: &K) -> (u64, usize) {
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(self.secret);
        key.hash(&mut hasher);
        let hash = hasher.finish();
        // Tag zero is an empty place. The number of sets is a power of two.
        (hash.max(1), (hash >> 32) as usize & (self.sets.len() - 1))
    }
}

const MAX_PLACES: usize = 1 << 27;

impl fmt::Debug for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = self.sets.len() * WAYS;
        f.debug_struct("Quota").field("limit", &self.limit).field("places", &places).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::time::Duration;

    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + SECOND * 1_700_000_000
    }

    fn limit(burst: u32) -> Limit {
        Limit::new(burst, 1, SECOND * 60).unwrap()
    }

    #[test]
    fn look_takes_no_token() {
        let mut quota = Quota::new(limit(2), 8, 1);
        for _ in 0..10 {
            assert_eq!(quota.look("a", now()), QuotaDecision::Allowed { remaining: 2 });
        }
        assert_eq!(quota.spend("a", now()), QuotaDecision::Allowed { remaining: 1 });
        assert_eq!(quota.look("a", now()), QuotaDecision::Allowed { remaining: 1 });
        assert!(quota.spend("a", now()).is_allowed());
        let denied = QuotaDecision::Denied { retry_at: Some(now() + SECOND * 60) };
        assert_eq!((quota.look("a", now()), quota.spend("a", now())), (denied, denied));
    }

    #[test]
    fn key_that_spent_most_survives_many_other_keys() {
        let mut quota = Quota::new(limit(100), 4096, 42);
        while quota.spend("hostile", now()).is_allowed() {}
        // A hundred times as many keys as there are places.
        for key in 0..400_000u32 {
            let _ = quota.spend(&key, now());
        }
        assert!(!quota.look("hostile", now()).is_allowed());
    }

    #[test]
    fn capacity_of_zero_counts_as_one_set() {
        let mut quota = Quota::new(limit(1), 0, 0);
        assert!(quota.spend("a", now()).is_allowed());
        assert!(!quota.spend("a", now()).is_allowed());
    }

    proptest! {
        #[test]
        fn table_equals_a_map_while_keys_fit(
            steps in prop::collection::vec((0u8..8, 0u64..40), 1..200), burst in 1u32..5, secret: u64,
        ) {
            let limit = limit(burst);
            let mut quota = Quota::new(limit, 8, secret);
            let mut model = HashMap::new();
            let mut now = now();
            for (key, pause) in steps {
                now += SECOND * pause as u32;
                let bucket = model.entry(key).or_insert(Bucket::FULL);
                let decision = bucket.spend(&limit, now, 1);
                *bucket = decision.bucket;
                prop_assert_eq!(quota.look(&key, now).is_allowed(), decision.allowed);
                let said = quota.spend(&key, now);
                prop_assert_eq!(said.is_allowed(), decision.allowed);
                if let QuotaDecision::Denied { retry_at } = said {
                    let retry_at = retry_at.unwrap();
                    prop_assert!(quota.look(&key, retry_at).is_allowed());
                    prop_assert!(!quota.look(&key, retry_at - Duration::from_nanos(1)).is_allowed());
                }
            }
        }
    }
}
