//! How this process learns of orders.

use std::collections::BTreeSet;
use std::time::SystemTime;

use fleetcert_schedule::budget::Charges;
use fleetcert_schedule::order_queue::pool_of;
use fleetcert_schedule::queue::{Pool, Tenant};
use fleetcert_store::{Record, Version};

use super::waiting::WaitingOrder;
use crate::budgets::{Holding, host_names};
use crate::records::{self, ORDERS, OrderRecord, Previous};
use crate::{Engine, EngineError};

/// So many orders are looked at in one read. An order is a few kilobytes.
const PAGE: usize = 500;

impl Engine {
    /// Reads the next page of orders, and takes note of those that other nodes wrote, and of those that are gone. Says
    /// where the page ended; `None` at the end of all.
    pub(super) async fn look_for_orders(&self, after: Option<&str>) -> Result<Option<String>, EngineError> {
        // Once for all of them.
        self.limits().await?;
        let mark = self.waiting().mark();
        let page = self.parts().store.page(ORDERS, after, PAGE).await?;
        let last = page.last().filter(|_| page.len() == PAGE).map(|last| last.key.clone());
        for stored in &page {
            let found = self.found_order(stored).await;
            self.readable(found);
        }
        let there: BTreeSet<&str> = page.iter().map(|stored| stored.key.as_str()).collect();
        self.waiting().forget_missing(after, last.as_deref(), &there, mark);
        Ok(last)
    }

    /// Takes note of an order that was read.
    pub(crate) async fn found_order(&self, stored: &Record) -> Result<(), EngineError> {
        let Some(due) = stored.due else { return Ok(()) };
        if !self.waiting().knows(&stored.key, stored.version) {
            let order = records::decode(stored)?;
            let waits = self.waits(&stored.key, stored.version, &order, due).await?;
            self.waiting().found(waits, self.now());
        }
        Ok(())
    }

    /// Takes note of an order that was just written.
    pub(crate) async fn note_order(
        &self,
        name: &str,
        version: Version,
        order: &OrderRecord,
        due: SystemTime,
    ) {
        // It is written; at worst it is found later.
        let noted = self.put_in_queue(name, version, order, due).await;
        self.readable(noted);
    }

    pub(super) async fn put_in_queue(
        &self,
        name: &str,
        version: Version,
        order: &OrderRecord,
        due: SystemTime,
    ) -> Result<(), EngineError> {
        if self.waiting().is_open() {
            let waits = self.waits(name, version, order, due).await?;
            self.waiting().note(waits, self.now());
        }
        Ok(())
    }

    async fn waits(
        &self,
        name: &str,
        version: Version,
        order: &OrderRecord,
        due: SystemTime,
    ) -> Result<WaitingOrder, EngineError> {
        let now = self.now();
        let charges = self.likely_charges(order, now).await?;
        Ok(WaitingOrder {
            name: name.to_owned(),
            version,
            is_placed: order.is_placed(),
            lane: order.lane(now),
            expiring_from: order.previous.as_ref().map(Previous::expiring_from),
            pool: charges.as_ref().map_or(Pool::default(), pool_of),
            tenant: Tenant(order.tenant),
            deadline: order.previous.as_ref().map_or(order.queued_at, |previous| previous.not_after),
            since: order.queued_at,
            due,
        })
    }

    /// What the order will cost as far as its record tells. What it costs indeed is looked up when it is its turn.
    pub(super) async fn likely_charges(
        &self,
        order: &OrderRecord,
        now: SystemTime,
    ) -> Result<Option<Charges>, EngineError> {
        let names = &host_names(order.state.order());
        let limits = self.limits().await?;
        let account = self.parts().authority.account_url();
        Ok(Holding::to_order(&limits, order.likely_kind(now), account, names).charges())
    }
}
