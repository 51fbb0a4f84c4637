//! The settings of a queue.

use std::time::Duration;

use super::lane::PerLane;

/// The bounds and the shares of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueOptions {
    /// Maximum entries, at most 2,147,483,648. Default: 1,000,000.
    pub capacity: usize,
    /// Maximum flows, of some hundred bytes each. Default: 100,000.
    pub max_flows: usize,
    /// Waiting time after which an entry goes before all later ones of its flow. Default: seven days.
    pub max_age: Duration,
    /// Weights of the lanes, in each pool and overall. Zero counts as one, so that each lane is served.
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
