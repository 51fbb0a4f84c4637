//! When an order is expected to be done.

use std::time::SystemTime;

use fleetcert_schedule::expected_completion;
use fleetcert_schedule::order_queue::{Hold, HoldReason};

use super::Orders;
use crate::EngineError;
use crate::budgets::describe_denial;
use crate::records::{ORDERS, OrderRecord, Stored};

/// The position of an order, for its device.
#[derive(Clone, Debug)]
pub(crate) struct Turn {
    /// Orders before it.
    pub ahead: usize,
    /// Time at which it is expected to be done, if no more urgent order comes.
    pub expected_at: SystemTime,
    /// Limit that holds it.
    pub waits_for: Option<String>,
}

/// Maximum orders that a process without a queue counts.
const MAX_COUNTED: usize = 10_000;

impl Turn {
    /// Returns the turn of an order that was just read or written, and has not failed. No other order is read.
    pub(crate) async fn of(orders: &Orders, stored: &Stored<OrderRecord>) -> Result<Self, EngineError> {
        let Orders { context, budgets, queue, .. } = orders;
        let (now, each) = (context.now(), orders.mean_order_time());
        let (in_flight, order) = (orders.options.orders_in_flight, &stored.value);
        let held_back = order.held_back.as_ref();
        let held_until = held_back.map(|held_back| held_back.until);
        let waits_for = held_back.map(|held_back| held_back.why.clone());
        // Neither held nor due: it is in flight.
        if held_back.is_none() && stored.due.is_some_and(|due| due > now) {
            let expected_at = now.checked_add(each).unwrap_or(now);
            return Ok(Self { ahead: 0, expected_at, waits_for: None });
        }
        orders.found(stored).await?;
        let Some(place) = queue.place(&stored.key) else {
            let ahead = context.store.count_due(ORDERS, order.queued_at, MAX_COUNTED).await?;
            let charges = budgets.likely_charges(order).await?.filter(|_| !order.is_placed());
            let (denial, token) = match charges {
                Some(charges) => budgets.outlook(&charges, order.lane(now), ahead).await?,
                None => (None, None),
            };
            let why = denial.map(|denial| describe_denial(&denial.denied, denial.until));
            let start = [held_until, token].into_iter().flatten().fold(now, SystemTime::max);
            let by_token = expected_completion(start, 0, in_flight, each);
            let by_position = expected_completion(now, ahead, in_flight, each);
            return Ok(Self { ahead, expected_at: by_token.max(by_position), waits_for: waits_for.or(why) });
        };
        let token = match budgets.likely_charges(order).await? {
            Some(charges) if !place.is_exempt => {
                budgets.outlook(&charges, place.lane, place.in_pool).await?.1
            }
            _ => None,
        };
        let start = [held_until, token].into_iter().flatten().fold(now, SystemTime::max);
        let expected_at = place.expected_at(start, in_flight, each, now);
        let waits_for = waits_for.or_else(|| place.held.as_ref().and_then(describe_hold));
        Ok(Self { ahead: place.ahead, expected_at, waits_for })
    }
}

impl Orders {
    /// Returns whether a shared limit holds an order that was just read, so that no worker has it.
    pub(crate) fn is_held_with_others(&self, stored: &Stored<OrderRecord>) -> bool {
        let is_due = stored.due.is_some_and(|due| due <= self.context.now());
        let held = || self.queue.place(&stored.key).and_then(|place| place.held);
        is_due && held().as_ref().and_then(describe_hold).is_some()
    }
}

/// Describes the limit that holds an order, for its owner; `None` when no limit does.
fn describe_hold(hold: &Hold) -> Option<String> {
    match &hold.reason {
        HoldReason::Limit { denied, until } => Some(describe_denial(denied, *until)),
        _ => None,
    }
}
