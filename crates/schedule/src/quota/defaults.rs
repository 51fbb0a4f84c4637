//! The quotas that hold unless an integrator sets others, so that one hostile device cannot use up the fleet's budgets.

use std::time::Duration;

use crate::budget::Limit;

/// Certificate requests of one device: ten in an hour. The same request again, while its certificate is good, is
/// answered with that certificate and is no order; but it counts here.
pub const CSRS_PER_DEVICE: Limit = limit(10, 10, HOUR);

/// Requests with a wrong signature of one source address: 20 in a minute. Look before the signature is checked, spend when
/// it is wrong. Who counts by key too must count those of one address alone, or whoever knows the id of a key can lock its
/// holder out.
pub const BAD_SIGNATURES: Limit = limit(20, 20, MINUTE);

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

const fn limit(burst: u32, count: u32, period: Duration) -> Limit {
    match Limit::new(burst, count, period) {
        Ok(limit) => limit,
        // Evaluated by the compiler: a wrong line in this table does not build.
        Err(_) => unreachable!(),
    }
}
