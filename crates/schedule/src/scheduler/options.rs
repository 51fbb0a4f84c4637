//! What a scheduler can be told.

use std::time::Duration;

use crate::budget::Limits;
pub use crate::order_queue::Reserve;
use crate::queue::{PerLane, QueueOptions};

/// The limits, bounds and shares of a [`Scheduler`](super::Scheduler).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchedulerOptions {
    /// The limits of the CA.
    pub limits: Limits,
    /// How many wanted orders there may be, those under way among them.
    pub capacity: usize,
    /// How many buckets may be kept that are not full.
    pub bucket_capacity: usize,
    /// How many flows there may be: tenants, times lanes, times sets of shared buckets.
    pub max_flows: usize,
    /// How many orders may be under way.
    pub in_flight: usize,
    /// How many of these may be of [`Lane::Failing`](crate::queue::Lane::Failing).
    pub failing_in_flight: usize,
    /// The shares of the lanes; zero counts as one.
    pub lane_weights: PerLane<u32>,
    /// What each lane leaves to those that are more urgent.
    pub reserve: Reserve,
    /// After which time of waiting an order goes before all that came later to its flow.
    pub max_age: Duration,
    /// How long an order takes, for estimates.
    pub order_takes: Duration,
    /// How long an order may take at the most. The CA asks for the age of the last certificate again when it
    /// issues, so an order that could end beyond the 120 days is no renewal.
    pub order_lasts: Duration,
}

impl SchedulerOptions {
    /// A million wanted orders, 50 under way and 5 of them of names that fail, and the default [`Reserve`].
    pub fn new(limits: Limits) -> Self {
        let QueueOptions { capacity, max_flows, max_age, lane_weights } = QueueOptions::default();
        Self {
            limits,
            capacity,
            bucket_capacity: 4_000_000,
            max_flows,
            in_flight: 50,
            failing_in_flight: 5,
            lane_weights,
            reserve: Reserve::default(),
            max_age,
            order_takes: Duration::from_secs(20),
            order_lasts: Duration::from_secs(3600),
        }
    }
}
