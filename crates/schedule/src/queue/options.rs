//! What a queue can be told.

use std::time::Duration;

use super::lane::PerLane;

/// The bounds and the shares of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueOptions {
    /// How many entries there may be; above 2,147,483,648 it counts as that.
    pub capacity: usize,
    /// How many flows there may be. Each has some hundred bytes.
    pub max_flows: usize,
    /// After which time of waiting an entry is done before all that came later to its flow.
    pub max_age: Duration,
    /// The shares of the lanes, in each pool and of all together. A weight of zero counts as one, because nobody
    /// waits for ever.
    pub lane_weights: PerLane<u32>,
}

impl Default for QueueOptions {
    fn default() -> Self {
        Self {
            capacity: 1_000_000,
            max_flows: 100_000,
            max_age: Duration::from_secs(7 * 86_400),
            lane_weights: PerLane { expiring: 8, revoked: 4, new: 4, routine: 2, failing: 1 },
        }
    }
}
