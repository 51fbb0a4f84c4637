//! What a refusal of the CA says about its limits.

use std::time::{Duration, SystemTime};

use fleetcert_acme::Fault;
use fleetcert_schedule::budget::refusal::{Parts, RefusalText};
use fleetcert_schedule::budget::{Limits, NameSet};

use super::Holding;
use super::commit::{Refused, pausing};

/// A name that the CA has paused is asked for again after this time, unless an operator says so before.
const PAUSE: Duration = Duration::from_secs(24 * 3600);

/// What the answer to a newOrder says about the buckets that the order touches.
pub(crate) fn refused(fault: &Fault, holding: &Holding, limits: &Limits, now: SystemTime) -> Option<Refused> {
    let problem = fault.problem.as_ref().map(|problem| problem.kind.to_string());
    let retry_after = fault.retry_after.map(|wait| wait.as_secs().to_string());
    let parts = Parts {
        status: fault.status?,
        problem: problem.as_deref(),
        detail: fault.problem.as_ref().map(|problem| problem.detail.as_str()),
        retry_after: retry_after.as_deref(),
        ..Parts::default()
    };
    let names = NameSet::new(holding.names())?;
    let account = holding.account();
    match RefusalText::read(&parts, now)? {
        RefusalText::Paused(pause) => {
            let keys = pause.names(&names).into_iter().map(|name| pausing(account.clone(), name)).collect();
            Some(Refused::Paused { keys, pause, until: now + PAUSE })
        }
        text => {
            let (key, refusal) = text.of_order(limits, &account, &names)?;
            Some(Refused::Limit { key, refusal })
        }
    }
}
