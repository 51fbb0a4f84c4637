//! When nothing new is started, because what it needs does not work.
//!
//! One [`Breaker`] stands for one CA, one for one zone. It stops *new* orders. Orders under way are polled and brought
//! to their end whatever it says: they have spent their budgets, and a certificate that waits at the CA is lost
//! otherwise.

mod rule;
mod state;
#[cfg(test)]
mod tests;

pub use rule::{BreakerRule, Failure};
pub use state::{Admission, Breaker};
