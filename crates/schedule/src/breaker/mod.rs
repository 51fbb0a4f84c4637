//! Circuit breakers: no new orders while the CA or the zone is out of order.
//!
//! Use one [`Breaker`] for each CA and one for each zone. It stops *new* orders only. Orders in flight are polled and
//! completed in any case: they have spent their budgets, and a certificate that waits at the CA would be lost.

mod rule;
mod state;
#[cfg(test)]
mod tests;

pub use rule::{BreakerRule, Failure};
pub use state::{Admission, Breaker};
