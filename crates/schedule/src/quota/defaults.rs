//! The quotas that hold unless an integrator sets others, so that one hostile device cannot use up the fleet's budgets.

use std::time::{Duration, SystemTime};

use crate::budget::Limit;

/// Certificate requests of one device: ten in an hour. The same request again, while its certificate is good, is
/// answered with that certificate and is no order; but it counts here.
pub const CSRS_PER_DEVICE: Limit = limit(10, 10, HOUR);

/// Requests with a wrong signature of one source address: 20 in a minute. Look before the signature is checked, spend when
/// it is wrong. Who counts by key too must count those of one address alone, or whoever knows the id of a key can lock its
/// holder out.
pub const BAD_SIGNATURES: Limit = limit(20, 20, MINUTE);

/// Host names of one device, unless an integrator sets more.
pub const NAMES_PER_DEVICE: u32 = 1;

/// The most host names of one device that can be set.
pub const MOST_NAMES_PER_DEVICE: u32 = 3;

/// Whether a device that holds `held` names may have one more, where `allowed` was set: never more than
/// [`MOST_NAMES_PER_DEVICE`].
///
/// ```
/// use fleetcert_schedule::quota::{NAMES_PER_DEVICE, may_hold_one_more};
///
/// assert!(may_hold_one_more(0, NAMES_PER_DEVICE) && !may_hold_one_more(1, NAMES_PER_DEVICE));
/// assert!(!may_hold_one_more(3, 1000));
/// ```
pub const fn may_hold_one_more(held: u32, allowed: u32) -> bool {
    held < allowed && held < MOST_NAMES_PER_DEVICE
}

/// What one tenant may take of a budget for new certificates while others wait: a quarter of what it has at once, and
/// of what comes back; at least one.
///
/// While nobody else waits, a tenant may take more; then nothing is asked of this limit.
///
/// ```
/// use fleetcert_schedule::budget::Limit;
/// use fleetcert_schedule::quota::tenant_share;
/// use std::time::Duration;
///
/// let week = Duration::from_secs(7 * 86_400);
/// let share = tenant_share(&Limit::new(50, 50, week)?);
/// assert_eq!((share.burst(), share.emission_interval()), (12, 4 * Duration::from_secs(12_096)));
/// # Ok::<(), fleetcert_schedule::budget::LimitError>(())
/// ```
pub fn tenant_share(budget: &Limit) -> Limit {
    let burst = (budget.burst() / 4).max(1);
    let slower =
        budget.period().checked_mul(4).and_then(|period| Limit::new(burst, budget.count(), period).ok());
    // Only where a quarter of the refill needs more than 292 years for a burst.
    slower.unwrap_or(*budget)
}

/// How many tokens of a budget are kept for renewals that are [urgent](is_urgent): a fifth of its burst. Others may
/// take a token only when more than these are left.
///
/// ```
/// use fleetcert_schedule::quota::reserved_for_urgent;
///
/// assert_eq!((reserved_for_urgent(300), reserved_for_urgent(5), reserved_for_urgent(4)), (60, 1, 0));
/// ```
pub const fn reserved_for_urgent(burst: u32) -> u32 {
    burst / 5
}

/// Whether a certificate has less than a third of its life left.
pub fn is_urgent(not_before: SystemTime, not_after: SystemTime, now: SystemTime) -> bool {
    let life = not_after.duration_since(not_before).unwrap_or_default();
    let left = not_after.duration_since(now).unwrap_or_default();
    left < life / 3 || left.is_zero()
}

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

const fn limit(burst: u32, count: u32, period: Duration) -> Limit {
    match Limit::new(burst, count, period) {
        Ok(limit) => limit,
        // Evaluated by the compiler: a wrong line in this table does not build.
        Err(_) => unreachable!(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urgent_is_the_last_third() {
        let day = |days: u32| SystemTime::UNIX_EPOCH + Duration::from_secs(86_400) * days;
        assert!(!is_urgent(day(0), day(45), day(30)));
        assert!(is_urgent(day(0), day(45), day(31)));
        assert!(is_urgent(day(0), day(45), day(50)));
        assert!(is_urgent(day(9), day(5), day(7)), "a life that ends before it starts");
        assert!(!is_urgent(day(5), day(50), day(0)), "a clock that is behind");
    }

    #[test]
    fn a_share_is_never_nothing() {
        let share = |burst, count, period| tenant_share(&Limit::new(burst, count, period).unwrap());
        assert_eq!(share(1, 1, HOUR).burst(), 1);
        assert_eq!(share(1, 1, HOUR * 24 * 365 * 200), Limit::new(1, 1, HOUR * 24 * 365 * 200).unwrap());
    }
}
