//! Discovery of orders that other processes wrote.

use std::collections::BTreeSet;
use std::time::SystemTime;

use super::Orders;
use crate::EngineError;
use crate::records::{ORDERS, Stored};

/// Orders in one page of the store. An order is a few kilobytes.
const PAGE_SIZE: usize = 500;

/// The position of a process in the pages of stored orders.
#[derive(Debug, Default)]
pub(super) struct Discovery {
    /// At the start, all pages are read at once.
    has_all: bool,
    after: Option<String>,
    last_read: Option<SystemTime>,
}

impl Discovery {
    /// Reads the next page into the queue when it is time.
    pub(super) async fn advance(&mut self, orders: &Orders) -> Result<(), EngineError> {
        let now = orders.context.now();
        let interval = orders.options.look_for_orders;
        let since = self.last_read.map(|last| now.duration_since(last).unwrap_or(interval));
        if self.has_all && since.is_some_and(|since| since < interval) {
            return Ok(());
        }
        loop {
            self.after = self.read_page(orders).await?;
            self.last_read = Some(now);
            self.has_all |= self.after.is_none();
            if self.has_all {
                return Ok(());
            }
        }
    }

    /// Reads a page, adds the orders in it to the queue and forgets those that are gone. Returns where the page ended;
    /// `None` at the end of the last.
    async fn read_page(&self, orders: &Orders) -> Result<Option<String>, EngineError> {
        // Once for the whole page.
        orders.budgets.limits().await?;
        let mark = orders.queue.mark();
        let after = self.after.as_deref();
        let page = orders.context.store.page(ORDERS, after, PAGE_SIZE).await?;
        let last = page.last().filter(|_| page.len() == PAGE_SIZE).map(|last| last.key.clone());
        let present: BTreeSet<String> = page.iter().map(|stored| stored.key.clone()).collect();
        for stored in page {
            // An order that is known needs no decoding.
            if stored.due.is_none() || orders.queue.knows(&stored.key, stored.version) {
                continue;
            }
            if let Some(order) = orders.context.ok_or_report(Stored::decode(stored)) {
                let found = orders.found(&order).await;
                orders.context.ok_or_report(found);
            }
        }
        let present = present.iter().map(String::as_str).collect();
        orders.queue.forget_missing(after, last.as_deref(), &present, mark);
        Ok(last)
    }
}
