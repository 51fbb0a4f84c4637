//! The queue of one zone: the waiting calls, and the names in flight.

use std::collections::BTreeSet;
use std::mem;
use std::time::Duration;

use fleetcert_names::DomainName;
use tokio::sync::oneshot;

use crate::{BackendError, BackendErrorKind, Change, Operation};

/// Wait before a retry of a call that found the queue full.
const FULL_RETRY_AFTER: Duration = Duration::from_millis(100);

/// One call: its changes, and the channel for its result.
pub(super) struct Call {
    pub(super) changes: Vec<Change>,
    pub(super) reply: oneshot::Sender<Result<(), BackendError>>,
}

impl Call {
    pub(super) fn names(&self) -> impl Iterator<Item = &DomainName> {
        self.changes.iter().map(Change::name)
    }

    /// Sends the caller its result, if it still waits.
    pub(super) fn settle(self, result: Result<(), BackendError>) {
        let _ = self.reply.send(result);
    }
}

/// The size of a batch, or of the waiting changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) changes: usize,
    pub(super) octets: usize,
}

impl Size {
    fn with(self, call: &Call) -> Self {
        let octets: usize = call.changes.iter().map(Change::wire_octets).sum();
        Self { changes: self.changes + call.changes.len(), octets: self.octets + octets }
    }

    fn fits(self, limit: Self) -> bool {
        self.changes <= limit.changes && self.octets <= limit.octets
    }
}

/// Waiting calls in the order of arrival. A dropped call stays until the next batch, or until the queue is full.
#[derive(Default)]
pub(super) struct Queue {
    waiting: Vec<Call>,
    size: Size,
    in_flight: BTreeSet<DomainName>,
}

impl Queue {
    pub(super) fn calls(&self) -> usize {
        self.waiting.len()
    }

    /// Returns whether the waiting calls fill a batch.
    pub(super) fn fills(&self, limit: Size) -> bool {
        self.size.changes >= limit.changes || self.size.octets >= limit.octets
    }

    /// Adds the call, or fails it if `max_waiting` changes already wait. An empty queue accepts a list of any length,
    /// so that no list is rejected forever.
    pub(super) fn push(&mut self, zone: &DomainName, call: Call, max_waiting: usize) {
        let is_full = |size: Size| size.changes > 0 && size.changes + call.changes.len() > max_waiting;
        if is_full(self.size) {
            self.refill(Some);
        }
        if is_full(self.size) {
            return call.settle(Err(full(zone, self.size.changes, max_waiting)));
        }
        self.size = self.size.with(&call);
        self.waiting.push(call);
    }

    /// Takes the next calls in order: as many as fit, at least one. A call waits while one of its names is in flight
    /// or belongs to an earlier waiting call, so that the changes of a name keep their order.
    pub(super) fn take(&mut self, limit: Size) -> Vec<Call> {
        let mut blocked = self.in_flight.clone();
        let (mut batch, mut size, mut is_full) = (Vec::new(), Size::default(), false);
        self.refill(|call| {
            if call.names().any(|name| blocked.contains(name)) {
                blocked.extend(call.names().cloned());
                return Some(call);
            }
            is_full |= !batch.is_empty() && !size.with(&call).fits(limit);
            if is_full {
                return Some(call);
            }
            size = size.with(&call);
            batch.push(call);
            None
        });
        self.in_flight.extend(batch.iter().flat_map(Call::names).cloned());
        batch
    }

    /// Marks these names as no longer in flight.
    pub(super) fn release(&mut self, names: &[DomainName]) {
        self.in_flight.retain(|name| !names.contains(name));
    }

    /// Fails all waiting calls.
    pub(super) fn refuse_all(&mut self, error: &BackendError) {
        mem::take(&mut self.waiting).into_iter().for_each(|call| call.settle(Err(error.clone())));
        self.size = Size::default();
    }

    /// Keeps the calls that `keep` returns, and removes those that were dropped.
    fn refill(&mut self, keep: impl FnMut(Call) -> Option<Call>) {
        let waits = |call: &Call| !call.reply.is_closed();
        self.waiting = mem::take(&mut self.waiting).into_iter().filter(waits).filter_map(keep).collect();
        self.size = self.waiting.iter().fold(Size::default(), Size::with);
    }
}

/// Returns the error for a call that finds the queue full.
pub(super) fn full(zone: &DomainName, waiting: usize, max: usize) -> BackendError {
    let why = format!("{waiting} changes of the zone already wait, and at most {max} can");
    BackendError::new(BackendErrorKind::Quota, Operation::Apply, zone, why).with_retry_after(FULL_RETRY_AFTER)
}

#[cfg(test)]
mod tests;
