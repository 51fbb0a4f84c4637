//! Which orders draw on the same shared buckets.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::budget::{BucketKey, Charges};
use crate::queue::Pool;

/// A number for each set of shared buckets that a wanted order draws on.
#[derive(Clone, Debug, Default)]
pub(super) struct Pools {
    numbers: HashMap<Arc<[BucketKey]>, Pool>,
    pools: HashMap<Pool, Buckets>,
    drawing_on: HashMap<BucketKey, BTreeSet<Pool>>,
    free: Vec<Pool>,
    made: u32,
}

#[derive(Clone, Debug)]
struct Buckets {
    keys: Arc<[BucketKey]>,
    users: usize,
}

impl Pools {
    /// The buckets of a pool.
    pub(super) fn keys(&self, pool: Pool) -> &[BucketKey] {
        self.pools.get(&pool).map_or(&[], |buckets| &buckets.keys)
    }

    /// The pools that draw on a bucket.
    pub(super) fn drawing_on(&self, key: &BucketKey) -> impl Iterator<Item = Pool> + Clone {
        self.drawing_on.get(key).into_iter().flatten().copied()
    }

    /// Counts one user more of these buckets.
    pub(super) fn join(&mut self, charges: &Charges) -> Pool {
        let keys: Vec<BucketKey> = charges.shared().cloned().collect();
        if let Some(pool) = self.numbers.get(keys.as_slice()).copied() {
            if let Some(buckets) = self.pools.get_mut(&pool) {
                buckets.users += 1;
            }
            return pool;
        }
        let pool = self.free.pop().unwrap_or_else(|| {
            // There are no more pools than entries.
            self.made = self.made.saturating_add(1);
            Pool(self.made)
        });
        for key in &keys {
            self.drawing_on.entry(key.clone()).or_default().insert(pool);
        }
        let keys: Arc<[BucketKey]> = keys.into();
        self.numbers.insert(keys.clone(), pool);
        self.pools.insert(pool, Buckets { keys, users: 1 });
        pool
    }

    /// Counts one user less, and says whether it was the last.
    pub(super) fn leave(&mut self, pool: Pool) -> bool {
        let Some(buckets) = self.pools.get_mut(&pool) else { return false };
        buckets.users -= 1;
        if buckets.users > 0 {
            return false;
        }
        if let Some(Buckets { keys, .. }) = self.pools.remove(&pool) {
            for key in keys.iter() {
                if let Some(drawing) = self.drawing_on.get_mut(key) {
                    drawing.remove(&pool);
                    if drawing.is_empty() {
                        self.drawing_on.remove(key);
                    }
                }
            }
            self.numbers.remove(&keys);
            self.free.push(pool);
        }
        true
    }
}
