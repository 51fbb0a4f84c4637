//! Default quotas, so that one hostile device cannot use up the budgets of the fleet.

use std::time::Duration;

use crate::budget::Limit;

/// Certificate requests of one device: ten in an hour. A repeated request is answered with its valid certificate and
/// causes no order, but counts here.
pub const CSRS_PER_DEVICE: Limit = limit(10, 10, HOUR);

/// Requests with a wrong signature from one source address: 20 in a minute. Look before the signature is checked, and
/// spend if it is wrong. Do not count by key alone: anyone who knows the id of a key could lock its holder out.
pub const BAD_SIGNATURES: Limit = limit(20, 20, MINUTE);

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

const fn limit(burst: u32, count: u32, period: Duration) -> Limit {
    match Limit::new(burst, count, period) {
        Ok(limit) => limit,
        // Evaluated at compile time: an invalid limit does not build.
        Err(_) => unreachable!(),
    }
}
