//! What a refusal of the CA says about its limits.

use std::time::{Duration, SystemTime};

use fleetcert_acme::{AcmeErrorKind, Fault};

use super::Holding;
use super::commit::{Refused, pausing};

/// A name that the CA has paused is asked for again after this time, unless an operator says so before.
const PAUSE: Duration = Duration::from_secs(24 * 3600);

/// What the answer to a newOrder says about the buckets that the order touches.
pub(crate) fn refused(fault: &Fault, holding: &Holding, now: SystemTime) -> Option<Refused> {
    match fault.kind {
        AcmeErrorKind::Paused => {
            let keys = holding.names().iter().map(|name| pausing(holding.account(), name.clone())).collect();
            Some(Refused::Paused { keys, why: fault.to_string(), until: now + PAUSE })
        }
        _ => None,
    }
}
