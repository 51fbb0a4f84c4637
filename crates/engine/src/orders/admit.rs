//! From the one whose turn it is to an order that is worked on.

use std::time::Duration;

use fleetcert_schedule::order_queue::pool_of;
use fleetcert_store::{Expect, Record, Transaction};

use super::waiting::Candidate;
use crate::records::{self, ORDERS, OrderRecord};
use crate::{Engine, EngineError, Event};

/// Somebody else writes the order at this moment.
const A_MOMENT: Duration = Duration::from_millis(50);

impl Engine {
    /// Takes the order whose turn it is, for as long as the lease; `None` when it is not to be had now, and then the
    /// queue knows. The order is not touched unless it can go.
    pub(super) async fn admit(&self, candidate: &Candidate) -> Result<Option<Record>, EngineError> {
        let name = &candidate.name;
        let Some(stored) = self.parts().store.read(ORDERS, name).await? else {
            self.waiting().forget(name);
            return Ok(None);
        };
        let now = self.now();
        let order: OrderRecord = records::decode(&stored)?;
        match stored.due {
            None => {
                self.waiting().forget(name);
                return Ok(None);
            }
            Some(due) if due > now || order.is_placed() != candidate.is_placed => {
                self.put_in_queue(name, stored.version, &order, due).await?;
                return Ok(None);
            }
            Some(_) => {}
        }
        if !candidate.is_placed && !self.may_start(candidate, &order).await? {
            return Ok(None);
        }
        let due = Some(now + self.order_lease());
        let expect = Expect::Version(stored.version);
        let lease = Transaction::new().put(ORDERS, name, expect, stored.value.clone(), due);
        match self.parts().store.commit(lease).await {
            Ok(version) => {
                self.waiting().started(candidate);
                Ok(Some(Record { version, due, ..stored }))
            }
            Err(error) if error.is_conflict() => {
                self.waiting().hold(name, now + A_MOMENT);
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Whether the shared buckets have a token for it, so far as can be seen. The reservation decides.
    async fn may_start(&self, candidate: &Candidate, order: &OrderRecord) -> Result<bool, EngineError> {
        let Ok(name) = candidate.name.parse() else { return Ok(true) };
        let now = self.now();
        let Some(charges) = self.holding_to_order(&name, order.state.order()).await?.charges() else {
            return Ok(true);
        };
        let (lane, pool) = (order.lane(now), pool_of(&charges));
        if !self.waiting().confirm(candidate, lane, pool) {
            return Ok(false);
        }
        let starting = self.waiting().starting(pool);
        let Some(denial) = self.shared_denial(&charges, self.leave(lane), starting).await? else {
            return Ok(true);
        };
        if self.waiting().close(candidate, &denial, starting, now) {
            self.notify(&Event::OrdersHeld { by: denial.denied.by(), until: denial.until });
        }
        Ok(false)
    }
}
