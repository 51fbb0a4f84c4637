mod operations;
mod shares;
mod standing;
mod starvation;

use std::time::{Duration, SystemTime};

use super::standing::Standing;
use super::*;

type Plain = Queue<u32, &'static str>;

const MAX_AGE: Duration = Duration::from_secs(1000);

fn start() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)
}

fn after(seconds: u64) -> SystemTime {
    start() + Duration::from_secs(seconds)
}

fn queue() -> Plain {
    Queue::new(QueueOptions { max_age: MAX_AGE, ..QueueOptions::default() })
}

fn entry(lane: Lane, pool: u32, tenant: u32, deadline: u64) -> Entry {
    Entry { lane, pool: Pool(pool), tenant: Tenant(tenant), deadline: after(deadline), since: start() }
}

/// Inserts an entry if there is room for it.
fn insert<K: Copy + Ord + std::hash::Hash, W: Copy>(
    queue: &mut Queue<K, W>,
    key: K,
    entry: Entry,
) -> Result<(), NotInserted> {
    if !queue.contains(key) {
        queue.room_for(key, entry)?;
    }
    queue.insert(key, entry, ())
}

fn take(queue: &mut Plain, now: SystemTime) -> Option<(u32, Entry)> {
    let Next::Candidate(key) = queue.next(now) else { return None };
    assert_eq!(queue.next(now), Next::Candidate(key), "asking changes nothing");
    queue.take(key).map(|(entry, ())| (key, entry))
}
