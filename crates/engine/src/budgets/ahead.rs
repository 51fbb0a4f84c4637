//! What the shared buckets have for orders that are not sent yet.

use std::time::{Duration, SystemTime};

use fleetcert_schedule::budget::{Charges, Leave, Limit, SharedDenial};
use fleetcert_schedule::queue::Lane;

use crate::{Engine, EngineError};

impl Engine {
    /// What orders of a lane leave of the shared buckets to others.
    pub(crate) fn leave(&self, lane: Lane) -> Leave {
        self.parts().options.reserve.leave_of(lane)
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
        Ok(rows.budgets.shared_denial(charges, leave, now).map(|denial| {
            // The store keeps whole milliseconds, rounded down.
            let until = denial.until.checked_add(Duration::from_millis(1)).unwrap_or(denial.until);
            SharedDenial { until, ..denial }
        }))
    }

    /// When the shared buckets have a token for an order that so many go before; `None` when they do not say.
    pub(crate) async fn token_at(
        &self,
        charges: &Charges,
        lane: Lane,
        ahead: usize,
    ) -> Result<Option<SystemTime>, EngineError> {
        let now = self.now();
        let leave = self.leave(lane);
        let mut rows = self.rows(charges.shared().cloned(), self.limits().await?, now).await?;
        rows.hold_more(|limit: &Limit| leave.of(limit), now);
        Ok(rows.budgets.available_at(charges, (ahead as u64).saturating_add(1), now))
    }
}
