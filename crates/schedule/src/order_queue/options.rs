//! The settings of an order queue.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::queue::{PerLane, QueueOptions, Tenant};

/// The bounds and shares of an [`OrderQueue`](super::OrderQueue).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderQueueOptions {
    /// Maximum orders that wait or are in flight. Placed orders that wait are counted apart, up to the same number.
    /// Default: 1,000,000.
    pub capacity: usize,
    /// Maximum flows: combinations of tenant, lane and pool. Default: 100,000.
    pub max_flows: usize,
    /// Maximum orders in flight; zero counts as one. Default: 8.
    pub in_flight: usize,
    /// Maximum orders of [`Lane::Failing`](super::Lane::Failing) in flight; zero counts as one. Default: 1.
    pub failing_in_flight: usize,
    /// Shares of the lanes; zero counts as one.
    pub lane_weights: PerLane<u32>,
    /// Shares of the tenants in each lane. Default: 1 each.
    pub tenant_weights: BTreeMap<Tenant, u32>,
    /// Waiting time after which an order goes before everything that came later to its flow. Default: seven days.
    pub max_age: Duration,
}

impl OrderQueueOptions {
    pub(super) fn queue(&self) -> QueueOptions {
        QueueOptions {
            capacity: self.capacity,
            max_flows: self.max_flows,
            max_age: self.max_age,
            lane_weights: self.lane_weights,
        }
    }
}

impl Default for OrderQueueOptions {
    fn default() -> Self {
        let QueueOptions { capacity, max_flows, max_age, lane_weights } = QueueOptions::default();
        Self {
            capacity,
            max_flows,
            in_flight: 8,
            failing_in_flight: 1,
            lane_weights,
            tenant_weights: BTreeMap::new(),
            max_age,
        }
    }
}
