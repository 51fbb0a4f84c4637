//! What a limiter did.

use std::collections::BTreeMap;

use super::limit::Limit;

/// What a [`Limiter`](super::Limiter) let through and refused since it was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// New orders that were let through.
    pub orders: u64,
    /// Those of them that replaced a certificate inside its window, and so met no limit.
    pub replacements: u64,
    /// Those of them that were renewals by their names alone.
    pub renewals: u64,
    /// Certificates.
    pub issued: u64,
    /// Validations that failed.
    pub failed_validations: u64,
    /// New accounts that were let through.
    pub accounts: u64,
    /// Refusals by the limit that they named; those of paused names stand at
    /// [`ConsecutiveFailures`](Limit::ConsecutiveFailures).
    pub refused: BTreeMap<Limit, u64>,
    /// How often a name was paused.
    pub paused: u64,
    /// Spent tokens by limit. A token that an empty bucket could not give is not among them.
    pub spent: BTreeMap<Limit, u64>,
    /// Requests that a load balancer would have turned away.
    pub requests_refused: u64,
}

impl Counts {
    /// All refusals together, without those of a load balancer.
    pub fn all_refused(&self) -> u64 {
        self.refused.values().sum()
    }
}
