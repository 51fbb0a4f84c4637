//! What a refusal of the CA says about its limits.

use std::time::{Duration, SystemTime};

use fleetcert_acme::{Fault, RateLimit};
use fleetcert_schedule::budget::Limits;

use super::Holding;
use super::commit::{Refused, pausing};

/// Back-off before the next order for a name that the CA has paused, unless an operator unpauses it before.
const PAUSED_NAME_BACKOFF: Duration = Duration::from_secs(24 * 3600);

/// Returns what the answer to a newOrder says about the buckets that the order touches.
pub(crate) fn refused(fault: &Fault, holding: &Holding, limits: &Limits, now: SystemTime) -> Option<Refused> {
    let account = holding.account();
    Some(match fault.limit.as_ref()? {
        RateLimit::Paused(pause) => {
            let keys =
                pause.names(holding.names()).into_iter().map(|name| pausing(account.clone(), name)).collect();
            Refused::Paused { keys, pause: pause.clone(), until: now + PAUSED_NAME_BACKOFF }
        }
        RateLimit::Reached(limit) => {
            let (key, refusal) = limit.of_order(limits, &account, holding.names());
            Refused::Limit { key, refusal }
        }
    })
}
