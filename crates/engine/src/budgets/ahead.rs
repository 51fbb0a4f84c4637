//! What the shared buckets have for orders that are not sent yet.

use std::time::{Duration, SystemTime};

use fleetcert_schedule::budget::{Charges, Denied, Leave, Limit};
use fleetcert_schedule::queue::Lane;

use crate::{Engine, EngineError};

/// Above this part of a bucket nothing is kept for others, so that a full one has a token for each lane.
const MOST_KEPT: u16 = 900;
/// When time alone does not help, an order under way has to end: it is looked again after this time.
const NO_TIME: Duration = Duration::from_secs(60);

/// Why an order cannot go now that shares its buckets with others.
#[derive(Debug)]
pub(crate) struct SharedDenial {
    pub denied: Denied,
    /// When a token is there.
    pub until: SystemTime,
    /// There is one, and it is kept for more urgent lanes.
    pub reserve: bool,
}

impl Engine {
    /// What orders of a lane leave of the shared buckets to others.
    pub(crate) fn leave(&self, lane: Lane) -> Leave {
        Leave::PerMille(self.kept_of(lane))
    }

    /// Why an order would be denied a token of a shared bucket, when `starting` others take one before it.
    pub(crate) async fn shared_denial(
        &self,
        charges: &Charges,
        leave: Leave,
        starting: u32,
    ) -> Result<Option<SharedDenial>, EngineError> {
        let now = self.now();
        let mut rows = self.rows(charges.shared().cloned(), self.limits().await?, now).await?;
        rows.hold_more(|_| starting, now);
        let Some(denied) = rows.budgets.denial_leaving(charges, leave, now) else { return Ok(None) };
        let reserve = rows.budgets.denial(charges, now).is_none();
        let until = denied.retry_at().unwrap_or(now + NO_TIME);
        // The store keeps whole milliseconds, rounded down.
        let until = until.checked_add(Duration::from_millis(1)).unwrap_or(until);
        Ok(Some(SharedDenial { denied, until, reserve }))
    }

    /// When the shared buckets have a token for an order that so many go before; `None` when they do not say.
    pub(crate) async fn token_at(
        &self,
        charges: &Charges,
        lane: Lane,
        ahead: usize,
    ) -> Result<Option<SystemTime>, EngineError> {
        let now = self.now();
        let part = u64::from(self.kept_of(lane));
        let mut rows = self.rows(charges.shared().cloned(), self.limits().await?, now).await?;
        let kept = |limit: &Limit| u32::try_from(u64::from(limit.burst()) * part / 1000).unwrap_or(u32::MAX);
        rows.hold_more(kept, now);
        Ok(rows.budgets.available_at(charges, (ahead as u64).saturating_add(1), now))
    }

    fn kept_of(&self, lane: Lane) -> u16 {
        (*self.parts().options.reserve.leave.get(lane)).min(MOST_KEPT)
    }
}
