//! When an order is expected to be done.

use std::time::SystemTime;

use fleetcert_schedule::expected_completion;
use fleetcert_schedule::order_queue::{Hold, HoldReason};
use fleetcert_store::Record;

use crate::budgets::words;
use crate::records::{ORDERS, OrderRecord};
use crate::{Engine, EngineError};

/// Where an order stands, for its device.
#[derive(Clone, Debug)]
pub(crate) struct Turn {
    /// How many go before it.
    pub ahead: usize,
    /// When it is expected to be done, if nothing more comes.
    pub expected_at: SystemTime,
    /// Which limit it waits for.
    pub waits_for: Option<String>,
}

/// A process that works on no orders has no queue, and counts no further.
const MOST_COUNTED: usize = 10_000;

impl Engine {
    /// When it is the turn of an order that was just read, and that has not failed. No other order is looked at.
    pub(crate) async fn turn(&self, stored: &Record, order: &OrderRecord) -> Result<Turn, EngineError> {
        let (now, each) = (self.now(), self.mean_order_time());
        let in_flight = self.parts().options.orders_in_flight;
        let held_back = order.held_back.as_ref();
        let held_until = held_back.map(|held_back| held_back.until);
        let waits_for = held_back.map(|held_back| held_back.why.clone());
        // Neither held nor to be had: somebody works on it.
        if held_back.is_none() && stored.due.is_some_and(|due| due > now) {
            let expected_at = now.checked_add(each).unwrap_or(now);
            return Ok(Turn { ahead: 0, expected_at, waits_for: None });
        }
        self.found_order(stored).await?;
        let Some(place) = self.waiting().place(&stored.key) else {
            let ahead = self.parts().store.count_due(ORDERS, order.queued_at, MOST_COUNTED).await?;
            let (token, why) = self.without_queue(order, ahead).await?;
            let start = [held_until, token].into_iter().flatten().fold(now, SystemTime::max);
            let expected_at = expected_completion(start, 0, in_flight, each);
            let by_turns = expected_completion(now, ahead, in_flight, each);
            let expected_at = expected_at.max(by_turns);
            return Ok(Turn { ahead, expected_at, waits_for: waits_for.or(why) });
        };
        let token = match self.likely_charges(order, now).await? {
            Some(charges) if !place.is_exempt => self.token_at(&charges, place.lane, place.in_pool).await?,
            _ => None,
        };
        let start = [held_until, token].into_iter().flatten().fold(now, SystemTime::max);
        let expected_at = place.expected_at(start, in_flight, each, now);
        let waits_for = waits_for.or_else(|| place.held.as_ref().and_then(describe));
        Ok(Turn { ahead: place.ahead, expected_at, waits_for })
    }

    /// When the shared buckets have a token for an order, and what holds it, where there is no queue.
    async fn without_queue(
        &self,
        order: &OrderRecord,
        ahead: usize,
    ) -> Result<(Option<SystemTime>, Option<String>), EngineError> {
        let (now, lane) = (self.now(), order.lane(self.now()));
        let charges = self.likely_charges(order, now).await?;
        let Some(charges) = charges.filter(|_| !order.is_placed()) else { return Ok((None, None)) };
        let denial = self.shared_denial(&charges, self.leave(lane), 0).await?;
        let why = denial.map(|denial| words(&denial.denied, denial.until));
        Ok((self.token_at(&charges, lane, ahead).await?, why))
    }

    /// Whether a limit keeps the order that was just read, and all that are like it: nobody works on it.
    pub(crate) fn is_kept(&self, stored: &Record) -> bool {
        let is_due = stored.due.is_some_and(|due| due <= self.now());
        is_due
            && self
                .waiting()
                .place(&stored.key)
                .is_some_and(|place| place.held.as_ref().and_then(describe).is_some())
    }
}

/// Describes the limit that holds an order, for its owner; `None` when no limit does.
fn describe(hold: &Hold) -> Option<String> {
    match &hold.reason {
        HoldReason::Limit { denied, until } => Some(words(denied, *until)),
        _ => None,
    }
}
